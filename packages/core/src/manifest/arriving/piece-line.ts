import type { PieceHasher } from '../../hashing/arriving/piece-hasher.ts'

/** Large enough that passing it on costs little. */
const PIECE_BYTES = 512 * 1024
/** So that a server which understates a length does not cause tiny pieces. */
const SMALLEST_PIECE = 16 * 1024
/** One is filled while the others are hashed and written. */
const SLOTS = 3

/** Stores a piece, which does not change until that is done. */
type WritePiece = (piece: Uint8Array) => Promise<unknown>

interface Slot {
  readonly memory: Uint8Array
  /** Done with its last piece. */
  free: readonly Promise<unknown>[]
}

/** Collects what arrives of a file in pieces. Each is hashed and written at the same time, while the next one arrives. */
export class PieceLine {
  readonly #hasher: PieceHasher
  readonly #pieceBytes: number
  readonly #slots: Slot[] = []
  /** The uses of pieces that are not in slots, oldest first. */
  readonly #lent: (readonly Promise<unknown>[])[] = []
  #current = 0
  #filled = 0
  #write: WritePiece | undefined

  /** @param announced length of the file in bytes; only a hint */
  constructor(hasher: PieceHasher, announced = PIECE_BYTES) {
    this.#hasher = hasher
    this.#pieceBytes = Math.min(PIECE_BYTES, Math.max(SMALLEST_PIECE, announced))
  }

  /** @returns memory for the next bytes, which may then be added without being copied */
  room(): Uint8Array {
    return this.#slot().memory.subarray(this.#filled)
  }

  /**
   * Adds bytes, copied unless they are in the memory that is there for them.
   *
   * @param write undefined for bytes that are only hashed
   * @throws what hashing and writing earlier pieces threw
   */
  async add(bytes: Uint8Array, write: WritePiece | undefined): Promise<void> {
    if (write !== this.#write) await this.#pass()
    this.#write = write
    for (let rest = bytes; rest.length > 0;) {
      const room = this.room()
      const taken = rest.subarray(0, room.length)
      if (taken.buffer !== room.buffer || taken.byteOffset !== room.byteOffset) room.set(taken)
      this.#filled += taken.length
      rest = rest.subarray(taken.length)
      if (taken.length === room.length) await this.#pass()
    }
  }

  /**
   * Adds bytes that nothing changes while they are in use.
   *
   * @param write undefined for bytes that are only hashed
   * @param using is told of their use, which never fails, before anything uses them
   * @throws what hashing and writing earlier pieces threw
   */
  async lend(bytes: Uint8Array, write: WritePiece | undefined, using: (use: Promise<unknown>) => void): Promise<void> {
    await this.#pass()
    this.#write = write
    const uses = this.#use(bytes)
    using(Promise.allSettled(uses))
    this.#lent.push(uses)
    if (this.#lent.length >= SLOTS) await Promise.all(this.#lent.shift() ?? [])
  }

  /** Ends the file. @returns its digests, once everything was written */
  async end(): Promise<string[][]> {
    await this.#pass()
    await Promise.all([...this.#lent, ...this.#slots.map(({ free }) => free)].flat())
    return this.#hasher.digests()
  }

  /** Also writes the rest of a file that was given up, and waits until nothing uses the pieces any more. Never fails. */
  async settle(): Promise<void> {
    await Promise.allSettled([...this.#lent, ...this.#slots.map(({ free }) => free)].flat())
    if (this.#filled > 0) await this.#write?.(this.#slot().memory.subarray(0, this.#filled)).catch(() => {})
    this.#hasher.end()
  }

  /** Passes on what was collected, and waits until there is room for more. */
  async #pass(): Promise<void> {
    if (this.#filled === 0) return
    const slot = this.#slot()
    const piece = slot.memory.subarray(0, this.#filled)
    slot.free = this.#use(piece)
    this.#filled = 0
    this.#current = (this.#current + 1) % SLOTS
    await Promise.all(this.#slot().free)
  }

  /** Begins to write and to hash a piece. */
  #use(piece: Uint8Array): readonly Promise<unknown>[] {
    const writing = this.#write?.(piece)
    const uses = writing ? [writing, this.#hasher.hash(piece)] : [this.#hasher.hash(piece)]
    // Reported when there has to be room for more.
    for (const each of uses) each.catch(() => {})
    return uses
  }

  #slot(): Slot {
    return (this.#slots[this.#current] ??= { memory: this.#hasher.memory(this.#pieceBytes), free: [] })
  }
}
