import { GrowingTree, hashLeaf, subtreesOf, type Subtree } from '../../../merkle/tree.ts'

/** How far a segment was read, so that reading can go on there. */
export interface SegmentState {
  /** Number of lines, and their bytes. */
  records: number
  bytes: number
  /** Check of the last line; the ID of the segment before the first. */
  check: string
  /** Number of records that a commit covers, and the subtrees of their tree in hex, the largest first. */
  covered: number
  frontier: readonly string[]
  /** Hashes of the lines after those, in hex, of which a later commit may cover some; undefined if they are too many. */
  tail: readonly string[] | undefined
}

/** A writer commits every second. If it cannot, a later commit is compared by reading the segment again. */
const LONGEST_TAIL = 65_536

/** A segment while it is read. */
export class SegmentProgress {
  readonly id: string
  records: number
  bytes: number
  check: string
  /** Bytes of a line that was not completed. */
  torn = 0
  #covered: GrowingTree
  #tail: Buffer[] | undefined

  constructor(id: string, state?: SegmentState) {
    this.id = id
    this.records = state?.records ?? 0
    this.bytes = state?.bytes ?? 0
    this.check = state?.check ?? id
    this.#covered = new GrowingTree(subtreesFrom(state?.frontier ?? [], state?.covered ?? 0))
    this.#tail = state ? state.tail?.map((hash) => Buffer.from(hash, 'hex')) : []
  }

  get covered(): number {
    return this.#covered.size
  }

  /**
   * @param check that the line states
   * @param isCovered true if a commit that is known covers the line
   */
  add(line: Uint8Array, check: string, isCovered: boolean): void {
    this.records += 1
    this.bytes += line.length + 1
    this.check = check
    if (isCovered) this.#covered.add(hashLeaf(line))
    else if (this.#tail && this.#tail.length < LONGEST_TAIL) this.#tail.push(hashLeaf(line))
    else this.#tail = undefined
  }

  /**
   * Takes the lines up to a size as covered by a commit.
   *
   * @returns the root of their tree; undefined if it is not known any more
   */
  cover(size: number): Buffer | undefined {
    if (size < this.covered || (size > this.covered && !this.#tail)) return undefined
    for (const leaf of (this.#tail ?? []).splice(0, size - this.covered)) this.#covered.add(leaf)
    return this.covered === size ? this.#covered.root() : undefined
  }

  state(): SegmentState {
    const { records, bytes, check, covered } = this
    const frontier = this.#covered.subtrees.map((hash) => hash.toString('hex'))
    const tail = this.#tail?.map((hash) => hash.toString('hex'))
    return { records, bytes, check, covered, frontier, tail }
  }
}

function subtreesFrom(frontier: readonly string[], size: number): Subtree[] {
  return subtreesOf(size).map(({ level }, index) => ({ level, hash: Buffer.from(frontier[index] ?? '', 'hex') }))
}
