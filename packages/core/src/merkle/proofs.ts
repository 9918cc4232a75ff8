import { hashNode } from './tree.ts'

/** The hash of the complete subtree of 2^level entries that begins at entry `index` · 2^level. */
type NodeAt = (level: number, index: number) => Buffer

/** Proves that an entry is in a tree (RFC 6962 2.1.1): the siblings on the way from the entry to the root. */
export function inclusionProof(nodeAt: NodeAt, index: number, size: number): Buffer[] {
  const proof: Buffer[] = []
  for (let [start, end] = [0, size]; end - start > 1;) {
    const split = start + largestPowerBelow(end - start)
    if (index < split) {
      proof.unshift(rootOfRange(nodeAt, split, end))
      end = split
    } else {
      proof.unshift(rootOfRange(nodeAt, start, split))
      start = split
    }
  }
  return proof
}

/** Proves that a tree begins with all entries of an earlier, smaller one (RFC 6962 2.1.2). */
export function consistencyProof(nodeAt: NodeAt, earlier: number, size: number): Buffer[] {
  if (earlier === 0 || earlier === size) return []
  const proof: Buffer[] = []
  let [start, end] = [0, size]
  while (end !== earlier) {
    const split = start + largestPowerBelow(end - start)
    if (earlier <= split) {
      proof.unshift(rootOfRange(nodeAt, split, end))
      end = split
    } else {
      proof.unshift(rootOfRange(nodeAt, start, split))
      start = split
    }
  }
  // The verifier knows the root of the earlier tree.
  return start === 0 ? proof : [rootOfRange(nodeAt, start, end), ...proof]
}

/**
 * True if the proof leads from the hash of the entry to the root (RFC 9162 2.1.3.2).
 *
 * @param leaf hash of the entry
 */
export function provesInclusion(
  proof: readonly Buffer[],
  leaf: Buffer,
  index: number,
  { size, root }: TreeHead,
): boolean {
  if (!(index >= 0 && index < size)) return false
  let way = { node: index, last: size - 1 }
  let hash = leaf
  for (const sibling of proof) {
    if (way.last === 0) return false
    const isRight = isOdd(way.node) || way.node === way.last
    hash = isRight ? hashNode(sibling, hash) : hashNode(hash, sibling)
    way = above(way, isRight)
  }
  return way.last === 0 && hash.equals(root)
}

/** True if the proof shows that the tree begins with all entries of the earlier one (RFC 9162 2.1.4.2). */
export function provesConsistency(proof: readonly Buffer[], earlier: TreeHead, { size, root }: TreeHead): boolean {
  if (earlier.size > size) return false
  if (earlier.size === size) return proof.length === 0 && earlier.root.equals(root)
  if (earlier.size === 0) return proof.length === 0
  const [first, ...rest] = isPowerOfTwo(earlier.size) ? [earlier.root, ...proof] : proof
  if (!first) return false
  let way = { node: earlier.size - 1, last: size - 1 }
  while (isOdd(way.node)) way = up(way)
  let [old, now] = [first, first]
  for (const sibling of rest) {
    if (way.last === 0) return false
    const isRight = isOdd(way.node) || way.node === way.last
    if (isRight) old = hashNode(sibling, old)
    now = isRight ? hashNode(sibling, now) : hashNode(now, sibling)
    way = above(way, isRight)
  }
  return way.last === 0 && old.equals(earlier.root) && now.equals(root)
}

/** Size and root of a tree. */
export interface TreeHead {
  readonly size: number
  readonly root: Buffer
}

/** The root over the entries from `start` to before `end`, where `start` is a multiple of a power of two that is not smaller than the range. */
export function rootOfRange(nodeAt: NodeAt, start: number, end: number): Buffer {
  const length = end - start
  if (isPowerOfTwo(length)) return nodeAt(Math.round(Math.log2(length)), start / length)
  const split = start + largestPowerBelow(length)
  return hashNode(rootOfRange(nodeAt, start, split), rootOfRange(nodeAt, split, end))
}

/** A node and the last one on its level. */
interface Way {
  node: number
  last: number
}

function above(way: Way, isRight: boolean): Way {
  let next = way
  // A node without a sibling on the right rises to the level on which it has one on the left.
  if (isRight) while (!isOdd(next.node) && next.node !== 0) next = up(next)
  return up(next)
}

function up({ node, last }: Way): Way {
  return { node: Math.floor(node / 2), last: Math.floor(last / 2) }
}

function isOdd(value: number): boolean {
  return value % 2 === 1
}

function isPowerOfTwo(value: number): boolean {
  return value > 0 && 2 ** Math.round(Math.log2(value)) === value
}

function largestPowerBelow(value: number): number {
  let power = 1
  while (power * 2 < value) power *= 2
  return power
}
