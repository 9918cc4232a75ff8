import type { JournalRecord, RecordOf } from '../../format/record.ts'
import type { Problems } from '../problems.ts'
import { segmentPath, type SegmentRecord } from './read-segment.ts'

/** Pairs of segments that are kept until the end. In a journal that holds, they exist only where a clock was set back. */
const MOST_PENDING = 100_000

interface KnownSegment {
  writer: string
  /** Another segment of the same writer; its own ID if none is known. */
  group: string
}

interface Reference {
  from: string
  to: string
  index: number
}

/**
 * Identifies the thread that writes a segment: the same in all segments that it fills one after the other. The name of the host is not part of
 * it, because settings that are read later may give it another.
 */
export function writerOf({ pid, thread, started }: RecordOf<'segment'>): string {
  return JSON.stringify([pid, thread, started])
}

/**
 * Checks that each writer continues only its own segments, and refers only to loads in them. Otherwise one could say that what another one
 * loaded is no longer in use.
 */
export class References {
  readonly #problems: Problems
  readonly #segments = new Map<string, KnownSegment>()
  /** Segments that were read before the one that they continue. */
  readonly #waiting = new Map<string, string[]>()
  readonly #pending = new Map<string, Reference>()
  #isFull = false

  constructor(problems: Problems) {
    this.#problems = problems
  }

  see(segment: string, { index, record }: SegmentRecord): void {
    if (record.type === 'segment') this.#begin(segment, record)
    else if (isAboutLoad(record) && record.segment !== undefined)
      this.#refer({ from: segment, to: record.segment, index })
  }

  /** Everything was read. */
  finish(): void {
    const cut = new Set([...this.#waiting.values()].flat().map((id) => this.#groupOf(id)))
    for (const { from, to, index } of this.#pending.values()) {
      const [own, other] = [this.#segments.get(from), this.#segments.get(to)]
      // What refers to a segment that is not there, such as a retired one, changes nothing.
      if (!other || this.#groupOf(from) === this.#groupOf(to)) continue
      // A segment between them may have been retired.
      if (cut.has(this.#groupOf(from)) && own?.writer === other.writer) continue
      this.#report(from, index, foreignReference(to))
    }
  }

  #begin(segment: string, record: RecordOf<'segment'>): void {
    const { continues } = record
    this.#segments.set(segment, { writer: writerOf(record), group: segment })
    if (continues !== undefined) {
      const waiting = this.#waiting.get(continues)
      if (this.#segments.has(continues)) this.#join(segment, continues)
      else if (waiting) waiting.push(segment)
      else this.#waiting.set(continues, [segment])
    }
    for (const later of this.#waiting.get(segment) ?? []) this.#join(later, segment)
    this.#waiting.delete(segment)
  }

  #join(segment: string, continued: string): void {
    const [own, other] = [this.#segments.get(segment), this.#segments.get(continued)]
    if (!own || own.writer !== other?.writer || segment === continued) {
      this.#report(segment, 0, foreignReference(continued))
      return
    }
    const last = this.#segments.get(this.#groupOf(segment))
    if (last) last.group = this.#groupOf(continued)
  }

  #groupOf(segment: string): string {
    let id = segment
    for (;;) {
      const known = this.#segments.get(id)
      if (!known || known.group === id) return id
      // Chains may be long, so that each step shortens its rest.
      known.group = this.#segments.get(known.group)?.group ?? known.group
      id = known.group
    }
  }

  #refer(reference: Reference): void {
    const { from, to, index } = reference
    const key = `${from} ${to}`
    if (this.#groupOf(from) === this.#groupOf(to) || this.#pending.has(key)) return
    if (this.#pending.size < MOST_PENDING) this.#pending.set(key, reference)
    else if (!this.#isFull) {
      this.#isFull = true
      this.#report(from, index, 'too many records refer to segments of which it is not known who filled them')
    }
  }

  #report(segment: string, index: number, problem: string): void {
    this.#problems.add({ kind: 'reference', file: segmentPath(segment), index, problem })
  }
}

/** What is wrong with a record that refers to a segment of another writer. */
export function foreignReference(segment: string): string {
  return `it refers to the segment ${segment}, which another writer filled`
}

function isAboutLoad(record: JournalRecord): record is RecordOf<'end' | 'revoked'> {
  return record.type === 'end' || record.type === 'revoked'
}
