import { ModelSealError } from '../errors.ts'
import { MAX_CHECKPOINT_BYTES } from '../merkle/checkpoint.ts'
import { HASH_BYTES } from '../merkle/tree.ts'
import { sleep } from '../real-time.ts'
import { throwIfAborted } from '../source/aborted.ts'
import { callService, fetchWithin, serviceRefusal, type ServiceCall } from '../source/http/service-call.ts'

/** Entries of a bundle, and hashes of a tile (C2SP tlog-tiles). */
export const TILE_WIDTH = 256
/** Levels of the tree in a tile. */
export const TILE_HEIGHT = 8

/** C2SP tlog-tiles: the length of an entry has 16 bits. */
const LENGTH_BYTES = 2
const MAX_BUNDLE_BYTES = TILE_WIDTH * (LENGTH_BYTES + 65_535)

/** A server that restarts or is busy answers within a few seconds. */
const ATTEMPTS = 4
const FIRST_PAUSE_MS = 250
/** RFC 9110 15.6 and RFC 6585 4: the server is busy or in trouble. */
const MAY_PASS = new Set([429, 500, 502, 503, 504])

/** Which tile or bundle, and how many items it has: fewer than {@link TILE_WIDTH} at the end of a tree. */
export interface Part {
  index: number
  width: number
}

/** Reads a log of Rekor v2 over HTTP. Nothing that it returns is verified. */
export class LogReader {
  readonly #url: string
  readonly #timeoutMs: number
  readonly #signal: AbortSignal

  constructor(url: string, timeoutMs: number, signal: AbortSignal) {
    this.#url = `${url}/api/v2`
    this.#timeoutMs = timeoutMs
    this.#signal = signal
  }

  /** @throws {@link ModelSealError} `SERVICE_UNREACHABLE`, `SERVICE_REFUSED`, `ABORTED` */
  async checkpoint(): Promise<string> {
    return this.#present('checkpoint', MAX_CHECKPOINT_BYTES, (bytes) => bytes.toString())
  }

  /**
   * The first hashes of a tile.
   *
   * @param level of the tile: 0 has the hashes of entries
   * @throws {@link ModelSealError} `SERVICE_UNREACHABLE`, `SERVICE_REFUSED`, `ABORTED`
   */
  async hashes(level: number, part: Part): Promise<Buffer[]> {
    return this.#part(`tile/${level}/`, part, TILE_WIDTH * HASH_BYTES, hashesIn)
  }

  /**
   * The first entries of a bundle.
   *
   * @throws {@link ModelSealError} `SERVICE_UNREACHABLE`, `SERVICE_REFUSED`, `ABORTED`
   */
  async entries(part: Part): Promise<Buffer[]> {
    return this.#part('tile/entries/', part, MAX_BUNDLE_BYTES, entriesIn)
  }

  /** Of a log that has grown meanwhile, only the complete part may be left. */
  async #part(
    path: string,
    { index, width }: Part,
    maxBytes: number,
    parse: (bytes: Buffer, width: number) => Buffer[] | undefined,
  ): Promise<Buffer[]> {
    const whole = path + nameOf(index)
    if (width < TILE_WIDTH) {
      const found = await this.#parsed(`${whole}.p/${width}`, maxBytes, (bytes) => parse(bytes, width))
      if (found) return found
    }
    return (await this.#present(whole, maxBytes, (bytes) => parse(bytes, TILE_WIDTH))).slice(0, width)
  }

  async #present<T>(path: string, maxBytes: number, parse: (bytes: Buffer) => T | undefined): Promise<T> {
    const found = await this.#parsed(path, maxBytes, parse)
    if (found !== undefined) return found
    throw serviceRefusal(this.#call(path), 'HTTP status 404')
  }

  /** @returns undefined if there is no such file */
  async #parsed<T>(path: string, maxBytes: number, parse: (bytes: Buffer) => T | undefined): Promise<T | undefined> {
    const bytes = await this.#fetched(path, maxBytes)
    const parsed = bytes && parse(bytes)
    if (bytes && parsed === undefined) throw serviceRefusal(this.#call(path), `${bytes.length} bytes of another form`)
    return parsed
  }

  async #fetched(path: string, maxBytes: number): Promise<Buffer | undefined> {
    const call = this.#call(path)
    for (let attempt = 1; ; attempt++) {
      const answer = await callService(call, (signal) =>
        fetchWithin(call.url, maxBytes, signal, () => serviceRefusal(call, `more than ${maxBytes} bytes`)),
      ).catch((error: unknown) => {
        if (error instanceof ModelSealError && error.code === 'SERVICE_UNREACHABLE') return { error }
        throw error
      })
      if ('bytes' in answer) return answer.bytes
      if ('status' in answer && answer.status === 404) return undefined
      const error = 'error' in answer ? answer.error : serviceRefusal(call, `HTTP status ${answer.status}`)
      const mayPass = 'error' in answer || MAY_PASS.has(answer.status)
      if (!mayPass || attempt === ATTEMPTS) throw error
      await sleep(FIRST_PAUSE_MS * 2 ** (attempt - 1))
      throwIfAborted(this.#signal)
    }
  }

  #call(path: string): ServiceCall {
    return {
      service: 'transparency log',
      url: `${this.#url}/${path}`,
      timeoutMs: this.#timeoutMs,
      signal: this.#signal,
    }
  }
}

/** C2SP tlog-tiles: three digits at a time, such as `x001/x234/067`. */
function nameOf(index: number): string {
  const digits = String(index)
  const groups = digits.padStart(Math.ceil(digits.length / 3) * 3, '0').match(/.../g) ?? []
  return groups.map((group, place) => (place < groups.length - 1 ? `x${group}` : group)).join('/')
}

function hashesIn(bytes: Buffer, width: number): Buffer[] | undefined {
  if (bytes.length !== width * HASH_BYTES) return undefined
  return Array.from({ length: width }, (_, at) => bytes.subarray(at * HASH_BYTES, (at + 1) * HASH_BYTES))
}

/** Entries, each after its length. */
function entriesIn(bytes: Buffer, width: number): Buffer[] | undefined {
  const entries: Buffer[] = []
  let start = 0
  while (start + LENGTH_BYTES <= bytes.length && entries.length < width) {
    const from = start + LENGTH_BYTES
    start = from + bytes.readUInt16BE(start)
    if (start > bytes.length) return undefined
    entries.push(bytes.subarray(from, start))
  }
  return entries.length === width && start === bytes.length ? entries : undefined
}
