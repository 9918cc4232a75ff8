import { reasonOf } from '../../any-realm.ts'
import { ModelSealError, shown } from '../../errors.ts'
import type { CheckedHttpOptions } from './options.ts'
import { abortedError, throwIfAborted } from '../aborted.ts'
import { copyOfPiece } from '../answers/pieces.ts'
import { Watch } from '../watch.ts'

/** The content of a file as it arrives, decompressed. */
export interface HttpBody {
  /** Bytes that the server announced; undefined where it did not, or compresses. */
  length: number | undefined
  chunks: AsyncIterable<Uint8Array>
}

/** What is asked for. */
export interface HttpRequest {
  url: URL
  /** What it is, for messages: `signature bundle`, `file`. */
  what: string
  /** The bytes from the first to the one before `end`. Default: the whole file. */
  range?: { readonly start: number; readonly end: number } | undefined
  /** Ends this request alone. */
  signal?: AbortSignal | undefined
  /** Statuses that say that there is no such thing. Default 404 and 410. */
  absent?: ReadonlySet<number>
  /** What to check where it does not arrive in time. */
  waitsFor?: string
}

/** Not there, or no longer. */
const ABSENT: ReadonlySet<number> = new Set([404, 410])
/** As browsers have it for one host. */
const REQUESTS_AT_A_TIME = 6
/** Real chains have one or two. */
const MAX_REDIRECTS = 5
/** RFC 9110 15.4: those that ask for the same request at another place. */
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])
/** What `fetch` undoes (RFC 9110 8.4.1); each once. */
const ENCODINGS: ReadonlySet<string> = new Set(['gzip', 'x-gzip', 'deflate', 'br'])

/**
 * Fetches the files of one model, few at a time and each within its time. Follows redirects within
 * the model's own origin, from `http` to `https` of the same host, and to origins that the caller
 * named; never from `https` to `http`.
 */
export class HttpClient {
  readonly #origin: string
  readonly #options: CheckedHttpOptions
  readonly #stop = new AbortController()
  readonly #signal: AbortSignal | undefined
  readonly #running = new Set<Promise<unknown>>()
  /** In the order in which they came; those before {@link #next} had their turn. */
  #waiting: (() => void)[] = []
  #next = 0
  #free = REQUESTS_AT_A_TIME

  /** @param origin of the model: the only one that gets the caller's headers */
  constructor(origin: string, options: CheckedHttpOptions, signal: AbortSignal | undefined) {
    this.#origin = origin
    this.#options = options
    this.#signal = signal
  }

  /**
   * Fetches a file, and has its body received while the connection lasts.
   *
   * @returns what `receive` returns; undefined where there is no such file
   * @throws {@link ModelSealError} `HTTP_UNREACHABLE`, `HTTP_TIMEOUT`, `HTTP_RESPONSE`, `HTTP_REDIRECT`,
   * `ABORTED`, and what `receive` throws
   */
  get<T>(request: HttpRequest, receive: (body: HttpBody) => Promise<T>): Promise<T | undefined> {
    const result = this.#get(request, receive)
    this.#running.add(result)
    const forget = () => void this.#running.delete(result)
    result.then(forget, forget)
    return result
  }

  /**
   * Waits for what a function of the caller gives, no longer than for a file.
   *
   * @param request what it is for
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

  /** Ends what is under way, and returns when it has ended. */
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
      // Unless a part was asked for, 206 would be a part of the file; and 304 would be none of it.
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

  /** Undefined where nobody ended it. */
  #endedBy({ late }: Watch, request: HttpRequest): ModelSealError | undefined {
    const aborted = this.#signals(request).find((signal) => signal.aborted)
    if (aborted) return abortedError(aborted)
    if (late === undefined) return undefined
    const { url, what, waitsFor = 'Check the server and the network' } = request
    return new ModelSealError('HTTP_TIMEOUT', `The ${what} ${shownUrl(url)} did not arrive in time.`, {
      file: plainUrl(url),
      expected: late,
      hint: `${waitsFor}; the limits are "http.idleTimeout" and "http.totalTimeout".`,
    })
  }

  async #turn(): Promise<void> {
    while (this.#free === 0) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    this.#free -= 1
  }

  /** Not by shift(): that moves all who wait, and there may be as many as a manifest has names. */
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
      // The body is of no interest, and may have no end.
      await response.body?.cancel().catch(() => {})
      url = this.#target(request, url, response.headers.get('location'))
    }
    throw redirected(request, `at most ${MAX_REDIRECTS} redirects`, 'more')
  }

  #send(url: URL, watch: Watch, range: HttpRequest['range']): Promise<Response> {
    const headers = new Headers(url.origin === this.#origin ? this.#options.headers : {})
    // Weights hardly compress, and without compression their length is known beforehand.
    headers.set('accept-encoding', 'identity')
    if (range) headers.set('range', `bytes=${range.start}-${range.end - 1}`)
    const init: RequestInit = { headers, redirect: 'manual', credentials: 'omit', signal: watch.signal }
    const { fetch: given } = this.#options
    return given ? watch.unlessOver(given(url.href, init)) : fetch(url, init)
  }

  #target(request: HttpRequest, from: URL, location: string | null): URL {
    const target = location === null ? null : URL.parse(location, from.href)
    if (!target) throw redirected(request, 'a place to go to', 'none that can be read')
    if (!/^https?:$/.test(target.protocol) || target.username !== '' || target.password !== '')
      throw redirected(request, 'an http or https URL without credentials', 'something else')
    if (from.protocol === 'https:' && target.protocol !== 'https:')
      throw redirected(request, 'https to the end', shown(target.origin))
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
      // The caller's function may keep what it gives, and change it.
      yield (this.#options.fetch ? copyOfPiece(result.value) : result.value) as Uint8Array
    }
  }

  /** Whatever goes wrong on the network, as a typed error. */
  async #network<T>(request: HttpRequest, watch: Watch, work: () => Promise<T>): Promise<T> {
    const { url, what } = request
    try {
      return await work()
    } catch (cause) {
      const ended = this.#endedBy(watch, request)
      if (ended) throw ended
      throw new ModelSealError(
        'HTTP_UNREACHABLE',
        `The ${what} ${shownUrl(url)} cannot be fetched: its server was not reached, or broke off.`,
        {
          file: plainUrl(url),
          found: shown(reasonOf(cause)),
          hint: 'Check the URL and the network, and that the server sends the whole file.',
        },
      )
    }
  }
}

/** A URL as messages and verdicts have it: queries may hold tokens. */
export function plainUrl(url: URL): string {
  return url.origin + url.pathname
}

function shownUrl(url: URL): string {
  return shown(plainUrl(url))
}

/** RFC 9110 8.6; the length of what is compressed says nothing about the file. */
function announcedLength(request: HttpRequest, { headers }: Response): number | undefined {
  const encoding = headers.get('content-encoding')?.trim().toLowerCase() ?? 'identity'
  if (encoding !== 'identity') {
    if (ENCODINGS.has(encoding)) return undefined
    throw unexpected(request, 'an encoding that is known', shown(encoding))
  }
  const length = headers.get('content-length')
  return length === null ? undefined : Number(length)
}

function unexpected({ url, what }: HttpRequest, expected: string, found: string): ModelSealError {
  return new ModelSealError('HTTP_RESPONSE', `The server does not give the ${what} ${shownUrl(url)}.`, {
    file: plainUrl(url),
    expected,
    found,
    hint: 'Check the URL, and what its server asks of a caller ("http.headers").',
  })
}

function redirected({ url, what }: HttpRequest, expected: string, found: string): ModelSealError {
  return new ModelSealError(
    'HTTP_REDIRECT',
    `The ${what} ${shownUrl(url)} is redirected to where a load does not go.`,
    {
      file: plainUrl(url),
      expected,
      found,
      hint: 'Give the URL where the model really is, or name the other origin in "http.redirectOrigins".',
    },
  )
}
