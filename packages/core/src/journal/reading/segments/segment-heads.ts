import { at } from '../../../at.ts'
import type { SegmentHead } from '../../format/commit.ts'

/** Size, root and bytes of a segment, as a commit states them. */
export interface StatedHead {
  size: number
  bytes: number
  root: Buffer
}

const ENTRY = 48

/** What the commits say about one segment, compactly: a writer makes up to one commit a second. */
export class SegmentHeads {
  #heads = Buffer.alloc(ENTRY)
  #count = 0
  /** The last head. */
  last: SegmentHead | undefined

  get count(): number {
    return this.#count
  }

  /** @returns why it cannot follow the one before, if it cannot */
  add(head: SegmentHead, keep = true): string | undefined {
    const { last } = this
    if (last && (head.size < last.size || head.bytes < last.bytes))
      return 'the segment is shorter than in a commit before'
    // Two processes may retire a segment, or one again that was killed before it deleted the file.
    const isOnlyRetired = head.retired && head.root === last?.root && head.size === last.size
    if (last?.retired && !isOnlyRetired) return 'the segment was retired before'
    if (last?.end && !isOnlyRetired) return 'the segment ended before'
    this.last = head
    if (keep) this.#push(head)
    return undefined
  }

  *[Symbol.iterator](): Generator<StatedHead> {
    for (let index = 0; index < this.#count; index++) {
      const entry = this.#heads.subarray(index * ENTRY, (index + 1) * ENTRY)
      yield { size: entry.readDoubleLE(0), bytes: entry.readDoubleLE(8), root: entry.subarray(16) }
    }
  }

  #push({ size, bytes, root }: SegmentHead): void {
    const start = this.#count * ENTRY
    if (start === this.#heads.length) this.#heads = Buffer.concat([this.#heads], start * 2)
    this.#heads.writeDoubleLE(size, start)
    this.#heads.writeDoubleLE(bytes, start + 8)
    this.#heads.write(root, start + 16, 'hex')
    this.#count += 1
  }
}

/** The heads of all segments, by ID. */
export class HeadsBySegment extends Map<string, SegmentHeads> {
  /** @returns as {@link SegmentHeads.add} */
  addHead(head: SegmentHead, keep = true): string | undefined {
    const heads = this.get(head.segment) ?? new SegmentHeads()
    this.set(head.segment, heads)
    return heads.add(head, keep)
  }

  /** Only the last head of each segment, with which later ones are compared. */
  lastOnly(): HeadsBySegment {
    const only = new HeadsBySegment()
    for (const { last } of this.values()) if (last) only.addHead(last, false)
    return only
  }

  /** The IDs in groups, each with few enough heads to be kept in memory. */
  groups(counts: ReadonlyMap<string, number>, most: number): string[][] {
    const groups: string[][] = [[]]
    let sum = 0
    for (const [id, count] of counts) {
      if (sum > 0 && sum + count > most) {
        groups.push([])
        sum = 0
      }
      at(groups, groups.length - 1).push(id)
      sum += count
    }
    return groups
  }
}
