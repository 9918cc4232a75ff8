import { ownParts, PartMemory, takenOut, type OwnPart, type OwnParts } from '../answers/part-memory.ts'
import { ignoresRanges, type HttpBody } from '../http/request.ts'
import type { Receive } from '../model-source.ts'
import { PartReader, type FetchPart, type OtherContent, type Range } from './file-parts.ts'
import { heldOpen } from './held-open.ts'
import { redirectRule } from './redirect-rule.ts'

/** Connections to a hub or registry, and where it stores its files, for one model. */
export const CONNECTIONS = 8
/** Small enough that the parts which were fetched ahead fit into memory, large enough that their requests cost little. */
export const PART_BYTES = 4 * 1024 * 1024
/** Parts of one file that arrive or wait for their turn. */
const MOST_OF_ONE = 5
/** Parts of all files that are in memory: 32 MiB. More only if more files than that are read, which then have one each. */
const MOST_HELD = 8

/** A file to download. */
interface FileToDownload {
  /** What is fetched, for messages. */
  readonly what: string
  /** Size of the whole file, if it is known: only then can it be fetched in parts. */
  readonly size: number | undefined
  readonly range: Range | undefined
  /** True if a `receive` that is not the core's needs each chunk only until it requests the next one. */
  readonly reuses?: boolean | undefined
  readonly signal: AbortSignal
}

/** What is fetched: all of it, and what the first request asks for. */
interface Plan {
  /** Undefined if its end is unknown. */
  readonly all: Range | undefined
  /** Undefined for the whole file. */
  readonly first: Range | undefined
  /** True if the first request is for the first of several parts. */
  readonly isParted: boolean
}

interface PartToCollect extends Range {
  /** Memory for it. */
  readonly into: PartMemory
  readonly begun?: HttpBody
}

/** A file whose first part is arriving. */
interface PartedFile {
  readonly reader: PartReader
  readonly all: Range
  /** The first part. */
  readonly first: PartToCollect
  readonly reuses: boolean
}

/**
 * Downloads files of one model. Of a large file, several parts are fetched at once as long as connections are free: those
 * ahead are kept in memory until their turn, so that the file arrives in order and can be hashed.
 */
export class Downloads {
  readonly #origin: string
  readonly #redirect: ReturnType<typeof redirectRule>
  readonly #stop: AbortSignal
  readonly #other: OtherContent
  /** Files and parts that are being fetched. */
  #running = 0
  /** Parts that are fetched ahead, or that the receiver still needs. */
  #held = 0
  /** Files that are passed on in parts. */
  #parted = 0
  /** Memory for parts, which is reused: allocating it would cost more than receiving into it. Only the core has ever had it. */
  readonly #memory: Uint8Array[] = []
  /** Memory that others have had, and could still change. */
  readonly #seenMemory: Uint8Array[] = []

  /**
   * @param origin of the hub or registry
   * @param stop ends all of them
   * @param other the refusal of something else
   */
  constructor(origin: string, stop: AbortSignal, other: OtherContent) {
    this.#origin = origin
    this.#redirect = redirectRule(origin)
    this.#stop = stop
    this.#other = other
  }

  /**
   * Fetches a file, or a part of it, and passes it to `receive` in order. A source that reads the chunks of a large file gets views of a
   * `SharedArrayBuffer`, which Web Crypto refuses.
   *
   * @returns false if there is no such file
   * @throws {@link ModelSealError} `HTTP_RESPONSE` if something else is sent, and what `fetch` and `receive` throw
   */
  async read(file: FileToDownload, fetch: FetchPart, receive: Receive): Promise<boolean> {
    const { size, range } = file
    const all = range ?? (size === undefined ? undefined : { start: 0, end: size })
    if (all === undefined || all.end - all.start < 2 * PART_BYTES)
      return this.#read(file, { all, first: range, isParted: false }, fetch, receive)
    const seen = { isPassed: false }
    const pass: Receive = (body) => {
      seen.isPassed = true
      return receive(body)
    }
    try {
      const first = { start: all.start, end: all.start + PART_BYTES }
      return await this.#read(file, { all, first, isParted: true }, fetch, pass)
    } catch (error) {
      if (range !== undefined || seen.isPassed || !ignoresRanges(error)) throw error
      return this.#read(file, { all, first: undefined, isParted: false }, fetch, receive)
    }
  }

  async #read(file: FileToDownload, plan: Plan, fetch: FetchPart, receive: Receive): Promise<boolean> {
    const ended = new AbortController()
    const signal = AbortSignal.any([file.signal, this.#stop, ended.signal])
    const reader = new PartReader(file.what, fetch, { signal, redirect: this.#redirect, other: this.#other })
    const { all, first, isParted } = plan
    const into = isParted ? newPart(this.#memory) : undefined
    // The first request ends with its part, so that its connection is free for others.
    const request = heldOpen<HttpBody>((take) => this.#requested(() => fetch({ range: first, into, signal }, take)))
    try {
      const answer = await request.body
      if (!answer) return false
      reader.remember(answer, this.#origin)
      // It gives back its connection however it ends: if it breaks, the rest is fetched with another one.
      const begun = { ...answer, chunks: ending(answer.chunks, request.release) }
      const size = all ? all.end - all.start : begun.length
      const { reuses = false } = file
      const chunks =
        into && all && first
          ? this.#inParts({ reader, all, first: { ...first, into, begun }, reuses })
          : all
            ? reader.read({ ...all, begun })
            : // Nothing says where it ends, so a broken connection is the end.
              begun.chunks
      await receive({ size, chunks })
      return true
    } finally {
      ended.abort()
      await request.close()
    }
  }

  #inParts(file: PartedFile): OwnParts {
    return ownParts((by) =>
      this.#parts(file, by === 'core' ? this.#memory : this.#seenMemory, by === 'core' || file.reuses),
    )
  }

  /** @param memory for the parts, and for later ones if it `isReused` */
  async *#parts({ reader, all, first }: PartedFile, memory: Uint8Array[], isReused: boolean): AsyncGenerator<OwnPart> {
    const parts: Promise<Uint8Array>[] = []
    const add = (part: Promise<Uint8Array>) => {
      this.#held += 1
      parts.push(part)
      // Reported when its turn comes.
      part.catch(() => {})
    }
    this.#parted += 1
    add(collected(reader, first))
    let next = first.end
    const fetchAhead = () => {
      const isFree = () => parts.length < MOST_OF_ONE && this.#held < MOST_HELD && this.#running < CONNECTIONS
      while (next < all.end && (parts.length === 0 || isFree())) {
        const start = next
        next = Math.min(start + PART_BYTES, all.end)
        add(this.#requested(() => collected(reader, { start, end: next, into: newPart(memory) })))
      }
    }
    try {
      fetchAhead()
      while (parts[0]) {
        const bytes = await parts[0]
        void parts.shift()
        const freed = Promise.withResolvers<undefined>()
        const free = () => {
          this.#held -= 1
          if (isReused && bytes.length === PART_BYTES) memory.push(bytes)
          this.#forget()
          freed.resolve(undefined)
        }
        yield { bytes, free }
        // Its receiver may be slower than the network.
        if (parts.length === 0 && this.#held >= MOST_HELD) await freed.promise
        fetchAhead()
      }
    } finally {
      this.#held -= parts.length
      this.#parted -= 1
      this.#forget()
    }
  }

  /** A model may stay open for as long as its service runs. */
  #forget(): void {
    if (this.#held > 0 || this.#parted > 0) return
    this.#memory.length = 0
    this.#seenMemory.length = 0
  }

  async #requested<T>(work: () => Promise<T>): Promise<T> {
    this.#running += 1
    try {
      return await work()
    } finally {
      this.#running -= 1
    }
  }
}

/** Shared, so that another thread can hash what is in it. */
function newPart(memory: Uint8Array[]): PartMemory {
  return new PartMemory(memory.pop() ?? new Uint8Array(new SharedArrayBuffer(PART_BYTES)))
}

async function collected(reader: PartReader, part: PartToCollect): Promise<Uint8Array> {
  const chunks = reader.read(part)
  while (!(await chunks.next()).done) continue
  return takenOut(part.into)
}

async function* ending(chunks: AsyncIterable<Uint8Array>, ended: () => void): AsyncGenerator<Uint8Array> {
  try {
    yield* chunks
  } finally {
    ended()
  }
}
