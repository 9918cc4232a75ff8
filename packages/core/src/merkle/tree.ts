import { hash } from 'node:crypto'

/** The Merkle trees of RFC 6962 section 2.1, with SHA-256. */

export const HASH_BYTES = 32

/** The hash of an entry. */
export function hashLeaf(entry: Uint8Array): Buffer {
  return sha256(LEAF, entry)
}

/** The hash of a node over its two children. */
export function hashNode(left: Uint8Array, right: Uint8Array): Buffer {
  return sha256(NODE, left, right)
}

const LEAF = Buffer.from([0])
const NODE = Buffer.from([1])

/** In one call, which takes half the time for the many short entries of a journal. */
function sha256(...parts: readonly Uint8Array[]): Buffer {
  return hash('sha256', Buffer.concat(parts), 'buffer')
}

/** The root of a tree without entries. */
export function emptyRoot(): Buffer {
  return sha256()
}

/** A complete subtree of 2^level entries. */
export interface Subtree {
  readonly level: number
  readonly hash: Buffer
}

/** Where the complete subtrees are that a tree consists of, the largest first: one for each bit of its size. */
export function subtreesOf(size: number): { level: number; index: number }[] {
  const subtrees: { level: number; index: number }[] = []
  for (let level = Math.floor(Math.log2(Number.MAX_SAFE_INTEGER)); level >= 0; level--) {
    // Not bit operations: these have only 32 bits.
    const index = Math.floor(size / 2 ** level)
    if (index % 2 === 1) subtrees.push({ level, index: index - 1 })
  }
  return subtrees
}

/**
 * A tree that only grows. It keeps the hashes of the complete subtrees it consists of, at most one for each level, from which
 * its root and those of all later trees follow.
 */
export class GrowingTree {
  readonly #subtrees: Subtree[]
  #size: number

  /** @param subtrees what the tree begins with, the largest first, as {@link subtreesOf} its size */
  constructor(subtrees: readonly Subtree[] = []) {
    this.#subtrees = [...subtrees]
    this.#size = subtrees.reduce((size, { level }) => size + 2 ** level, 0)
  }

  get size(): number {
    return this.#size
  }

  /** The hashes of the complete subtrees, the largest first. */
  get subtrees(): Buffer[] {
    return this.#subtrees.map(({ hash }) => hash)
  }

  /** Adds the hash of an entry. */
  add(leaf: Buffer): void {
    let added: Subtree = { level: 0, hash: leaf }
    for (;;) {
      const last = this.#subtrees.at(-1)
      if (last?.level !== added.level) break
      this.#subtrees.pop()
      added = { level: added.level + 1, hash: hashNode(last.hash, added.hash) }
    }
    this.#subtrees.push(added)
    this.#size += 1
  }

  root(): Buffer {
    const [last, ...larger] = this.#subtrees.toReversed()
    return last ? larger.reduce((right, { hash }) => hashNode(hash, right), last.hash) : emptyRoot()
  }
}
