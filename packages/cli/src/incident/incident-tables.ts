import type { Incident, Limited } from '@modelseal/journal'
import { counted } from '../output.ts'
import type { Table } from '../pages/content.ts'
import { visible } from '../pages/visible.ts'

export const KIND_WORDS: Record<Incident['query']['kind'], string> = {
  signer: 'Signer',
  model: 'Model',
  file: 'File',
  policy: 'Policy',
}

/** Why it is, is not, or may be loaded now, as a sentence. */
export function loadedWords({ loadedNow, total: { live, loads } }: Incident): string {
  const open = counted(live, 'load')
  if (loadedNow === 'yes')
    return live === 1
      ? '1 load did not end, and its process wrote to its journal in the last minutes.'
      : `${open} did not end, and a process with one of them wrote to its journal in the last minutes.`
  if (live > 0)
    return `${open} did not end, but no process with one wrote in the last minutes: they were killed, or cannot write.`
  const known = loads > 0 ? 'All recorded loads have ended' : 'No load is recorded'
  return loadedNow === 'no' ? `${known}.` : `${known}, but a journal does not hold: records may be missing.`
}

type Tables = Record<'services' | 'models' | 'signers' | 'refusals' | 'derived' | 'journals', Table>

/** What was found, as tables. @param show how names of unknown origin are written */
export function incidentTables(incident: Incident, show = visible): Tables {
  const count = (value: number) => value.toLocaleString('en')
  return {
    services: tableOf(
      incident.services,
      ['Service', 'Host', 'Loaded now', 'Loads', 'Refusals', 'Models', 'First', 'Last'],
      'Services that loaded it, each on each of its hosts',
      ({ service, host, loadedNow, loads, refusals, models, first, last }) => [
        show(service),
        show(host),
        loadedNow,
        count(loads),
        count(refusals),
        count(models),
        first,
        last,
      ],
    ),
    models: tableOf(
      incident.models,
      ['Model', 'Root digest', 'Loaded now', 'Loads', 'Refusals', 'Services', 'First', 'Last'],
      'Models, with the names under which they were loaded',
      ({ names, rootDigest, loadedNow, loads, refusals, services, first, last }) => [
        names.map(show).join(', '),
        rootDigest === undefined ? 'unknown' : `sha256:${rootDigest}`,
        loadedNow,
        count(loads),
        count(refusals),
        count(services),
        first,
        last,
      ],
    ),
    signers: tableOf(
      incident.signers,
      ['Signer', 'Method', 'Fingerprint', 'Counted', 'Loads', 'First', 'Last'],
      'All signers of these loads',
      ({ name, identity, method, fingerprint, counted, loads, first, last }) => [
        identity === undefined ? show(name) : `${show(name)}, ${show(identity)}`,
        show(method),
        `sha256:${fingerprint}`,
        counted ? 'yes' : 'no',
        count(loads),
        first,
        last,
      ],
    ),
    refusals: tableOf(
      incident.refusals,
      ['Code', 'What happened', 'Number', 'First', 'Last'],
      'Loads that were refused, or let through unverified, and models that were revoked while in use',
      ({ code, kind, count: number, first, last }) => [code || 'none', kind, count(number), first, last],
    ),
    derived: tableOf(
      incident.derived,
      ['Model', 'Root digest', 'Made from', 'According to', 'Loaded now', 'Loads', 'Last'],
      'Models that were made from these, according to provenance statements',
      ({ names, rootDigest, from, proof, loadedNow, loads, last = '' }) => [
        names.map(show).join(', '),
        `sha256:${rootDigest}`,
        from.map((root) => `sha256:${root}`).join(', '),
        proof === 'recorded' ? 'signed provenance that a policy believed' : 'a file that nobody verified',
        loadedNow,
        count(loads),
        last,
      ],
    ),
    journals: tableOf(
      { items: incident.journals, more: 0 },
      ['Journal', 'Host', 'Holds', 'Records', 'Newest', 'Problems'],
      'Journals that were asked',
      ({ directory, host, holds, records, newest = '', problems }) => [
        show(directory),
        show(host),
        holds ? 'yes' : 'no',
        count(records),
        newest,
        problems.slice(0, 5).join('; '),
      ],
    ),
  }
}

function tableOf<Item>(
  { items, more }: Limited<Item>,
  header: readonly string[],
  caption: string,
  row: (item: Item) => readonly string[],
): Table {
  const shown = items.slice(0, MOST_ROWS)
  return { caption, header, rows: shown.map(row), more: more + items.length - shown.length }
}

/** Nobody reads more. */
const MOST_ROWS = 200
