import { problemLine } from '@modelseal/core/journal'
import { allJournals, type JournalKeys } from '../all-journals.ts'
import type { Statements } from '../index/statements.ts'
import { updateIndex, type JournalIndex } from '../index/update-index.ts'
import { checkedQuery, type CheckedQuery } from './checked-query.ts'
import { readClaims } from './claims.ts'
import { ALWAYS, countLoads, daily, type Day, type Period } from './counting.ts'
import { derivedFrom, type Claims, type Derivation } from './derivation.ts'
import type { AskedJournal, DerivedModel, Incident, IncidentQuery, Limited } from './incident.ts'
import { JournalFacts, MOST_ROWS } from './journal-facts.ts'
import { matchSituations, rootsOfHits, rootsWithFile } from './matching.ts'
import { loadedNow, Merged, modelsOf, refusalsOf, servicesOf, signersOf, timeText } from './merged.ts'
import { momentsOf } from './moments.ts'
import { timelineOf } from './timeline.ts'
import { whatIsUnknown } from './unknown.ts'

export interface IncidentOptions extends IncidentQuery {
  /** Files of attestations, whose provenance also says what was made from what. Nobody verifies them. */
  claims?: readonly string[] | undefined
  /** Keys of hosts, as `verifyJournal` takes them, by the directory of their journal. Default: the keys in the journals. */
  keys?: JournalKeys | undefined
  /** True to read the journals completely, whatever their indexes contain. */
  anew?: boolean | undefined
  signal?: AbortSignal | undefined
}

/** A process that wrote in the last five minutes is taken to be running. The clocks of hosts may differ as much. */
const RECENT_MS = 5 * 60_000

/**
 * Finds out which services loaded a model, or what a signer signed, from the journals of any number of hosts. What was appended since the
 * last question is read and verified; an index in the private cache of this user has the rest.
 *
 * @param journals directories of journals, or of a collector, which contains journals
 * @throws `ModelSealError` `INVALID_ARGUMENT`, `JOURNAL_INVALID`, `KEY_INVALID`, `KEY_MISMATCH`, `CACHE_UNSAFE`, `FILE_WRITE_FAILED`,
 * `FILE_NOT_FOUND`, `FILE_UNREADABLE`, `ABORTED`, and what reading the files of attestations throws
 * @example
 * ```ts
 * const { loadedNow, services } = await findIncident(['journals/host-a', 'journals/host-b'], { model: rootDigest })
 * for (const { service, host, last } of services.items) console.log(service, host, last)
 * ```
 */
export async function findIncident(journals: readonly string[], options: IncidentOptions): Promise<Incident> {
  const query = checkedQuery(journals, options)
  const claims = await readClaims(options.claims ?? [])
  const indexes: JournalIndex[] = []
  try {
    for (const [directory, key] of await allJournals(journals, options.keys)) {
      indexes.push(await updateIndex(directory, { key, anew: options.anew, signal: options.signal }))
    }
    return answer(indexes, query, claims)
  } finally {
    for (const { statements } of indexes) statements.close()
  }
}

function answer(
  indexes: readonly JournalIndex[],
  { kind, value, period, told }: CheckedQuery,
  claims: Claims,
): Incident {
  const now = Date.now()
  const recent = { from: now - RECENT_MS, to: now + RECENT_MS }
  const all = indexes.map(({ statements }) => statements)
  const withFile = kind === 'file' ? new Set(all.flatMap((one) => rootsWithFile(one, value))) : undefined
  const merged = new Merged()
  const days: Day[] = []
  const roots = new Set(kind === 'model' ? [value] : (withFile ?? []))
  for (const statements of all) {
    matchSituations(statements, withFile ? 'model' : kind, withFile ?? [value])
    countLoads(statements, period)
    merged.add(new JournalFacts(statements), period, recent)
    for (const day of daily(statements, period)) days.push(day)
    for (const root of rootsOfHits(statements)) roots.add(root)
  }
  const { derived, isCut } = derivedFrom(roots, all, claims)
  const { total } = merged
  const services = servicesOf(merged)
  const match = (one: Statements) => matchSituations(one, withFile ? 'model' : kind, withFile ?? [value])
  const timeline = timelineOf(...momentsOf(all, { days, total, match }))
  const asked = indexes.map(askedJournal)
  const complete = asked.every(({ holds }) => holds)
  const known = loadedNow(total)
  return {
    query: told,
    at: timeText(now),
    complete,
    loadedNow: known === 'no' && !complete ? 'unknown' : known,
    total: {
      loads: total.loads,
      refusals: total.refusals,
      live: total.running + total.silent,
      services: merged.services.size,
      hosts: new Set([...merged.services.values()].map(({ host }) => host)).size,
      models: merged.models.size,
      ...(timeline && { first: timeText(total.first), last: timeText(total.last) }),
    },
    services,
    models: modelsOf(merged),
    signers: signersOf(merged),
    refusals: refusalsOf(merged),
    derived: derivedModels(derived, all, recent),
    ...(timeline && { timeline }),
    journals: asked,
    unknown: whatIsUnknown({ kind, asked, all, isCut: isCut || merged.isCut }),
  }
}

/** Those that were loaded first. The period of the question does not limit when. */
function derivedModels(
  derived: ReadonlyMap<string, Derivation>,
  all: readonly Statements[],
  recent: Period,
): Limited<DerivedModel> {
  const items = [...derived].slice(0, MOST_ROWS).map(([rootDigest, { from, proof }]): DerivedModel => {
    const merged = new Merged()
    const names = new Set<string>()
    for (const statements of all) {
      matchSituations(statements, 'model', [rootDigest])
      countLoads(statements, ALWAYS)
      const facts = new JournalFacts(statements)
      merged.add(facts, ALWAYS, recent)
      for (const name of facts.namesOf(rootDigest)) names.add(name)
    }
    const { total, services } = merged
    const times = total.loads + total.refusals > 0 ? { first: timeText(total.first), last: timeText(total.last) } : {}
    const { loads } = total
    return {
      rootDigest,
      names: [...names].slice(0, 20),
      from: [...from].slice(0, 20),
      proof,
      loads,
      services: services.size,
      loadedNow: loadedNow(total),
      ...times,
    }
  })
  return { items: items.sort((a, b) => b.loads - a.loads), more: Math.max(0, derived.size - MOST_ROWS) }
}

interface SegmentSums {
  lost: number | null
  newest: number | null
  records: number | null
  uncovered: number | null
}

function askedJournal({ journal, statements }: JournalIndex): AskedJournal {
  const sums =
    statements.get<SegmentSums>(`select min(total(lost), 9007199254740991.0) lost, max(newest) newest, sum(json_extract(state, '$.records')) records,
    sum(json_extract(state, '$.records') - json_extract(state, '$.covered')) uncovered from segment`)
  const { lost, newest, records, uncovered } = sums ?? { lost: 0, newest: 0, records: 0, uncovered: 0 }
  const retired =
    statements.get<{ count: number }>("select count(*) count from meta where name like 'retired %'")?.count ?? 0
  const problems = statements
    .all<{ kind: 'line'; file: string; number: number | null; problem: string }>('select * from problem limit 100')
    .map(({ number, ...problem }) => problemLine({ ...problem, ...(number !== null && { index: number }) }))
  return {
    directory: journal.directory,
    id: journal.file.id,
    host: journal.file.host,
    holds: problems.length === 0,
    pinned: journal.pinned,
    records: records ?? 0,
    uncovered: uncovered ?? 0,
    lost: lost ?? 0,
    retired,
    ...(newest !== null && newest > 0 && { newest: timeText(newest) }),
    problems,
  }
}
