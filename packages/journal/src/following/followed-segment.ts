import { createReadStream, type Stats } from 'node:fs'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import {
  Problems,
  readSegment,
  SegmentProgress,
  segmentPath,
  UNSIGNED_SEGMENT,
  writerOf,
  type JournalProblem,
  type OpenedJournal,
  type RecordOf,
  type SegmentRecord,
} from '@modelseal/core/journal'

/** Records that were appended, or what is wrong with them. */
type News = { records: SegmentRecord[]; writer: RecordOf<'segment'> } | { problem: JournalProblem }

/** A segment whose new records are read as they are appended. Nothing is read before it changes. */
export class FollowedSegment {
  readonly #journal: Pick<OpenedJournal, 'directory' | 'file'>
  readonly #progress: SegmentProgress
  /** Bytes whose records are not new. */
  #old: number
  #known: Pick<Stats, 'size' | 'mtimeMs' | 'ino'> | undefined
  #writer: RecordOf<'segment'> | undefined
  #key: string | undefined
  #isBad = false

  /** @param known its state, if its records are not new */
  constructor(journal: Pick<OpenedJournal, 'directory' | 'file'>, id: string, known?: Stats) {
    this.#journal = journal
    this.#progress = new SegmentProgress(id)
    this.#known = known
    this.#old = known?.size ?? 0
  }

  /** When it was last changed, as far as is known, in milliseconds. */
  get changed(): number {
    return this.#known?.mtimeMs ?? Infinity
  }

  /** The key of its writer, which signed it; undefined if that is not known. */
  async key(): Promise<string | undefined> {
    if (this.#key !== undefined || this.#writer) return this.#key
    const batches = readSegment(new SegmentProgress(this.#progress.id), this.#reading(new Problems()))
    for await (const [first] of batches) {
      if (first?.record.type === 'segment') this.#key = this.#signer(first.record)
      break
    }
    return this.#key
  }

  /** What was appended since the last call. After the first problem, nothing of the segment is believed. */
  async *news(): AsyncGenerator<News> {
    const found = await stat(this.#path).catch(() => undefined)
    // The caller notices that it is gone.
    if (!found || this.#isBad) return
    const known = this.#known
    if (known?.size === found.size && known.mtimeMs === found.mtimeMs && known.ino === found.ino) return
    this.#known = found
    const least = Math.max(this.#progress.bytes, this.#old)
    if (found.size < least) yield this.#bad('truncated', 'the segment is shorter than it was')
    else if (known && known.ino !== found.ino) yield this.#bad('line', 'the file was replaced')
    else if (known?.size === found.size && !(await this.#isUnchanged()))
      yield this.#bad('line', 'lines that were written before were changed')
    else yield* this.#append()
  }

  get #path(): string {
    return join(this.#journal.directory, segmentPath(this.#progress.id))
  }

  #signer(writer: RecordOf<'segment'>): string | undefined {
    return writerOf(writer, this.#journal.file.id)
  }

  #bad(kind: JournalProblem['kind'], problem: string): News {
    this.#isBad = true
    return { problem: { kind, file: segmentPath(this.#progress.id), problem } }
  }

  async *#append(): AsyncGenerator<News> {
    const problems = new Problems()
    const first = this.#old > 0 ? await linesIn(this.#path, this.#old) : 0
    this.#old = 0
    for await (const records of readSegment(this.#progress, this.#reading(problems))) {
      const [{ record } = {}] = records
      if (record?.type === 'segment') {
        this.#writer = record
        this.#key = this.#signer(record)
        if (this.#key === undefined) {
          this.#isBad = true
          yield { problem: { ...UNSIGNED_SEGMENT, file: segmentPath(this.#progress.id) } }
          return
        }
      }
      const fresh = records.filter(({ index }) => index >= first)
      if (this.#writer && fresh.length > 0) yield { records: fresh, writer: this.#writer }
    }
    const [problem] = problems.list
    if (!problem) return
    this.#isBad = true
    yield { problem }
  }

  /** A file of the same size that was written again: its lines must lead to the same check. */
  async #isUnchanged(): Promise<boolean> {
    if (this.#progress.records === 0) return true
    const again = new SegmentProgress(this.#progress.id)
    const problems = new Problems()
    const batches = readSegment(again, this.#reading(problems))
    while ((await batches.next()).done !== true) continue
    return problems.count === 0 && again.records >= this.#progress.records && again.check === this.#progress.check
  }

  #reading(problems: Problems) {
    return { directory: this.#journal.directory, heads: undefined, problems }
  }
}

/** Number of lines in the first bytes of a file. */
async function linesIn(path: string, bytes: number): Promise<number> {
  let lines = 0
  for await (const chunk of createReadStream(path, { end: bytes - 1 }) as AsyncIterable<Buffer>)
    for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, at + 1)) lines += 1
  return lines
}
