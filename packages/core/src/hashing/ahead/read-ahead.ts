import { monotonic } from '../../real-time.ts'
import { abortedError } from '../../source/aborted.ts'
import {
  ALONE,
  BEGUN,
  DONE,
  FILLED,
  GOING,
  HELPED,
  JOINED,
  LEFT,
  NAP,
  PHASE,
  SLOT_BYTES,
  SLOTS,
  TAKEN,
  Views,
  WAITING,
  type Lane,
  type ReadAheadMemory,
} from './read-ahead-memory.ts'
import type { HashControl } from '../shared-control.ts'

/** The reader sleeps until only this many filled slots are left. Waking it for each slot would cost more than a tenth of the hashing time. */
const FEW_SLOTS = 1
/** How long a reader waits for the first piece to begin, in milliseconds. */
const PATIENCE = 1_000

/** The side of the thread that hashes one piece. */
export class BytesAhead {
  readonly #views: Views
  readonly #piece: number
  readonly #control: HashControl
  #lane: Lane | undefined
  #taken = 0
  #holds = false
  #begun = false

  constructor(memory: ReadAheadMemory, piece: number, control: HashControl) {
    this.#views = new Views(memory)
    this.#piece = piece
    this.#control = control
  }

  /**
   * The bytes of the file from `offset` on: one slot, or fewer up to `end`. They stay valid until the next call.
   * `undefined` if no thread reads ahead, so the caller must read for itself. `'later'` if the bytes have not arrived
   * after some time.
   */
  next(offset: number, end: number): Uint8Array | 'later' | undefined {
    this.#begin()
    this.#giveBack()
    this.#lane ??= this.#join(offset)
    const lane = this.#lane
    if (!lane) return undefined
    for (let slept = false; ; slept = true) {
      if (this.#control.aborted()) throw abortedError()
      const filled = Atomics.load(lane.words, FILLED)
      if (filled !== this.#taken) {
        this.#holds = true
        return lane.slot(this.#taken).subarray(0, Math.min(SLOT_BYTES, end - offset))
      }
      // The reader may have filled a slot before it left, so FILLED is checked again.
      const left = Atomics.load(lane.words, PHASE) === LEFT || this.#views.isDead(lane)
      if (left && Atomics.load(lane.words, FILLED) === filled) {
        this.#lane = undefined
        this.#views.setPiece(this.#piece, ALONE)
        return undefined
      }
      if (slept) return 'later'
      Atomics.wait(lane.words, FILLED, filled, NAP)
    }
  }

  /** Must be called when the piece has been hashed, and also if hashing stops. */
  end(): void {
    this.#giveBack()
    const lane = this.#lane ?? this.#helper(this.#views.swapPiece(this.#piece, BEGUN, DONE))
    if (lane) this.#views.leave(lane)
    this.#views.setPiece(this.#piece, DONE)
  }

  /** Only now may a reader open the file, so that it cannot take the last descriptor away from this side. */
  #begin(): void {
    if (this.#begun) return
    this.#begun = true
    this.#views.setPiece(this.#piece, BEGUN)
  }

  #join(offset: number): Lane | undefined {
    const lane = this.#helper(this.#views.piece(this.#piece))
    if (!lane) return undefined
    this.#taken = 0
    lane.start[0] = offset // published by storing the phase
    Atomics.store(lane.words, PHASE, GOING)
    Atomics.notify(lane.words, PHASE)
    return lane
  }

  #helper(state: number): Lane | undefined {
    return state < HELPED ? undefined : this.#views.lane(state - HELPED)
  }

  #giveBack(): void {
    if (!this.#holds || !this.#lane) return
    this.#holds = false
    const { words } = this.#lane
    Atomics.store(words, TAKEN, ++this.#taken)
    if (Atomics.load(words, FILLED) - this.#taken <= FEW_SLOTS) Atomics.notify(words, TAKEN)
  }
}

/** Reads the bytes of a file from `position` on into a slot. Returns false if it cannot. */
type FillSlot = (slot: Uint8Array, position: number) => boolean

/** The side of the thread that reads. It has one lane. */
export class ReaderLane {
  readonly #views: Views
  readonly #index: number
  readonly #lane: Lane
  readonly #control: HashControl

  constructor(memory: ReadAheadMemory, index: number, control: HashControl) {
    this.#views = new Views(memory)
    this.#index = index
    this.#lane = this.#views.lane(index)
    this.#control = control
  }

  /** The first of these pieces that is being hashed without a reader, or `undefined` if nothing is left to do. */
  find(pieces: Iterable<number>): number | undefined {
    const candidates = [...pieces]
    const patience = monotonic() + PATIENCE
    while (!this.#unwanted() && monotonic() < patience) {
      const seen = this.#views.changes()
      let waiting = false
      for (const piece of candidates) {
        const state = this.#views.piece(piece)
        if (state === BEGUN) return piece
        waiting ||= state === WAITING
      }
      if (!waiting) return undefined
      this.#views.awaitChange(seen)
    }
    return undefined
  }

  /** Reads ahead for one piece, which ends at `end`, until all of it is read or the other side stops. */
  serve(piece: number, end: number, fill: FillSlot): void {
    const { words, start } = this.#lane
    Atomics.store(words, PHASE, JOINED)
    Atomics.store(words, FILLED, 0)
    Atomics.store(words, TAKEN, 0)
    if (this.#views.swapPiece(piece, BEGUN, HELPED + this.#index) !== BEGUN) return
    while (Atomics.load(words, PHASE) === JOINED && !this.#unwanted()) Atomics.wait(words, PHASE, JOINED, NAP)
    if (Atomics.load(words, PHASE) === GOING) this.#fillFrom(start[0] ?? end, end, fill)
    this.#views.leave(this.#lane)
    // The slots must not be reused before the other side has released them.
    while (this.#views.piece(piece) >= HELPED && !this.#control.aborted()) this.#views.awaitPiece(piece)
  }

  #fillFrom(start: number, end: number, fill: FillSlot): void {
    const { words } = this.#lane
    let filled = 0
    for (let position = start; position < end; position += SLOT_BYTES) {
      for (let taken = Atomics.load(words, TAKEN); filled - taken === SLOTS; taken = Atomics.load(words, TAKEN)) {
        if (Atomics.load(words, PHASE) === LEFT || this.#unwanted()) return
        Atomics.wait(words, TAKEN, taken, NAP)
      }
      if (Atomics.load(words, PHASE) === LEFT || this.#unwanted()) return
      if (!fill(this.#lane.slot(filled).subarray(0, Math.min(SLOT_BYTES, end - position)), position)) return
      Atomics.store(words, FILLED, ++filled)
      // The other side waits only after it has taken all other slots.
      if (filled - Atomics.load(words, TAKEN) <= 1) Atomics.notify(words, FILLED)
    }
  }

  #unwanted(): boolean {
    return this.#views.released() || this.#control.aborted()
  }
}
