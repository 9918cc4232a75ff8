// Functions, and not methods, get at what is private: sources see the objects, and with them their classes.

/** What arrives of one response. */
export interface Intake {
  /** Where in the memory it began. */
  readonly start: number
  filled: number
}

/** Begins to receive after the bytes that count. What an earlier response still sends gets nowhere. */
export let beginIntake: (memory: PartMemory) => Intake
/** Copies what there is room for. @returns the rest */
export let landed: (memory: PartMemory, intake: Intake, chunk: Uint8Array) => Uint8Array
/** Gives up an intake: what has landed of that response does not count. */
export let giveUpIntake: (memory: PartMemory, intake: Intake) => void
/** True if there is no room for more, or if a later response is received instead. */
export let isFull: (memory: PartMemory, intake: Intake) => boolean
/** Ends the intake. What has landed counts from now on. @returns how many bytes that is with all before */
export let counted: (memory: PartMemory) => number
/** Takes the bytes that count out of the memory, which receives nothing more. */
export let takenOut: (memory: PartMemory) => Uint8Array

/**
 * Memory for a part of a file. A source passes it from a download to its requests, and cannot get at the bytes in it: what has
 * landed there is hashed without being copied first.
 */
export class PartMemory {
  #bytes: Uint8Array | undefined
  #filled = 0
  #intake: Intake | undefined

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  static {
    beginIntake = (memory) => (memory.#intake = { start: memory.#filled, filled: 0 })
    landed = (memory, intake, chunk) => {
      const bytes = memory.#intake === intake ? memory.#bytes : undefined
      if (!bytes) return chunk
      const at = intake.start + intake.filled
      const taken = chunk.subarray(0, bytes.length - at)
      bytes.set(taken, at)
      intake.filled += taken.length
      return chunk.subarray(taken.length)
    }
    giveUpIntake = (memory, intake) => {
      if (memory.#intake === intake) memory.#intake = undefined
    }
    isFull = (memory, intake) =>
      memory.#intake !== intake || intake.start + intake.filled >= (memory.#bytes?.length ?? 0)
    counted = (memory) => {
      const { start, filled } = memory.#intake ?? { start: memory.#filled, filled: 0 }
      memory.#intake = undefined
      return (memory.#filled = start + filled)
    }
    takenOut = (memory) => {
      const bytes = memory.#bytes ?? new Uint8Array()
      memory.#bytes = undefined
      return bytes.subarray(0, memory.#filled)
    }
  }
}

/** A part of a file in memory that only the core has. */
export interface OwnPart {
  readonly bytes: Uint8Array
  /** Call this once nothing uses the bytes any more. */
  readonly free: () => void
}

/** Reads the parts of a file in order. */
type ReadParts = (by: 'core' | 'source') => AsyncGenerator<OwnPart>

/** @param read called once */
export let ownParts: (read: ReadParts) => OwnParts
/**
 * @returns the parts, if these are the chunks of a download and the source has passed them on as they were
 * @throws TypeError if the source has read them
 */
export let ownPartsOf: (chunks: unknown) => AsyncGenerator<OwnPart> | undefined

/** Only who has it makes parts. A source could change what it lets the core read. */
const CORE = Symbol('core')

/** The content of a file in parts, which a source passes on. If the source reads them, they are chunks like any others. */
export class OwnParts implements AsyncIterable<Uint8Array> {
  #read: ReadParts | undefined

  /** @throws TypeError if anything but the core calls it */
  constructor(core: symbol, read: ReadParts) {
    if (core !== CORE) throw new TypeError('Only downloads make these.')
    this.#read = read
  }

  static {
    ownParts = (read) => new OwnParts(CORE, read)
    ownPartsOf = (chunks) => {
      const isOwn = typeof chunks === 'object' && chunks !== null && #read in chunks
      return isOwn ? chunks.#once('core') : undefined
    }
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for await (const { bytes, free } of this.#once('source'))
      try {
        yield bytes
      } finally {
        free()
      }
  }

  #once(by: 'core' | 'source'): AsyncGenerator<OwnPart> {
    const read = this.#read
    if (!read) throw new TypeError('The content can be read only once.')
    this.#read = undefined
    return read(by)
  }
}
