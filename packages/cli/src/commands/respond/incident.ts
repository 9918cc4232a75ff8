import type { Incident } from '@modelseal/journal'
import { Option, type Command } from 'commander'
import { onJournals, timeOption, withJournals, type Journals, type JournalsFlags } from '../../journals.ts'
import { nonEmpty, pathOption, pathsOption, withJson } from '../../options.ts'
import { columns, summary } from '../../output.ts'
import type { Outcome, Perform, Session } from '../../perform.ts'
import type { Table } from '../../pages/content.ts'

interface Flags extends JournalsFlags {
  signer?: string
  model?: string
  file?: string
  policy?: string
  since?: Date
  until?: Date
  claims: string[]
  anew?: boolean
  html?: string
}

/** `modelseal incident JOURNAL…`: who loaded what turned out to be bad. */
export function addIncident(program: Command, perform: Perform): void {
  withJournals(withJson(program.command('incident')))
    .description('Find out which services loaded a model, or what a signer signed, from journals of verdicts.')
    .addOption(
      kindOption(
        'signer',
        'fingerprint of a key or certificate, also of a root certificate; or an identity, subject or name',
      ),
    )
    .addOption(kindOption('model', 'root digest of a model'))
    .addOption(kindOption('file', 'digest of a file of a model'))
    .addOption(kindOption('policy', 'SHA-256 of a policy file'))
    .addOption(timeOption('--since <time>', 'only loads from this time on'))
    .addOption(timeOption('--until <time>', 'only loads before this time'))
    .addOption(
      pathsOption('--claims <file>', 'file of attestations, whose provenance names further inputs; may be repeated'),
    )
    .option('--anew', 'read the journals completely, whatever the index of earlier calls contains')
    .addOption(pathOption('--html <file>', 'write a page that shows the answer to this file (.html)'))
    .addHelpText('after', HELP)
    .action((journals: string[], flags: Flags, command: Command) => {
      if (KINDS.filter((kind) => flags[kind] !== undefined).length !== 1)
        command.error("error: give exactly one of '--signer', '--model', '--file' and '--policy'")
      return onJournals(perform, incident)(journals, flags, command)
    })
}

const KINDS = ['signer', 'model', 'file', 'policy'] as const

function kindOption(kind: (typeof KINDS)[number], description: string): Option {
  return new Option(`--${kind} <${kind === 'signer' ? 'signer' : 'digest'}>`, description).argParser(nonEmpty)
}

const HELP = `
Every record is verified before it counts, and only what was appended since the last call is read: an index in the cache of this
user has the rest. "Loaded now" is "unknown" for a load without an end whose process has written nothing for five minutes: it was
killed, or cannot write.

Exit code: 0 if all journals hold, whatever was found, and 1 if one does not, so that records may be missing.

Examples:
  $ modelseal incident --signer release@example.org journals/host-a journals/host-b
  $ modelseal incident --model sha256:0123… --since 2026-11-01 journals/* --html incident.html
  $ modelseal incident --file sha256:89ab… /var/lib/modelseal/journal --json`

async function incident(
  { journals, keys }: Journals,
  { html, ...query }: Flags,
  { signal }: Session,
): Promise<Outcome> {
  const { findIncident } = await import('@modelseal/journal')
  const { signer, model, file, policy, since, until, claims, anew } = query
  const page = html === undefined ? undefined : await (await pages()).checkedPagePath(html, undefined)
  const found = await findIncident(journals, { signer, model, file, policy, since, until, claims, keys, anew, signal })
  if (page !== undefined) {
    const { incidentPage } = await import('../../incident/incident-page.ts')
    await (await pages()).writePage(page, incidentPage(found))
  }
  return {
    lines: page === undefined ? await linesOf(found) : [`Wrote ${page}`],
    json: { result: { ...found, ...(page !== undefined && { page }) } },
    ...(!found.complete && { exitCode: 1 }),
    notes: found.unknown.slice(),
  }
}

function pages() {
  return import('../../pages/write-page.ts')
}

async function linesOf(found: Incident): Promise<string[]> {
  const { shown } = await import('@modelseal/core/errors')
  const { incidentTables, KIND_WORDS, loadedWords } = await import('../../incident/incident-tables.ts')
  const { query, total, loadedNow, journals } = found
  const { services, models, signers, refusals, derived } = incidentTables(found, shown)
  const { loads, refusals: refused, first, last } = total
  return [
    ...summary(`${KIND_WORDS[query.kind]} ${shown(query.value)}`, [
      ['loads', `${loads.toLocaleString('en')}, and ${refused.toLocaleString('en')} refused`],
      ['services', `${total.services} on ${total.hosts} ${total.hosts === 1 ? 'host' : 'hosts'}`],
      ['models', `${total.models}`],
      ...(first === undefined || last === undefined ? [] : ([['time', `${first} to ${last}`]] as const)),
      ['loaded now', `${loadedNow}: ${loadedWords(found)}`],
    ]),
    ...[services, models, derived, signers, refusals].flatMap(tableLines),
    ...journals.flatMap(({ directory, problems }) =>
      problems.map((problem) => `Journal ${shown(directory)} does not hold: ${problem}`),
    ),
  ]
}

/** Rows of a terminal that people read. */
const MOST_LINES = 50

/** A table in columns, without lines. */
function tableLines({ caption, header, rows, more }: Table): string[] {
  if (rows.length === 0) return []
  const shownRows = rows.slice(0, MOST_LINES)
  const left = more + rows.length - shownRows.length
  return ['', caption, ...columns([header, ...shownRows]), ...(left > 0 ? [`  and ${left} more (see --json)`] : [])]
}
