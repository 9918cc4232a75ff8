import type { JournalRecord, RecordOf } from '../../format/record.ts'
import { writerOf } from '../../format/writer-key.ts'
import type { Problems } from '../problems.ts'
import { segmentPath, type SegmentRecord } from './read-segment.ts'

/** Pairs of segments that are kept until the end. In a journal that holds, they exist only where a clock was set back. */
const MOST_PENDING = 100_000

interface Reference {
  from: string
  to: string
  index: number
}

/**
 * Checks that each writer continues only its own segments, and refers only to loads in them. Otherwise one could say that what another one
 * loaded is no longer in use. Segments are of one writer if the same key signed them.
 */
export class References {
  readonly #journal: string
  readonly #problems: Problems
  /** The key of the writer of each segment; undefined if it did not sign it. */
  readonly #writers = new Map<string, string | undefined>()
  /** To segments that were not read yet. */
  readonly #pending = new Map<string, Reference>()
  #isFull = false

  /** @param journal its ID */
  constructor(journal: string, problems: Problems) {
    this.#journal = journal
    this.#problems = problems
  }

  see(segment: string, { index, record }: SegmentRecord): void {
    if (record.type === 'segment') this.#begin(segment, record)
    else if (isAboutLoad(record) && record.segment !== undefined && record.segment !== segment)
      this.#refer({ from: segment, to: record.segment, index })
  }

  /** Everything was read. */
  finish(): void {
    // What refers to a segment that is not there, such as a retired one, changes nothing.
    for (const reference of this.#pending.values())
      if (this.#writers.has(reference.to) && !this.#isOfOne(reference)) this.#report(reference)
  }

  #begin(segment: string, record: RecordOf<'segment'>): void {
    const writer = writerOf(record, this.#journal)
    this.#writers.set(segment, writer)
    const { continues } = record
    if (writer === undefined) this.#problems.add({ ...UNSIGNED_SEGMENT, file: segmentPath(segment) })
    else if (continues === segment) this.#report({ from: segment, to: continues, index: 0 })
    else if (continues !== undefined) this.#refer({ from: segment, to: continues, index: 0 })
  }

  #refer(reference: Reference): void {
    const { from, to, index } = reference
    if (this.#writers.has(to)) {
      if (!this.#isOfOne(reference)) this.#report(reference)
      return
    }
    const key = `${from} ${to}`
    if (this.#pending.has(key)) return
    if (this.#pending.size < MOST_PENDING) this.#pending.set(key, reference)
    else if (!this.#isFull) {
      this.#isFull = true
      const problem = 'too many records refer to segments of which it is not known who filled them'
      this.#problems.add({ kind: 'reference', file: segmentPath(from), index, problem })
    }
  }

  #isOfOne({ from, to }: Reference): boolean {
    const writer = this.#writers.get(from)
    return writer !== undefined && writer === this.#writers.get(to)
  }

  #report({ from, to, index }: Reference): void {
    this.#problems.add({ kind: 'reference', file: segmentPath(from), index, problem: foreignReference(to) })
  }
}

/** What is wrong with a segment that its writer did not sign. */
export const UNSIGNED_SEGMENT = {
  kind: 'reference',
  index: 0,
  problem: 'it is not signed by the key of its writer',
} as const

/** What is wrong with a record that refers to a segment of another writer. */
export function foreignReference(segment: string): string {
  return `it refers to the segment ${segment}, which another writer filled`
}

/** Whether a record is about a load that may be in another segment. */
export function isAboutLoad(record: JournalRecord): record is RecordOf<'end' | 'revoked'> {
  return record.type === 'end' || record.type === 'revoked'
}
