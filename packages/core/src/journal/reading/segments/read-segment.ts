import { open, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { errno, isGone } from '../../../source/file-errors.ts'
import { READ_ONLY } from '../../../source/read-small-file.ts'
import { checkLine, MAX_LINE, readLine } from '../../format/line.ts'
import { segmentFile, segmentIn, SEGMENTS } from '../../format/names.ts'
import type { JournalRecord } from '../../format/record.ts'
import { listedNames } from '../listed-names.ts'
import type { JournalProblem, Problems } from '../problems.ts'
import { readLines } from './read-lines.ts'
import type { SegmentHeads, StatedHead } from './segment-heads.ts'
import type { SegmentProgress } from './segment-progress.ts'

/** Lines of a segment that do not hold. After these, the rest is not read: a file of other content has millions. */
const MOST_BAD_LINES = 1_000

/** What a segment is compared with. */
export interface SegmentReading {
  directory: string
  /** The new heads; undefined if no commit names the segment. */
  heads: SegmentHeads | undefined
  problems: Problems
  /** Whether a commit that came after these heads says that the segment was retired: its file may be gone. Default: none does. */
  isRetired?: () => Promise<boolean>
}

/** A record of a segment, whose line follows the one before it. */
export interface SegmentRecord {
  /** Number of the record in its segment, from 0. */
  index: number
  record: JournalRecord
}

/**
 * Reads a segment from where it was read before, and verifies it: each line follows the one before it and is a record, and the trees are
 * those of the commits. Records come before the commit that covers them was compared, so whoever believes them waits for the end. After the
 * first line that is not valid, the next ones are verified, but no record is returned.
 */
export async function* readSegment(
  progress: SegmentProgress,
  reading: SegmentReading,
): AsyncGenerator<SegmentRecord[]> {
  const { directory, problems, isRetired } = reading
  const file = segmentPath(progress.id)
  const report = (problem: SegmentProblem): void => {
    problems.add({ file, ...problem })
  }
  const comparison = new HeadComparison(progress, reading.heads, report)
  const handle = await opened(join(directory, file), report, isRetired)
  if (!handle) return
  try {
    const lineProblem = (problem: string) => problems.add({ kind: 'line', file, index: progress.records, problem })
    yield* recordsIn(handle, progress, comparison, lineProblem)
  } finally {
    await handle.close()
  }
  comparison.finish()
}

async function* recordsIn(
  handle: FileHandle,
  progress: SegmentProgress,
  comparison: HeadComparison,
  lineProblem: (problem: string) => void,
): AsyncGenerator<SegmentRecord[]> {
  const { size } = await handle.stat()
  let bad = 0
  comparison.compare()
  for await (const { lines, rest } of readLines(handle, progress.bytes, size)) {
    const records: SegmentRecord[] = []
    for (const line of lines) {
      const read = readLine(line, progress.check)
      const wrong = 'record' in read ? misplaced(read.record, progress) : read.fault
      if (wrong !== undefined) lineProblem(wrong)
      if (wrong !== undefined) bad += 1
      if (bad === 0 && 'record' in read) records.push({ index: progress.records, record: read.record })
      progress.add(line, read.check ?? '', comparison.coversNext())
      comparison.compare()
      if (bad === MOST_BAD_LINES) break
    }
    if (records.length > 0) yield records
    if (bad === MOST_BAD_LINES) {
      lineProblem('the lines from this one on were not read: too many do not hold')
      comparison.end()
      return
    }
    progress.torn = rest.length
    if (rest.length > MAX_LINE) lineProblem(`it has more than ${MAX_LINE} bytes`)
    // Whatever was cut off, a line and another byte than its line feed were never written.
    else if ('text' in checkLine(rest.subarray(0, -1), progress.check)) lineProblem('its line feed was changed')
  }
}

/** The first record of a segment, and no other, describes the segment. @returns what is wrong, if anything is */
export function misplaced(
  record: JournalRecord,
  { records, id }: Pick<SegmentProgress, 'records' | 'id'>,
): string | undefined {
  if (record.type !== 'segment') return records === 0 ? 'the segment does not begin with its description' : undefined
  if (records > 0) return 'the segment is described again'
  return record.segment === id ? undefined : 'it describes another segment'
}

/** Path of a segment in the directory of its journal. */
export function segmentPath(id: string): string {
  return `${SEGMENTS}/${segmentFile(id)}`
}

/** The segments of a journal, the oldest first. @throws {@link ModelSealError} `FILE_UNREADABLE` */
export async function segmentIdsIn({ directory }: Pick<SegmentReading, 'directory'>): Promise<string[]> {
  const names = await listedNames(join(directory, SEGMENTS))
  return names.flatMap((name) => segmentIn(name) ?? []).sort()
}

type SegmentProblem = Omit<JournalProblem, 'file'>

/** Compares the tree of a segment with its heads, while it grows. Only the first difference is reported: the others follow from it. */
class HeadComparison {
  readonly #progress: SegmentProgress
  readonly #heads: Iterator<StatedHead>
  readonly #last: SegmentHeads['last']
  readonly #report: (problem: SegmentProblem) => void
  #next: StatedHead | undefined
  #failed = false

  constructor(progress: SegmentProgress, heads: SegmentHeads | undefined, report: (problem: SegmentProblem) => void) {
    this.#progress = progress
    this.#heads = (heads ?? [])[Symbol.iterator]()
    this.#last = heads?.last
    this.#report = report
    this.#advance()
  }

  /** Whether a head covers the next record. */
  coversNext(): boolean {
    return this.#last !== undefined && this.#progress.records < this.#last.size
  }

  compare(): void {
    while (this.#next && this.#next.size <= this.#progress.records) {
      const { size, bytes, root } = this.#next
      this.#advance()
      if (this.#failed) continue
      const found = this.#progress.cover(size)
      if (found?.equals(root) && (size < this.#progress.records || bytes === this.#progress.bytes)) continue
      this.#fail('head', size, 'the records up to this one are not those of a commit')
    }
  }

  /** What comes next was not read. */
  end(): void {
    this.#failed = true
  }

  finish(): void {
    if (this.#failed) return
    const { records, torn } = this.#progress
    if (this.#next) {
      const { size } = this.#next
      this.#fail('truncated', records, `the segment ends after ${records} records, a commit says ${size}`)
    } else if (this.#last?.end && (records > this.#last.size || torn > 0)) {
      this.#fail('head', this.#last.size, 'the segment goes on after its end')
    }
  }

  #advance(): void {
    const next = this.#heads.next()
    this.#next = next.done === true ? undefined : next.value
  }

  #fail(kind: 'head' | 'truncated', index: number, problem: string): void {
    this.#failed = true
    this.#report({ kind, index, problem })
  }
}

async function opened(
  path: string,
  report: (problem: SegmentProblem) => void,
  isRetired: SegmentReading['isRetired'],
): Promise<FileHandle | undefined> {
  try {
    const handle = await open(path, READ_ONLY)
    if ((await handle.stat()).isFile()) return handle
    await handle.close()
    report({ kind: 'unreadable', problem: 'it is not a file' })
  } catch (error) {
    if (isGone(error) && (await isRetired?.())) return undefined
    report(
      isGone(error)
        ? { kind: 'missing', problem: 'the segment is missing' }
        : { kind: 'unreadable', problem: `it cannot be read: ${errno(error)}` },
    )
  }
  return undefined
}
