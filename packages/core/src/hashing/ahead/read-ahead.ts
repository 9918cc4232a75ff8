import { monotonic } from '../../real-time.ts'
import { abortedError } from '../../source/aborted.ts'
import { workerFailed } from '../threads/worker-failed.ts'
import {
  ALONE,
  BEGUN,
  CLOSED,
  COPY,
  DONE,
  FILLED,
  GOING,
  HELPED,
  JOINED,
  LEFT,
  NAP,
  OPEN,
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
  #copyError = 0

  constructor(memory: ReadAheadMemory, piece: number, control: HashControl) {
    this.#views = new Views(memory)
    this.#piece = piece
    this.#control = control
  }

  /**
   * The bytes of the file from `offset` on: one slot, or fewer up to `end`. They stay valid until the next call. If the
   * file is copied, the reader has already written them to the copy. `undefined` if no thread reads ahead, so the caller
   * must read (and copy) for itself. `'left'`, once, if a reader had joined but has left: the copy can then contain bytes
   * from `offset` on that were never handed over. `'later'` if the bytes have not arrived after some time.
   *
   * @throws {@link ModelSealError} `ABORTED`; `WORKER_FAILED` if the reader's thread is gone and may still be writing
   */
  next(offset: number, end: number): Uint8Array | 'later' | 'left' | undefined {
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
        if (!this.#isCopyClosed(lane)) return 'later'
        this.#lane = undefined
        this.#views.setPiece(this.#piece, ALONE)
        return 'left'
      }
      if (slept) return 'later'
      Atomics.wait(lane.words, FILLED, filled, NAP)
    }
  }

  /**
   * Must be called before the copy counts as complete. Makes the reader close it.
   *
   * @returns the negative number of the error with which a reader closed the copy, or 0; `'later'` if a reader has not
   * closed it after some time
   * @throws {@link ModelSealError} `WORKER_FAILED` if the reader's thread is gone and may still be writing
   */
  closeCopy(): number | 'later' {
    if (this.#lane) {
      this.#views.leave(this.#lane)
      if (!this.#isCopyClosed(this.#lane)) return 'later'
    }
    return this.#copyError
  }

  /**
   * Must be called when the piece has been hashed, and also if hashing stops, until it returns true. Afterwards, no
   * reader writes to the copy.
   *
   * @returns false if a reader has not closed the copy after some time
   */
  end(): boolean {
    this.#giveBack()
    const lane = this.#lane ?? this.#helper(this.#views.swapPiece(this.#piece, BEGUN, DONE))
    if (lane) {
      this.#views.leave(lane)
      if (this.#views.awaitClosed(lane) === 'later') return false
    }
    this.#views.setPiece(this.#piece, DONE)
    return true
  }

  /** A thread that is thought to be gone could still write bytes that this side never hashed, so it is not replaced. */
  #isCopyClosed(lane: Lane): boolean {
    const copy = this.#views.awaitClosed(lane)
    if (copy === 'later') return false
    if (copy === OPEN) throw workerFailed(new Error('The thread that writes the copy ended.'))
    if (copy !== CLOSED) this.#copyError = copy
    return true
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
    // The reader may have left already. If that were overwritten, both sides would wait for each other.
    Atomics.compareExchange(lane.words, PHASE, JOINED, GOING)
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

/** A file that is read into slots. */
interface FileToRead {
  /** Position after the last byte to read. */
  readonly end: number
  /** Whether the bytes are also written to a copy. */
  readonly copied: boolean
  /** Reads the bytes from `position` on, and copies them if wanted. Returns false if it cannot. */
  fill(slot: Uint8Array, position: number): boolean
  /** Closes the copy. @returns the negative number of the error, or 0 */
  closeCopy(): number
}

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

  /** Reads ahead for one piece until all of it is read or the other side stops. */
  serve(piece: number, file: FileToRead): void {
    const { words, start } = this.#lane
    Atomics.store(words, PHASE, JOINED)
    Atomics.store(words, FILLED, 0)
    Atomics.store(words, TAKEN, 0)
    Atomics.store(words, COPY, file.copied ? OPEN : CLOSED)
    if (this.#views.swapPiece(piece, BEGUN, HELPED + this.#index) !== BEGUN) return
    while (Atomics.load(words, PHASE) === JOINED && !this.#unwanted()) Atomics.wait(words, PHASE, JOINED, NAP)
    if (Atomics.load(words, PHASE) === GOING) this.#fillFrom(start[0] ?? file.end, file)
    if (file.copied) Atomics.store(words, COPY, file.closeCopy())
    this.#views.leave(this.#lane)
    // The slots must not be reused before the other side has released them.
    while (this.#views.piece(piece) >= HELPED && !this.#control.aborted()) this.#views.awaitPiece(piece)
  }

  #fillFrom(start: number, file: FileToRead): void {
    const { end } = file
    const { words } = this.#lane
    let filled = 0
    for (let position = start; position < end; position += SLOT_BYTES) {
      for (let taken = Atomics.load(words, TAKEN); filled - taken === SLOTS; taken = Atomics.load(words, TAKEN)) {
        if (Atomics.load(words, PHASE) === LEFT || this.#unwanted()) return
        Atomics.wait(words, TAKEN, taken, NAP)
      }
      if (Atomics.load(words, PHASE) === LEFT || this.#unwanted()) return
      if (!file.fill(this.#lane.slot(filled).subarray(0, Math.min(SLOT_BYTES, end - position)), position)) return
      Atomics.store(words, FILLED, ++filled)
      // The other side waits only after it has taken all other slots.
      if (filled - Atomics.load(words, TAKEN) <= 1) Atomics.notify(words, FILLED)
    }
  }

  /** Also if this thread is wrongly thought to be gone: a copy that it began to write would be refused. */
  #unwanted(): boolean {
    return this.#views.released() || this.#control.aborted() || this.#views.isDead(this.#lane)
  }
}
