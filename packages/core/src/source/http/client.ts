import { reasonOf } from '../../any-realm.ts'
import { ModelSealError, shown } from '../../errors.ts'
import type { CheckedHttpOptions } from './options.ts'
import { abortedError, throwIfAborted } from '../aborted.ts'
import { copyOfPiece } from '../answers/pieces.ts'
import { Watch } from '../answers/watch.ts'

/** The content of a file as it arrives, decompressed. */
export interface HttpBody {
  /** Length in bytes that the server announced; undefined if it announced none or compresses. */
  length: number | undefined
  chunks: AsyncIterable<Uint8Array>
}

/** One request. */
export interface HttpRequest {
  url: URL
  /** What is requested, for messages: `signature bundle`, `file`. */
  what: string
  /** The bytes from `start` to `end`, exclusive. Default: the whole file. */
  range?: { readonly start: number; readonly end: number } | undefined
  /** Aborts only this request. */
  signal?: AbortSignal | undefined
  /** Statuses that mean that it does not exist. Default: 404 and 410. */
  absent?: ReadonlySet<number>
  /** What to check if it does not arrive in time, for the hint. */
  waitsFor?: string
}

/** Not Found and Gone. */
const ABSENT: ReadonlySet<number> = new Set([404, 410])
/** The limit of browsers for one host. */
const REQUESTS_AT_A_TIME = 6
/** Legitimate chains have one or two. */
const MAX_REDIRECTS = 5
/** RFC 9110 15.4: redirects that repeat the same request at another URL. */
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])
/** Encodings that `fetch` decodes (RFC 9110 8.4.1), if applied once. */
const ENCODINGS: ReadonlySet<string> = new Set(['gzip', 'x-gzip', 'deflate', 'br'])

/**
 * Fetches the files of one model, a few at a time, each within the timeouts. Follows redirects within the model's
 * origin, from `http` to `https` on the same host, and to origins that the caller listed; never from `https` to `http`.
 */
export class HttpClient {
  readonly #origin: string
  readonly #options: CheckedHttpOptions
  readonly #stop = new AbortController()
  readonly #signal: AbortSignal | undefined
  readonly #running = new Set<Promise<unknown>>()
  /** Waiting requests, oldest first; those before {@link #next} have had their turn. */
  #waiting: (() => void)[] = []
  #next = 0
  #free = REQUESTS_AT_A_TIME

  /** @param origin the model's origin: the only one that receives the caller's headers */
  constructor(origin: string, options: CheckedHttpOptions, signal: AbortSignal | undefined) {
    this.#origin = origin
    this.#options = options
    this.#signal = signal
  }

  /**
   * Fetches a file and passes its body to `receive` while the connection is open.
   *
   * @returns what `receive` returns; undefined if there is no such file
   * @throws {@link ModelSealError} `HTTP_UNREACHABLE`, `HTTP_TIMEOUT`, `HTTP_RESPONSE`, `HTTP_REDIRECT`, `ABORTED`, and
   * what `receive` throws
   */
  get<T>(request: HttpRequest, receive: (body: HttpBody) => Promise<T>): Promise<T | undefined> {
    const result = this.#get(request, receive)
    this.#running.add(result)
    const forget = () => void this.#running.delete(result)
    result.then(forget, forget)
    return result
  }

  /**
   * Waits for a function of the caller, with the timeouts of a file.
   *
   * @param request the request that needs it
   * @throws {@link ModelSealError} `HTTP_TIMEOUT`, `ABORTED`, and what the function throws
   */
  async wait<T>(request: HttpRequest, work: () => Promise<T>): Promise<T> {
    const watch = this.#watch(request)
    try {
      return await watch.unlessOver(work())
    } catch (error) {
      throw this.#endedBy(watch, request) ?? error
    } finally {
      watch.end()
    }
  }

  /** Aborts all running requests and waits until they have ended. */
  async stop(): Promise<void> {
    this.#stop.abort()
    await Promise.allSettled(this.#running)
  }

  async #get<T>(request: HttpRequest, receive: (body: HttpBody) => Promise<T>): Promise<T | undefined> {
    await this.#turn()
    const watch = this.#watch(request)
    try {
      for (const signal of this.#signals(request)) throwIfAborted(signal)
      const response = await this.#follow(request, watch)
      if ((request.absent ?? ABSENT).has(response.status)) return undefined
      // 206 without a range would be only a part of the file, and 304 none of it.
      const expected = request.range ? 206 : 200
      if (response.status !== expected) throw unexpected(request, `status ${expected}`, `status ${response.status}`)
      const length = announcedLength(request, response)
      return await receive({ length, chunks: this.#chunks(request, response, watch) })
    } finally {
      watch.end()
      this.#free += 1
      this.#passOn()
    }
  }

  #watch(request: HttpRequest): Watch {
    const { idleTimeout, totalTimeout } = this.#options
    return new Watch({ idle: idleTimeout, total: totalTimeout }, this.#signals(request))
  }

  #signals({ signal }: HttpRequest): AbortSignal[] {
    return [this.#signal, this.#stop.signal, signal].filter((each) => each !== undefined)
  }

  /** Why the request was ended; undefined if it was not. */
  #endedBy({ late }: Watch, request: HttpRequest): ModelSealError | undefined {
    const aborted = this.#signals(request).find((signal) => signal.aborted)
    if (aborted) return abortedError(aborted)
    if (late === undefined) return undefined
    const { url, what, waitsFor = 'Check the server and the network' } = request
    return new ModelSealError('HTTP_TIMEOUT', `Cannot fetch the ${what} ${shownUrl(url)}: it did not arrive in time.`, {
      file: plainUrl(url),
      expected: late,
      hint: `${waitsFor}, or raise the limits "http.idleTimeout" and "http.totalTimeout".`,
    })
  }

  async #turn(): Promise<void> {
    while (this.#free === 0) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    this.#free -= 1
  }

  /** Not shift(): it moves all waiting requests, and there can be as many as the manifest has names. */
  #passOn(): void {
    this.#waiting[this.#next++]?.()
    if (this.#next < this.#waiting.length) return
    this.#waiting = []
    this.#next = 0
  }

  async #follow(request: HttpRequest, watch: Watch): Promise<Response> {
    let { url } = request
    for (let hops = 0; hops <= MAX_REDIRECTS; hops += 1) {
      const response = await this.#network(request, watch, () => this.#send(url, watch, request.range))
      watch.alive()
      if (!REDIRECTS.has(response.status)) return response
      // The body is not needed, and may never end.
      await response.body?.cancel().catch(() => {})
      url = this.#target(request, url, response.headers.get('location'))
    }
    throw redirected(request, `at most ${MAX_REDIRECTS} redirects`, 'more')
  }

  #send(url: URL, watch: Watch, range: HttpRequest['range']): Promise<Response> {
    const headers = new Headers(url.origin === this.#origin ? this.#options.headers : {})
    // Weights hardly compress, and without compression their length is known in advance.
    headers.set('accept-encoding', 'identity')
    if (range) headers.set('range', `bytes=${range.start}-${range.end - 1}`)
    const init: RequestInit = { headers, redirect: 'manual', credentials: 'omit', signal: watch.signal }
    const { fetch: given } = this.#options
    return given ? watch.unlessOver(given(url.href, init)) : fetch(url, init)
  }

  #target(request: HttpRequest, from: URL, location: string | null): URL {
    const target = location === null ? null : URL.parse(location, from.href)
    if (!target) throw redirected(request, 'a location', 'none that is valid')
    if (!/^https?:$/.test(target.protocol) || target.username !== '' || target.password !== '')
      throw redirected(request, 'an http or https URL without credentials', 'something else')
    if (from.protocol === 'https:' && target.protocol !== 'https:')
      throw redirected(request, 'https throughout', shown(target.origin))
    const own = new URL(this.#origin)
    const upgraded = target.protocol === 'https:' && target.hostname === own.hostname && own.protocol === 'http:'
    if (target.origin === request.url.origin || upgraded || this.#options.redirectOrigins.has(target.origin))
      return target
    throw redirected(request, `the origin ${shown(request.url.origin)}`, shown(target.origin))
  }

  async *#chunks(request: HttpRequest, { body }: Response, watch: Watch): AsyncGenerator<Uint8Array> {
    const reader = body?.getReader()
    while (reader) {
      const result = await this.#network(request, watch, () =>
        this.#options.fetch ? watch.unlessOver(reader.read()) : reader.read(),
      )
      if (result.done) return
      watch.alive()
      // A custom fetch function may keep and change what it returned.
      yield (this.#options.fetch ? copyOfPiece(result.value) : result.value) as Uint8Array
    }
  }

  /** Turns any network failure into a typed error. */
  async #network<T>(request: HttpRequest, watch: Watch, work: () => Promise<T>): Promise<T> {
    const { url, what } = request
    try {
      return await work()
    } catch (cause) {
      const ended = this.#endedBy(watch, request)
      if (ended) throw ended
      throw new ModelSealError(
        'HTTP_UNREACHABLE',
        `Cannot fetch the ${what} ${shownUrl(url)}: the server could not be reached or closed the connection.`,
        {
          file: plainUrl(url),
          found: shown(reasonOf(cause)),
          hint: 'Check the URL and the network, and that the server sends the whole file.',
        },
      )
    }
  }
}

/** A URL for messages and verdicts, without its query, which may contain tokens. */
export function plainUrl(url: URL): string {
  return url.origin + url.pathname
}

function shownUrl(url: URL): string {
  return shown(plainUrl(url))
}

/** RFC 9110 8.6. The length of compressed content says nothing about the length of the file. */
function announcedLength(request: HttpRequest, { headers }: Response): number | undefined {
  const encoding = headers.get('content-encoding')?.trim().toLowerCase() ?? 'identity'
  if (encoding !== 'identity') {
    if (ENCODINGS.has(encoding)) return undefined
    throw unexpected(request, 'a supported content encoding', shown(encoding))
  }
  const length = headers.get('content-length')
  return length === null ? undefined : Number(length)
}

function unexpected({ url, what }: HttpRequest, expected: string, found: string): ModelSealError {
  return new ModelSealError(
    'HTTP_RESPONSE',
    `Cannot fetch the ${what} ${shownUrl(url)}: unexpected response from the server.`,
    {
      file: plainUrl(url),
      expected,
      found,
      hint: 'Check the URL and the headers that the server requires ("http.headers").',
    },
  )
}

function redirected({ url, what }: HttpRequest, expected: string, found: string): ModelSealError {
  return new ModelSealError(
    'HTTP_REDIRECT',
    `Cannot fetch the ${what} ${shownUrl(url)}: the server sent a redirect that is not allowed.`,
    {
      file: plainUrl(url),
      expected,
      found,
      hint: 'Use the final URL of the model, or add the other origin to "http.redirectOrigins".',
    },
  )
}
