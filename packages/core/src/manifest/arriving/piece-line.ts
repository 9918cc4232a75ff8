import type { PieceHasher } from '../../hashing/arriving/piece-hasher.ts'

/** Large enough that passing it on costs little. */
const PIECE_BYTES = 512 * 1024
/** So that a server which understates a length does not cause tiny pieces. */
const SMALLEST_PIECE = 16 * 1024
/** One is filled while the others are hashed and written. */
const SLOTS = 3

interface Slot {
  readonly memory: Uint8Array
  /** Done with its last piece. */
  free: Promise<void>
}

/** Collects what arrives of a file in pieces. Each is hashed and written at the same time, while the next one arrives. */
export class PieceLine {
  readonly #hasher: PieceHasher
  readonly #pieceBytes: number
  readonly #slots: Slot[] = []
  #current = 0
  #filled = 0
  /** Of the piece that is being filled, in the file. */
  #position = 0
  #isWritten = false

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
   * @param isWritten false for bytes that are only hashed
   * @throws what hashing and writing earlier pieces threw
   */
  async add(bytes: Uint8Array, isWritten: boolean): Promise<void> {
    if (isWritten !== this.#isWritten) await this.#pass()
    this.#isWritten = isWritten
    for (let rest = bytes; rest.length > 0;) {
      const room = this.room()
      const taken = rest.subarray(0, room.length)
      if (taken.buffer !== room.buffer || taken.byteOffset !== room.byteOffset) room.set(taken)
      this.#filled += taken.length
      rest = rest.subarray(taken.length)
      if (taken.length === room.length) await this.#pass()
    }
  }

  /** Ends the file. @returns its digests, once everything was written */
  async end(): Promise<string[][]> {
    await this.#pass()
    for (const { free } of this.#slots) await free
    return this.#hasher.digests()
  }

  /** Also writes the rest of a file that was given up, and waits until nothing uses the pieces any more. Never fails. */
  async settle(): Promise<void> {
    await this.#pass().catch(() => {})
    await Promise.allSettled(this.#slots.map(({ free }) => free))
    this.#hasher.end()
  }

  /** Passes on what was collected, and waits until there is room for more. */
  async #pass(): Promise<void> {
    if (this.#filled === 0) return
    const slot = this.#slot()
    const piece = slot.memory.subarray(0, this.#filled)
    slot.free = this.#hasher.hash(piece, this.#isWritten ? this.#position : undefined)
    // Reported when the slot is needed.
    slot.free.catch(() => {})
    this.#position += this.#filled
    this.#filled = 0
    this.#current = (this.#current + 1) % SLOTS
    await this.#slot().free
  }

  #slot(): Slot {
    return (this.#slots[this.#current] ??= { memory: this.#hasher.memory(this.#pieceBytes), free: Promise.resolve() })
  }
}
