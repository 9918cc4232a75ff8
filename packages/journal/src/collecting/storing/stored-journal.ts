import { mkdir, rename, rm } from 'node:fs/promises'
import { randomBytes } from 'node:crypto'
import { dirname, join } from 'node:path'
import {
  commitAt,
  COMMITS,
  CommitTree,
  HEADS,
  HeadsBySegment,
  JOURNAL_FILE,
  openJournal,
  Problems,
  problemLine,
  readCommits,
  SEGMENTS,
  signatureFault,
  signedCheckpoint,
  writeCommit,
  type Commit,
  type OpenedJournal,
} from '@modelseal/core/journal'
import { ModelSealError, shown } from '@modelseal/core/errors'
import { removeTemporaries, syncDirectory, writeWhole } from '../durable.ts'
import { EVIDENCE } from './evidence.ts'
import type { CollectedState } from '../protocol.ts'
import { Refused } from './refused.ts'
import { repairCommits, storeCommits } from './stored-commits.ts'
import { StoredSegment, type SegmentNotices } from './stored-segment.ts'

/** Segments whose state is in memory at a time; those of others are read again. */
const MOST_SEGMENTS = 256

/** What a collector reports about a journal beside refusals. */
export type Notice = (event: 'cut' | 'missing' | 'replaced' | 'failed', message: string) => void

/**
 * A journal that a collector stores, in the layout in which a host writes it. Its methods must be called one after the other. After an error
 * that is not a {@link Refused} one, open it again: what is in memory may differ from the disk.
 */
export class StoredJournal {
  readonly #journal: OpenedJournal
  readonly #notice: Notice
  readonly #heads = new HeadsBySegment()
  readonly #segments = new Map<string, StoredSegment>()
  #last: Commit | undefined

  private constructor(journal: OpenedJournal, notice: Notice) {
    this.#journal = journal
    this.#notice = notice
  }

  /**
   * Opens a journal that was stored before, and verifies its commits.
   *
   * @throws {@link ModelSealError} `JOURNAL_INVALID`, and what reading it throws
   */
  static async open(directory: string, notice: Notice): Promise<StoredJournal> {
    const stored = new StoredJournal(await openJournal(directory), notice)
    await removeTemporaries(join(directory, EVIDENCE))
    const removed = await repairCommits(directory)
    if (removed > 0) notice('cut', `${removed} commits after one that was not written were removed`)
    const problems = new Problems()
    for await (const commit of readCommits(stored.#journal, { each: false, problems })) stored.#add(commit)
    const [problem] = problems.list
    if (!problem) return stored
    throw new ModelSealError('JOURNAL_INVALID', `Cannot go on with a stored journal: ${problemLine(problem)}.`, {
      hint: 'Run "modelseal journal verify" on its directory, and keep it as evidence.',
    })
  }

  /** Creates the directory of a journal, which is complete as soon as it exists. @param text of its `journal.json` */
  static async create(directory: string, text: string): Promise<void> {
    const temporary = join(dirname(directory), `.${randomBytes(8).toString('hex')}.tmp`)
    try {
      await mkdir(temporary, { mode: 0o700 })
      for (const folder of [SEGMENTS, COMMITS, HEADS]) await mkdir(join(temporary, folder), { mode: 0o700 })
      await writeWhole(join(temporary, JOURNAL_FILE), text)
      await syncDirectory(temporary)
      await rename(temporary, directory)
    } catch (error) {
      await rm(temporary, { recursive: true, force: true }).catch(() => undefined)
      throw error
    }
    await syncDirectory(dirname(directory))
  }

  /** What `journal.json` says. */
  get file(): OpenedJournal['file'] {
    return this.#journal.file
  }

  get state(): CollectedState {
    const { size, root } = (this.#last && signedCheckpoint(this.#last.note, this.#journal)) ?? {
      size: 0,
      root: Buffer.alloc(0),
    }
    return { size, root: root.toString('hex') }
  }

  /**
   * Compares the newest checkpoint of the host with what is stored.
   *
   * @throws {@link Refused}
   */
  async compare(note: string): Promise<void> {
    const given = signedCheckpoint(note, this.#journal)
    if (!given) throw new Refused('JOURNAL_INVALID', 'the checkpoint of the host is not signed by its key')
    const last = this.#last
    if (!last || given.size > last.index + 1) return
    const stored = given.size === 0 ? undefined : await commitAt(this.#journal, given.size - 1)
    const known = stored && signedCheckpoint(stored.note, this.#journal)
    if (given.size > 0 && !known?.root.equals(given.root))
      throw new Refused('JOURNAL_INCONSISTENT', `the host signed another history of its first ${given.size} commits`, {
        evidence: { kind: 'fork', stored: stored?.note, sent: note },
      })
    if (given.size === last.index + 1) return
    throw new Refused('JOURNAL_ROLLBACK', 'the host has an older state than the one that was collected', {
      expected: `at least ${last.index + 1} commits`,
      found: `${given.size}`,
      evidence: { kind: 'rollback', stored: last.note, sent: note },
    })
  }

  /**
   * Stores lines of a segment.
   *
   * @returns how many bytes of it are stored now
   * @throws {@link Refused}; errors of the operating system
   */
  async appendLines(id: string, offset: number, lines: Buffer): Promise<number> {
    const segment = await this.#segment(id)
    const { end, retired, bytes: covered = 0 } = this.#heads.get(id)?.last ?? {}
    const isEnded = end === true || retired === true
    return this.#orForgotten(id, () => segment.append(offset, lines, { covered, isEnded }))
  }

  /**
   * Stores commits, after the segments were compared with what they say. What holds is stored even if one after it does not.
   *
   * @param without segments that the host does not have any more
   * @throws {@link Refused}; errors of the operating system
   */
  async appendCommits(commits: readonly Commit[], without: ReadonlySet<string>): Promise<void> {
    const { size } = this.state
    await this.#compareKnown(commits.findLast(({ index }) => index < size))
    const added = commits.filter(({ index }) => index >= size)
    // The host goes on at the end of what is stored.
    if (added[0] && added[0].index > size) return
    const tree = new CommitTree(this.#journal, { size, frontier: this.#last?.frontier ?? [] })
    const good: Commit[] = []
    let refused: { error: unknown } | undefined
    for (const commit of added) {
      try {
        this.#check(commit, tree)
        // The host sends the records again.
        if (!(await this.#compareSegment(commit, without))) break
      } catch (error) {
        refused = { error }
        break
      }
      good.push(commit)
    }
    await storeCommits(this.#journal.directory, good)
    for (const commit of good) this.#add(commit)
    if (refused) throw refused.error
  }

  /** The root that a commit states covers all before it. */
  async #compareKnown(commit: Commit | undefined): Promise<void> {
    if (!commit) return
    const stored = await commitAt(this.#journal, commit.index)
    if (stored && writeCommit(stored) === writeCommit(commit)) return
    this.#contradicted(commit, `the commit ${commit.index} was another one before`, stored)
  }

  #check(commit: Commit, tree: CommitTree): void {
    const fault = tree.add(commit)
    if (fault)
      this.#contradicted(
        commit,
        `the commit ${commit.index} does not follow the one before: ${fault.problem}`,
        this.#last,
      )
    const unsigned = signatureFault(commit, this.#journal)
    if (unsigned) throw new Refused('JOURNAL_INVALID', `the commit ${commit.index} is invalid: ${unsigned.problem}`)
  }

  /** Only what the key of the host signed is evidence against it: around the same checkpoint, anyone could have changed a commit. */
  #contradicted(sent: Commit, reason: string, stored: Commit | undefined): never {
    const signed = signedCheckpoint(sent.note, this.#journal)
    const known = stored && signedCheckpoint(stored.note, this.#journal)
    if (signed?.size !== sent.index + 1 || known?.root.equals(signed.root)) throw new Refused('JOURNAL_INVALID', reason)
    const kind = known?.size === signed.size ? 'fork' : 'other'
    throw new Refused('JOURNAL_INCONSISTENT', reason, { evidence: { kind, stored, sent } })
  }

  async #compareSegment(commit: Commit, without: ReadonlySet<string>): Promise<boolean> {
    const { leaf, index } = commit
    const before = this.#heads.get(leaf.segment)?.last
    const fault = new HeadsBySegment()
    if (before) fault.addHead(before, false)
    const wrong = fault.addHead(leaf, false)
    if (wrong !== undefined)
      throw new Refused('JOURNAL_INCONSISTENT', `the commit ${index} contradicts one before: ${wrong}`, {
        evidence: { kind: 'other', stored: before, sent: commit },
      })
    const segment = await this.#segment(leaf.segment)
    const stored = segment.bytes
    const isHere = await this.#orForgotten(leaf.segment, () => segment.compareHead(commit, before?.bytes ?? 0))
    if (isHere) return true
    if (!without.has(leaf.segment) && segment.bytes < stored) return false
    if (!without.has(leaf.segment))
      throw new Refused('JOURNAL_INVALID', `the commit ${index} came before the records that it covers`)
    if (before?.root !== leaf.root)
      this.#notice(
        'missing',
        `records of the segment ${leaf.segment} were deleted on the host before they were collected`,
      )
    return true
  }

  async #segment(id: string): Promise<StoredSegment> {
    const known = this.#segments.get(id)
    const covered = this.#heads.get(id)?.last?.bytes ?? 0
    const notices: SegmentNotices = {
      cut: (bytes) => this.#notice('cut', `${bytes} bytes that were not confirmed were cut off the segment ${id}`),
      setAside: (bytes, file) => {
        const where = file === undefined ? 'and are not kept, because too many were' : `and are kept in ${shown(file)}`
        this.#notice(
          'replaced',
          `${bytes} bytes of the segment ${id} that no checkpoint covered were replaced, ${where}`,
        )
      },
    }
    const segment = known ?? (await StoredSegment.open(this.#journal.directory, id, covered, notices))
    this.#segments.delete(id)
    this.#segments.set(id, segment)
    const [oldest] = this.#segments.keys()
    if (this.#segments.size > MOST_SEGMENTS && oldest !== undefined) this.#segments.delete(oldest)
    return segment
  }

  async #orForgotten<T>(id: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      this.#segments.delete(id)
      throw error
    }
  }

  #add(commit: Commit): void {
    this.#heads.addHead(commit.leaf, false)
    this.#last = commit
  }
}
