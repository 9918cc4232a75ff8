import { ModelSealError } from '../../errors.ts'
import { signal as abortSignal, text } from '../../kinds.ts'
import type { Checkpoint } from '../../merkle/checkpoint.ts'
import { GrowingTree, hashLeaf } from '../../merkle/tree.ts'
import { snapshot, type Shape } from '../../snapshot.ts'
import { throwIfAborted } from '../../source/aborted.ts'
import { leafBytes, type Commit } from '../format/commit.ts'
import { COMMITS } from '../format/names.ts'
import { checkpointFrom } from './checkpoints/given-checkpoint.ts'
import { openJournal, type OpenedJournal } from './open-journal.ts'
import { ownKeyProblem } from './own-key.ts'
import { Problems, type JournalProblem } from './problems.ts'
import { readCommits } from './commits/read-commits.ts'
import { References } from './segments/references.ts'
import { readSegment, segmentIdsIn, segmentPath, type SegmentRecord } from './segments/read-segment.ts'
import { HeadsBySegment, type SegmentHeads } from './segments/segment-heads.ts'
import { SegmentProgress } from './segments/segment-progress.ts'
import { witnessKey } from './checkpoints/witness-key.ts'

export interface VerifyJournalOptions {
  /** File with a checkpoint of this journal that left its host. Only with one can truncation and rollback be seen. */
  checkpoint?: string | undefined
  /** Key of the host: a C2SP verifier key, or a file with one or with a PEM public key. Default: the key in the journal. */
  key?: string | undefined
  /** Key of a witness, which must have cosigned the checkpoint: a C2SP verifier key, or a file with one. */
  witnessKey?: string | undefined
  signal?: AbortSignal | undefined
}

const OPTIONS: Shape<VerifyJournalOptions> = { checkpoint: text, key: text, witnessKey: text, signal: abortSignal }

/** What is known about a journal after it was read completely. */
export interface JournalReport {
  /** True if there are no problems. */
  holds: boolean
  directory: string
  id: string
  host: string
  /** Key by which its checkpoints are signed: a C2SP verifier key. */
  key: string
  /** False if the key is only the one that the journal states. */
  pinned: boolean
  segments: number
  /** Segments that were deleted as the settings say, after a commit said so. */
  retired: number
  records: number
  /** Records that no signed checkpoint covers: those of the last second, or the last ones of a process that was killed, until another one covers them. */
  uncovered: number
  /** Bytes of lines that were not completed, because the process or the machine stopped. */
  torn: number
  /** The newest checkpoint. */
  checkpoint?: { size: number; root: string; time: string }
  /** Number of commits that the given checkpoint covers. */
  compared?: number
  /** Name of the witness that cosigned it, and when it saw it as the newest checkpoint of the journal. */
  witness?: { name: string; time: string }
  /** The first problems. */
  problems: readonly JournalProblem[]
  /** How many more there are. */
  more: number
}

/**
 * Reads a journal completely, in memory of constant size, and verifies it: every line, the tree of every segment, the tree over their heads,
 * and the signature of every checkpoint.
 *
 * @throws {@link ModelSealError} `JOURNAL_INVALID`, `KEY_INVALID`, `KEY_MISMATCH`, `FILE_NOT_FOUND`, `FILE_UNREADABLE`, `INVALID_ARGUMENT`, `ABORTED`
 * @example
 * ```ts
 * const { holds, problems } = await verifyJournal('/var/lib/modelseal/journal', { checkpoint: 'host-a.checkpoint' })
 * ```
 */
export async function verifyJournal(directory: string, options?: VerifyJournalOptions): Promise<JournalReport> {
  return walk(directory, snapshot(options, OPTIONS, 'verifyJournal'), () => undefined)
}

/** A record with the segment that it is in. */
export interface JournalEntry extends SegmentRecord {
  segment: string
}

/**
 * Like {@link verifyJournal}, and passes on each valid record, segment by segment. What the report says about problems is known only afterwards.
 *
 * @param visit is waited for
 */
export async function readJournal(
  directory: string,
  visit: (entries: readonly JournalEntry[]) => void | Promise<void>,
  options?: VerifyJournalOptions,
): Promise<JournalReport> {
  return walk(directory, snapshot(options, OPTIONS, 'readJournal'), (id, records) =>
    visit(records.map((record) => ({ segment: id, ...record }))),
  )
}

type Visit = (segment: string, records: readonly SegmentRecord[]) => void | Promise<void>

/** Heads in memory at a time: 48 MiB. With more, the commits are read again for each group of segments. */
const MOST_HEADS = 1_000_000

async function walk(directory: string, options: Readonly<VerifyJournalOptions>, visit: Visit): Promise<JournalReport> {
  const { checkpoint: path, key, witnessKey: witness, signal } = options
  if (witness !== undefined && path === undefined)
    throw new ModelSealError(
      'INVALID_ARGUMENT',
      'The option "witnessKey" needs a checkpoint that the witness cosigned.',
    )
  const journal = await openJournal(directory, key)
  const cosigner = witness === undefined ? undefined : await witnessKey(witness)
  const given = path === undefined ? undefined : await checkpointFrom(path, journal, cosigner)
  const problems = new Problems()
  const ownKey = await ownKeyProblem(journal)
  if (ownKey) problems.add(ownKey)
  const commits = await readHeads(journal, { given, problems, signal })
  const references = new References(journal.file.id, problems)
  const sums = { segments: 0, retired: 0, records: 0, uncovered: 0, torn: 0 }
  for await (const { id, heads } of segmentsOf(journal, commits, problems)) {
    const progress = new SegmentProgress(id)
    const isRetired = async () => (await retiredSince(journal, commits)).has(id)
    for await (const records of readSegment(progress, { directory: journal.directory, heads, problems, isRetired })) {
      throwIfAborted(signal)
      for (const record of records) references.see(id, record)
      await visit(id, records)
    }
    sums.segments += 1
    sums.records += progress.records
    sums.uncovered += progress.records - progress.covered
    sums.torn += progress.torn
  }
  references.finish()
  sums.retired = [...commits.heads.values()].filter(({ last }) => last?.retired).length
  const { last } = commits
  return {
    holds: problems.count === 0,
    directory: journal.directory,
    id: journal.file.id,
    host: journal.file.host,
    key: journal.file.key,
    pinned: journal.pinned,
    ...sums,
    ...(last && { checkpoint: { size: last.index + 1, root: commits.root, time: last.leaf.time } }),
    ...(given && { compared: given.size }),
    ...(given?.cosigned && { witness: { name: given.cosigned.by, time: given.cosigned.at.toISOString() } }),
    problems: problems.list,
    more: problems.count - problems.list.length,
  }
}

interface Commits {
  heads: HeadsBySegment
  /** Number of heads of each segment. */
  counts: Map<string, number>
  last: Commit | undefined
  /** In hex. */
  root: string
  /** False if the heads are too many to be kept; only the last of each segment is then known. */
  kept: boolean
}

interface HeadReading {
  given: Checkpoint | undefined
  problems: Problems
  signal: AbortSignal | undefined
}

async function readHeads(journal: OpenedJournal, { given, problems, signal }: HeadReading): Promise<Commits> {
  const tree = new GrowingTree()
  let [heads, kept, last] = [new HeadsBySegment(), true, undefined as Commit | undefined]
  const counts = new Map<string, number>()
  for await (const commit of readCommits(journal, { each: true, problems })) {
    throwIfAborted(signal)
    const { leaf, index } = commit
    const wrong = heads.addHead(leaf, kept)
    if (wrong !== undefined) problems.add({ kind: 'commit', file: segmentPath(leaf.segment), index, problem: wrong })
    counts.set(leaf.segment, (counts.get(leaf.segment) ?? 0) + 1)
    tree.add(hashLeaf(leafBytes(leaf)))
    if (tree.size === given?.size && !tree.root().equals(given.root))
      rolledBack(problems, 'it has other commits than the checkpoint covers')
    if (kept && tree.size > MOST_HEADS) {
      kept = false
      heads = heads.lastOnly()
    }
    last = commit
  }
  if (given && given.size > tree.size)
    rolledBack(
      problems,
      `it has ${tree.size} valid commits, the checkpoint covers ${given.size}: this is an older state, or the newest commits were removed`,
    )
  return { heads, counts, last, root: tree.root().toString('hex'), kept }
}

function rolledBack(problems: Problems, problem: string): void {
  problems.add({ kind: 'rollback', file: 'heads', problem })
}

interface SegmentHere {
  id: string
  heads: SegmentHeads | undefined
}

/** All segments that are not retired, each with its heads. */
async function* segmentsOf(journal: OpenedJournal, commits: Commits, problems: Problems): AsyncGenerator<SegmentHere> {
  const here = new Set(await segmentIdsIn(journal))
  const gone = [...commits.heads].filter(([id, { last }]) => !here.has(id) && !last?.retired)
  const retired = gone.length > 0 ? await retiredSince(journal, commits) : undefined
  for (const [id] of gone) {
    if (retired?.has(id)) continue
    problems.add({
      kind: 'missing',
      file: segmentPath(id),
      problem: 'the segment is missing, and no commit says that it was retired',
    })
  }
  for (const group of commits.heads.groups(
    new Map([...here].map((id) => [id, commits.counts.get(id) ?? 0])),
    MOST_HEADS,
  )) {
    const heads = commits.kept ? commits.heads : await headsOf(journal, new Set(group), { commits, problems })
    for (const id of group) yield { id, heads: heads.get(id) }
  }
}

/** Segments that were retired after the commits were read: the journal may be in use. */
async function retiredSince(journal: OpenedJournal, { last }: Commits): Promise<Set<string>> {
  const retired = new Set<string>()
  if (!last) return retired
  const from = { size: last.index + 1, frontier: last.frontier }
  for await (const { leaf } of readCommits(journal, { from, each: true, problems: new Problems() }))
    if (leaf.retired) retired.add(leaf.segment)
  return retired
}

/** Reads the commits again. Their signatures were verified before, and their tree must be the same. */
async function headsOf(
  journal: OpenedJournal,
  ids: ReadonlySet<string>,
  { commits: { last }, problems }: { commits: Commits; problems: Problems },
): Promise<HeadsBySegment> {
  const heads = new HeadsBySegment()
  for await (const { leaf, index, frontier } of readCommits(journal, { each: false, problems })) {
    if (ids.has(leaf.segment)) heads.addHead(leaf)
    if (index !== last?.index) continue
    if (frontier.join() === last.frontier.join()) return heads
    break
  }
  problems.add({ kind: 'commit', file: COMMITS, problem: 'they were changed while they were read' })
  return heads
}
