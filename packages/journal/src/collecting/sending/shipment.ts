import { constants } from 'node:fs'
import { lstat, open } from 'node:fs/promises'
import { join } from 'node:path'
import { ModelSealError, shown } from '@modelseal/core/errors'
import { readSmallFile } from '@modelseal/core/adapter'
import {
  commitAt,
  JOURNAL_FILE,
  MAX_JOURNAL_FILE,
  openJournal,
  Problems,
  problemLine,
  readCommits,
  segmentIdsIn,
  segmentPath,
  signedCheckpoint,
  writeCommit,
  type Commit,
  type OpenedJournal,
} from '@modelseal/core/journal'
import type { CollectorClient } from './collector-client.ts'
import { lockForSending, type DirectoryLock } from '../directory-lock.ts'
import { batchesOf, completeBytes, damaged, newestCommit } from './commits-to-send.ts'
import { Confirmed } from './confirmed.ts'
import { MAX_CONTENT, type CollectedState } from '../protocol.ts'

/** What was sent to a collector and confirmed by it. */
export interface PushReport {
  /** Bytes of records. */
  bytes: number
  commits: number
  /** Number of commits that the collector has stored now. */
  size: number
}

/**
 * Lines after the last commit are sent once their file has not changed for this long, in milliseconds: a process that was killed left them.
 * Those of a running one may still be taken back, if the disk is full.
 */
const SETTLED = 60_000
const LINE_FEED = 10
/** Without waiting for the writer of a FIFO. */
const OPENING = constants.O_RDONLY | constants.O_NONBLOCK
/** How often records are sent again in the place of those of somebody else. */
const MOST_REPLACED = 3
/** After these, what was confirmed before is no longer certain. */
const DISAGREEMENTS: ReadonlySet<string> = new Set(['JOURNAL_ROLLBACK', 'JOURNAL_INCONSISTENT'])

/** Sends one journal, again and again. */
export class Shipment {
  readonly total: PushReport = { bytes: 0, commits: 0, size: 0 }
  readonly #directory: string
  readonly #client: CollectorClient
  #taken: { id: string; confirmed: Confirmed; lock: DirectoryLock } | undefined
  #tailsAt = -Infinity

  constructor(directory: string, client: CollectorClient) {
    this.#directory = directory
    this.#client = client
  }

  /**
   * Sends what the collector does not have yet.
   *
   * @throws {@link ModelSealError}, as `pushJournal()`
   */
  async send(signal?: AbortSignal): Promise<PushReport> {
    const journal = await openJournal(this.#directory)
    const newest = await newestCommit(journal)
    const confirmed = await this.#take(journal)
    const before = { ...this.total }
    if (newest) {
      try {
        const state = await this.#ask(journal, newest, confirmed.state)
        await this.#sendCommits({ journal, confirmed, state, signal })
        await this.#sendTails(journal, confirmed)
      } catch (error) {
        if (error instanceof ModelSealError && DISAGREEMENTS.has(error.code)) confirmed.distrust()
        // That it could not be saved says less than why it was not sent.
        await confirmed.save().catch(() => undefined)
        throw error
      }
      await confirmed.save()
    }
    const { bytes, commits, size } = this.total
    return { bytes: bytes - before.bytes, commits: commits - before.commits, size }
  }

  /** Lets other processes send the journal elsewhere. */
  close(): void {
    this.#taken?.lock.release()
    this.#taken = undefined
  }

  /** A journal that was deleted is begun anew by whoever writes it, with another ID. */
  async #take({ directory, file }: OpenedJournal): Promise<Confirmed> {
    if (this.#taken?.id === file.id) {
      await this.#taken.confirmed.refresh()
      return this.#taken.confirmed
    }
    this.close()
    const lock = lockForSending(directory, this.#client.url)
    try {
      const confirmed = await Confirmed.read(directory, this.#client.url)
      this.#taken = { id: file.id, confirmed, lock }
      return confirmed
    } catch (error) {
      lock.release()
      throw error
    }
  }

  /** Compares what the collector has with this journal, and with what it confirmed before. */
  async #ask(journal: OpenedJournal, newest: Commit, known: CollectedState): Promise<CollectedState> {
    const text = await readSmallFile(join(journal.directory, JOURNAL_FILE), {
      what: 'file of the journal',
      maxBytes: MAX_JOURNAL_FILE,
    })
    const state = await this.#client.ask(journal.file.id, { journal: String(text), note: newest.note })
    if (state.size > newest.index + 1)
      throw new ModelSealError(
        'JOURNAL_ROLLBACK',
        `The journal ${shown(journal.directory)} is older than what was collected from it.`,
        {
          expected: `at least ${state.size} commits`,
          found: `${newest.index + 1}`,
          hint: 'Find out who put an older state back, and name another directory.',
        },
      )
    if (state.size < known.size)
      throw new ModelSealError('JOURNAL_ROLLBACK', 'The collector has less of the journal than it confirmed before.', {
        expected: `at least ${known.size} commits`,
        found: `${state.size}`,
        hint: 'Find out what it lost. To send everything again, remove collected.json from the directory of the journal.',
      })
    try {
      await checkState(journal, state)
    } catch (error) {
      await this.#showOther(journal, state)
      throw error
    }
    this.total.size = state.size
    return state
  }

  /** Lets the collector report and keep the commit that contradicts what it has. A later checkpoint alone does not say so. */
  async #showOther(journal: OpenedJournal, { size }: CollectedState): Promise<void> {
    const commit = await commitAt(journal, size - 1)
    if (!commit || !signedCheckpoint(commit.note, journal)) return
    // It refuses it. That is what the error of this side says already.
    await this.#client.sendCommits(journal.file.id, writeCommit(commit), []).catch(() => undefined)
  }

  async #sendCommits({ journal, confirmed, state, signal }: Sending): Promise<void> {
    confirmed.setState(state)
    const last = state.size === 0 ? undefined : await commitAt(journal, state.size - 1)
    const problems = new Problems()
    const from = { size: state.size, frontier: last?.frontier ?? [] }
    for await (const batch of batchesOf(readCommits(journal, { from, each: true, problems }))) {
      if (signal?.aborted) throw new ModelSealError('ABORTED', 'The journal is not sent any more: it was aborted.')
      await this.#sendBatch(journal, confirmed, batch)
    }
    const [problem] = problems.list
    if (problem) throw damaged(journal, problemLine(problem))
  }

  async #sendBatch(journal: OpenedJournal, confirmed: Confirmed, batch: readonly Commit[]): Promise<void> {
    const wanted = new Map(batch.map(({ leaf }) => [leaf.segment, leaf.bytes]))
    const without: string[] = []
    for (const [segment, bytes] of wanted)
      if (!(await this.#sendSegment(journal, confirmed, { segment, bytes }))) without.push(segment)
    await checkRetired(journal, without, batch)
    const commits = batch.map(writeCommit).join('')
    const send = () => this.#client.sendCommits(journal.file.id, commits, without)
    let state = await send()
    await checkState(journal, state)
    const last = batch.at(-1)
    for (let tries = 0; last && state.size <= last.index && tries < MOST_REPLACED; tries++) {
      // Records that somebody else sent were in the place of these, and were set aside.
      for (const [segment, bytes] of wanted) {
        confirmed.setBytes(segment, 0)
        await this.#sendSegment(journal, confirmed, { segment, bytes })
      }
      state = await send()
      await checkState(journal, state)
    }
    if (last && state.size <= last.index)
      throw new ModelSealError('HTTP_RESPONSE', 'The collector did not store what it was sent.')
    confirmed.setState(state)
    this.total.commits += batch.length
    this.total.size = state.size
    await confirmed.save()
  }

  /** @returns false if the segment is not here any more */
  async #sendSegment(
    journal: OpenedJournal,
    confirmed: Confirmed,
    { segment, bytes: wanted }: { segment: string; bytes: number },
  ): Promise<boolean> {
    let offset = confirmed.bytesOf(segment)
    if (offset >= wanted) return true
    const path = join(journal.directory, segmentPath(segment))
    const handle = await open(path, OPENING).catch(absent)
    if (!handle) return false
    try {
      if (!(await handle.stat()).isFile()) throw damaged(journal, `${segmentPath(segment)} is not a regular file`)
      for (let setbacks = 0; offset < wanted;) {
        const chunk = Buffer.alloc(Math.min(MAX_CONTENT, wanted - offset))
        const { bytesRead } = await handle.read(chunk, 0, chunk.length, offset)
        const lines = chunk.subarray(0, chunk.subarray(0, bytesRead).lastIndexOf(LINE_FEED) + 1)
        if (lines.length === 0) throw damaged(journal, `${segmentPath(segment)} does not contain what a commit says`)
        const stored = await this.#client.sendLines({ journal: journal.file.id, segment }, offset, lines)
        if (stored <= offset && ++setbacks > 1)
          throw new ModelSealError('HTTP_RESPONSE', 'The collector does not store what it is sent.')
        // What the collector has beyond these lines was not compared with those that follow here: somebody else may have sent it.
        const next = Math.min(stored, offset + lines.length)
        this.total.bytes += Math.max(0, next - offset)
        offset = next
        confirmed.setBytes(segment, next)
      }
    } finally {
      await handle.close()
    }
    return true
  }

  /** What no commit covers, of processes that ended. */
  async #sendTails(journal: OpenedJournal, confirmed: Confirmed): Promise<void> {
    if (Math.abs(Date.now() - this.#tailsAt) < SETTLED) return
    this.#tailsAt = Date.now()
    for (const segment of await segmentIdsIn(journal)) {
      const path = join(journal.directory, segmentPath(segment))
      const found = await lstat(path).catch(absent)
      if (!found?.isFile() || found.size <= confirmed.bytesOf(segment) || Date.now() - found.mtimeMs < SETTLED) continue
      const bytes = await completeBytes(path, found.size)
      await this.#sendSegment(journal, confirmed, { segment, bytes })
    }
  }
}

interface Sending {
  journal: OpenedJournal
  confirmed: Confirmed
  state: CollectedState
  signal: AbortSignal | undefined
}

/** What the collector has must be what this journal had at that size. */
async function checkState(journal: OpenedJournal, { size, root }: CollectedState): Promise<void> {
  if (size === 0) return
  const commit = await commitAt(journal, size - 1)
  if (commit && signedCheckpoint(commit.note, journal)?.root.toString('hex') === root) return
  throw new ModelSealError(
    'JOURNAL_INCONSISTENT',
    'The collector has another checkpoint of the journal than this host.',
    {
      expected: `the root of its first ${size} commits`,
      found: `sha256:${root}`,
      hint: 'It is another collector, or one of the two journals was rewritten. Compare them before you send anything.',
    },
  )
}

/** A segment may only be gone if a commit says so. */
async function checkRetired(
  journal: OpenedJournal,
  segments: readonly string[],
  [first]: readonly Commit[],
): Promise<void> {
  const gone = new Set(segments)
  if (gone.size === 0 || !first) return
  const last = first.index === 0 ? undefined : await commitAt(journal, first.index - 1)
  const from = { size: first.index, frontier: last?.frontier ?? [] }
  for await (const { leaf } of readCommits(journal, { from, each: true, problems: new Problems() })) {
    if (leaf.retired) gone.delete(leaf.segment)
    if (gone.size === 0) return
  }
  const [segment = ''] = gone
  throw damaged(journal, `${segmentPath(segment)} is missing, and no commit says that it was retired`)
}

function absent(error: unknown): undefined {
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
}
