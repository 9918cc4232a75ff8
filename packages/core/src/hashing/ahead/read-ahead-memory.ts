/**
 * Memory through which idle threads read ahead for threads that hash. A piece is one large range of one file.
 * The thread that hashes it never waits for a reader to join: it reads for itself until one has joined, and again
 * after the reader has left for any reason.
 *
 * Only threads of this process write to this memory.
 */
export interface ReadAheadMemory {
  shared: SharedArrayBuffer
  pieces: number
  /** Maximum number of concurrent readers, each with its own slots. */
  lanes: number
}

/** Small enough for a slot and its neighbours to stay in the CPU core's cache between reading and hashing; measured to be faster than larger slots. */
export const SLOT_BYTES = 256 * 1024
export const SLOTS = 4
/** Longest time that a thread sleeps before it checks whether the operation was aborted, in milliseconds. */
export const NAP = 50

// States of a piece. HELPED and above: the reader of lane `state - HELPED` reads ahead.
export const WAITING = 0
export const BEGUN = 1
/** Its reader has left; the thread that hashes the piece reads the rest itself. */
export const ALONE = 2
export const DONE = 3
export const HELPED = 4

// Words of a lane, and the phases that the first of them can hold.
export const PHASE = 0
export const FILLED = 1
export const TAKEN = 2
const DEAD = 3
/** Whether the reader has the private copy of the file open, or the negative error number with which closing it failed. */
export const COPY = 4
const LANE_WORDS = 5
export const JOINED = 0
export const GOING = 1
export const LEFT = 2

// What COPY can hold besides an error number.
export const CLOSED = 0
export const OPEN = 1

// Words that all lanes share.
const CHANGES = 0
const RELEASED = 1
const BOARD_WORDS = 2

/** The memory of one operation. */
export function newReadAhead(pieces: number, lanes: number): ReadAheadMemory {
  return { shared: new SharedArrayBuffer(slotsAt(pieces, lanes) + lanes * SLOTS * SLOT_BYTES), pieces, lanes }
}

/** Makes the readers leave, because other operations have work for their threads. */
export function releaseReaders({ shared }: ReadAheadMemory): void {
  Atomics.store(new Int32Array(shared, 0, BOARD_WORDS), RELEASED, 1)
}

/**
 * Ends a reader whose thread is gone, so that nothing keeps waiting for it.
 *
 * @returns whether a thread that hashes may have been waiting for it
 */
export function endReader(memory: ReadAheadMemory, lane: number): boolean {
  const views = new Views(memory)
  let helped = false
  for (let piece = 0; piece < memory.pieces; piece++) helped ||= views.piece(piece) === HELPED + lane
  // Only now, because a thread that hashes releases a reader as soon as it finds it dead.
  views.die(views.lane(lane))
  return helped
}

/** One reader's place in the memory. */
export interface Lane {
  words: Int32Array
  /** Where in the file the first slot begins, in bytes. */
  start: Float64Array
  slot: (index: number) => Uint8Array
}

/** Named views of the memory. */
export class Views {
  readonly #memory: ReadAheadMemory
  readonly #board: Int32Array
  readonly #pieces: Int32Array

  constructor(memory: ReadAheadMemory) {
    this.#memory = memory
    this.#board = new Int32Array(memory.shared, 0, BOARD_WORDS)
    this.#pieces = new Int32Array(memory.shared, BOARD_WORDS * 4, memory.pieces)
  }

  piece(index: number): number {
    return Atomics.load(this.#pieces, index)
  }

  swapPiece(index: number, from: number, to: number): number {
    return Atomics.compareExchange(this.#pieces, index, from, to)
  }

  setPiece(index: number, state: number): void {
    Atomics.store(this.#pieces, index, state)
    Atomics.notify(this.#pieces, index)
    Atomics.add(this.#board, CHANGES, 1)
    Atomics.notify(this.#board, CHANGES)
  }

  awaitPiece(index: number): void {
    const state = this.piece(index)
    if (state >= HELPED) Atomics.wait(this.#pieces, index, state, NAP)
  }

  /**
   * Waits a moment for the reader to close the copy.
   *
   * @returns what COPY then holds, or `'later'` if it is still open and the reader's thread is not known to be gone
   */
  awaitClosed(lane: Lane): number | 'later' {
    if (!this.isDead(lane)) Atomics.wait(lane.words, COPY, OPEN, NAP)
    // In this order, because a reader may close the copy and end in between.
    const isDead = this.isDead(lane)
    const copy = Atomics.load(lane.words, COPY)
    return copy === OPEN && !isDead ? 'later' : copy
  }

  changes(): number {
    return Atomics.load(this.#board, CHANGES)
  }

  awaitChange(seen: number): void {
    Atomics.wait(this.#board, CHANGES, seen, NAP)
  }

  released(): boolean {
    return Atomics.load(this.#board, RELEASED) !== 0
  }

  lane(index: number): Lane {
    const { shared, pieces, lanes } = this.#memory
    const slots = slotsAt(pieces, lanes) + index * SLOTS * SLOT_BYTES
    return {
      words: new Int32Array(shared, wordsAt(pieces) + index * LANE_WORDS * 4, LANE_WORDS),
      start: new Float64Array(shared, startsAt(pieces, lanes) + index * 8, 1),
      slot: (count) => new Uint8Array(shared, slots + (count % SLOTS) * SLOT_BYTES, SLOT_BYTES),
    }
  }

  /** Whether the reader's thread is gone. */
  isDead({ words }: Lane): boolean {
    return Atomics.load(words, DEAD) !== 0
  }

  /** Leaves on behalf of the lane's thread, which is gone. */
  die(lane: Lane): void {
    Atomics.store(lane.words, DEAD, 1)
    this.leave(lane)
  }

  /** Ends reading ahead and wakes the other side. Either side may call it. */
  leave({ words }: Lane): void {
    Atomics.store(words, PHASE, LEFT)
    for (const word of [PHASE, FILLED, TAKEN, COPY]) Atomics.notify(words, word)
  }
}

function wordsAt(pieces: number): number {
  return (BOARD_WORDS + pieces) * 4
}

function startsAt(pieces: number, lanes: number): number {
  return Math.ceil((wordsAt(pieces) + lanes * LANE_WORDS * 4) / 8) * 8
}

/** The first slot begins at a page boundary. */
function slotsAt(pieces: number, lanes: number): number {
  return Math.ceil((startsAt(pieces, lanes) + lanes * 8) / 4096) * 4096
}
