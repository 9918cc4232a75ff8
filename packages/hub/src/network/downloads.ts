import { ModelSealError } from '@modelseal/core/errors'
import type { HttpBody } from '@modelseal/core/http'
import type { Receive } from '@modelseal/core/source'
import { PartReader, type FetchPart, type OtherContent, type Range } from './file-parts.ts'
import { redirectRule } from './redirect-rule.ts'

/** Connections to a hub or registry, and where it stores its files, for one model. */
export const CONNECTIONS = 8
/** Small enough that the parts which were fetched ahead fit into memory, large enough that their requests cost little. */
export const PART_BYTES = 4 * 1024 * 1024
/** Parts of one file that are fetched ahead. */
const MOST_AHEAD = 4
/** Parts of all files that are in memory: 32 MiB. */
const MOST_HELD = 8

/** A file to download. */
interface FileToDownload {
  /** What is fetched, for messages. */
  readonly what: string
  /** Size of the whole file, if it is known: only then can it be fetched in parts. */
  readonly size: number | undefined
  readonly range: Range | undefined
  /** True if `receive` needs each chunk only until it requests the next one. */
  readonly reuses?: boolean | undefined
  readonly signal: AbortSignal
}

/** What is fetched: all of it, and what the first request asks for. */
interface Plan {
  /** Undefined if its end is unknown. */
  readonly all: Range | undefined
  /** Undefined for the whole file. */
  readonly first: Range | undefined
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
  /** Parts that are fetched ahead and were not passed on completely. */
  #held = 0
  /** Memory for parts, which is reused: allocating it would cost more than receiving into it. */
  readonly #memory: Buffer[] = []

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
   * Fetches a file, or a part of it, and passes it to `receive` in order.
   *
   * @returns false if there is no such file
   * @throws {@link ModelSealError} `HTTP_RESPONSE` if something else is sent, and what `fetch` and `receive` throw
   */
  async read(file: FileToDownload, fetch: FetchPart, receive: Receive): Promise<boolean> {
    const { size, range, reuses = false } = file
    const all = range ?? (size === undefined ? undefined : { start: 0, end: size })
    const isLarge = all !== undefined && all.end - all.start >= 2 * PART_BYTES
    if (!isLarge) return this.#read(file, { all, first: range, reuses }, fetch, receive)
    try {
      const first = { start: all.start, end: all.start + PART_BYTES }
      return await this.#read(file, { all, first, reuses }, fetch, receive)
    } catch (error) {
      if (range !== undefined || !ignoresRanges(error)) throw error
      return this.#read(file, { all, first: undefined, reuses }, fetch, receive)
    }
  }

  async #read(file: FileToDownload, plan: Plan, fetch: FetchPart, receive: Receive): Promise<boolean> {
    const ended = new AbortController()
    const signal = AbortSignal.any([file.signal, this.#stop, ended.signal])
    const reader = new PartReader(file.what, fetch, { signal, redirect: this.#redirect, other: this.#other })
    const { all, first } = plan
    this.#running += 1
    try {
      const found = await fetch({ range: first, signal }, async (body) => {
        reader.remember(body, this.#origin)
        const size = all ? all.end - all.start : body.length
        await receive({ size, chunks: this.#chunks(reader, plan, body) })
        return true
      })
      return found === true
    } finally {
      this.#running -= 1
      ended.abort()
    }
  }

  async *#chunks(reader: PartReader, { all, first, reuses }: Plan, body: HttpBody): AsyncGenerator<Uint8Array> {
    // Nothing says where it ends, so a broken connection is the end.
    if (!all) {
      yield* body.chunks
      return
    }
    const ahead: Promise<Buffer>[] = []
    let next = first?.end ?? all.end
    const following = (): Range => {
      const start = next
      next = Math.min(start + PART_BYTES, all.end)
      return { start, end: next }
    }
    const fetchAhead = () => {
      while (next < all.end && ahead.length < MOST_AHEAD && this.#held < MOST_HELD && this.#running < CONNECTIONS)
        ahead.push(this.#collected(reader, following()))
    }
    try {
      fetchAhead()
      for await (const chunk of reader.read(first ?? all, body)) {
        yield chunk
        fetchAhead()
      }
      while (ahead.length > 0 || next < all.end) {
        const [part] = ahead
        if (part) {
          const bytes = await part
          yield bytes
          void ahead.shift()
          this.#held -= 1
          if (reuses && bytes.length === PART_BYTES) this.#memory.push(bytes)
          fetchAhead()
        } else {
          for await (const chunk of reader.read(following())) {
            yield chunk
            fetchAhead()
          }
        }
      }
    } finally {
      this.#held -= ahead.length
    }
  }

  #collected(reader: PartReader, range: Range): Promise<Buffer> {
    this.#running += 1
    this.#held += 1
    const collecting = (async () => {
      try {
        const memory = this.#memory.pop() ?? Buffer.allocUnsafeSlow(PART_BYTES)
        let filled = 0
        for await (const chunk of reader.read(range)) {
          memory.set(chunk, filled)
          filled += chunk.length
        }
        return filled === PART_BYTES ? memory : memory.subarray(0, filled)
      } finally {
        this.#running -= 1
      }
    })()
    // Reported when its turn comes.
    collecting.catch(() => {})
    return collecting
  }
}

/** True for the refusal of a whole file that was sent in place of a part (RFC 9110 14.2). */
function ignoresRanges(error: unknown): boolean {
  return error instanceof ModelSealError && error.code === 'HTTP_RESPONSE' && error.found === 'status 200'
}
