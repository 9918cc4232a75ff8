import { shown, type ModelSealError } from '../../errors.ts'
import { beginIntake, counted, landed, type PartMemory } from '../answers/part-memory.ts'
import type { RedirectRule } from '../http/redirects.ts'
import type { HttpBody } from '../http/request.ts'
import { heldOpen } from './held-open.ts'
import { RequestRetries } from './retries.ts'

/** From `start` to `end`, exclusive. */
export interface Range {
  readonly start: number
  readonly end: number
}

/** A request for a file, or a part of it. */
interface PartRequest {
  /** Default: the whole file. */
  readonly range: Range | undefined
  /** The address that an earlier request was redirected to. It may have expired. */
  readonly from?: string | undefined
  /** Memory for what is left of the range. */
  readonly into?: PartMemory | undefined
  readonly signal: AbortSignal
}

/** A part of a file, and what is known of it. */
interface PartToRead extends Range {
  /** Memory for all of it, in which it is in the end. */
  readonly into?: PartMemory | undefined
  /** The response to a request for it. */
  readonly begun?: HttpBody | undefined
}

/** Requests bytes of one file. Returns undefined if there is no such file. */
export type FetchPart = (request: PartRequest, receive: (body: HttpBody) => Promise<true>) => Promise<true | undefined>

/** The refusal of what a server sent in place of what was requested. */
export type OtherContent = (what: string, expected: string, found: string) => ModelSealError

interface FetchRules {
  readonly signal: AbortSignal
  readonly redirect: RedirectRule
  readonly other: OtherContent
}

/** So much has to arrive before attempts are counted anew, so that a server cannot drip forever. */
const PROGRESS_BYTES = 1024 * 1024

/**
 * The bytes of a part, in order. If the connection breaks, what is missing is requested. What is sent then must be of the
 * same version, by its `ETag`.
 */
export class PartReader {
  readonly #what: string
  readonly #fetch: FetchPart
  readonly #signal: AbortSignal
  readonly #redirect: RedirectRule
  readonly #other: OtherContent
  /** Version of the file, from the first response. */
  #version: string | undefined
  /** Where the first request was redirected to, if to another host. */
  #from: string | undefined

  /** @param what what is fetched, for messages */
  constructor(what: string, fetch: FetchPart, how: FetchRules) {
    this.#what = what
    this.#fetch = fetch
    this.#signal = how.signal
    this.#redirect = how.redirect
    this.#other = how.other
  }

  /**
   * Remembers what the first response said of the file.
   *
   * @param origin of the hub or registry. Parts are requested directly from another host to which it redirects
   */
  remember({ headers, url }: HttpBody, origin: string): void {
    this.#version = strongVersion(headers)
    const target = URL.parse(url)
    if (target && target.origin !== origin) this.#from = target.href
  }

  async *read({ start, end, into, begun }: PartToRead): AsyncGenerator<Uint8Array> {
    const retries = new RequestRetries([this.#signal])
    let position = start
    let counted = start
    for (let body = begun; position < end; body = undefined) {
      try {
        for await (const chunk of body?.chunks ?? this.#bytes(position, end, into)) {
          position = into ? start + gathered(into, chunk) : position + chunk.length
          if (position > end) throw this.#other(this.#what, `${end - start} bytes`, `${position - start} bytes or more`)
          if (position - counted >= PROGRESS_BYTES) {
            counted = position
            retries.progress()
          }
          yield chunk
        }
        if (position < end) throw this.#other(this.#what, `${end - start} bytes`, `${position - start} bytes`)
      } catch (error) {
        await retries.next(error)
      }
    }
  }

  async *#bytes(start: number, end: number, into: PartMemory | undefined): AsyncGenerator<Uint8Array> {
    const request = heldOpen<HttpBody>((take) => this.#request({ range: { start, end }, into }, take))
    try {
      const body = await request.body
      if (!body) throw this.#other(this.#what, 'the file', 'that there is none any more')
      const version = strongVersion(body.headers)
      if (this.#version !== undefined && version !== undefined && version !== this.#version)
        throw this.#other(this.#what, `the version ${shown(this.#version)}`, shown(version))
      yield* body.chunks
    } finally {
      await request.close()
    }
  }

  async #request(
    part: Pick<PartRequest, 'range' | 'into'>,
    receive: (body: HttpBody) => Promise<true>,
  ): Promise<true | undefined> {
    const from = this.#from
    const signal = this.#signal
    if (from === undefined || (await this.#redirect(new URL(from)))) return this.#fetch({ ...part, signal }, receive)
    const seen = { isReceived: false }
    try {
      return await this.#fetch({ ...part, from, signal }, (body) => {
        seen.isReceived = true
        return receive(body)
      })
    } catch (error) {
      // Such addresses expire.
      if (seen.isReceived || signal.aborted) throw error
      this.#from = undefined
      return this.#fetch({ ...part, signal }, receive)
    }
  }
}

/** Copies what has not landed. @returns how much there is of the part */
function gathered(into: PartMemory, chunk: Uint8Array): number {
  const before = counted(into)
  if (chunk.length === 0) return before
  const rest = landed(into, beginIntake(into), chunk)
  return counted(into) + rest.length
}

/** RFC 9110 8.8.3: only strong validators tell that every byte is the same. */
function strongVersion(headers: Headers): string | undefined {
  const tag = headers.get('etag')?.trim()
  return tag?.startsWith('"') ? tag : undefined
}
