import { causeOf, codeOf, reasonOf } from '../../any-realm.ts'
import { ModelSealError, shown } from '../../errors.ts'
import {
  receivedByFetch,
  dispatcherOfFetch,
  exchange,
  type Answer,
  type ExchangeHead,
  type Receiving,
} from './exchange.ts'
import { dispatchDetached } from './detached.ts'
import type { CheckedHttpOptions } from './options.ts'
import { redirectedContent, Redirects, type RedirectRule } from './redirects.ts'
import { announcedLength, plainUrl, requestTarget, verbOf, type HttpBody, type HttpRequest } from './request.ts'
import { isRedirectedContent, sending } from './sending.ts'
import { abortedError, throwIfAborted } from '../aborted.ts'
import { copyOfPiece } from '../answers/pieces.ts'
import { Watch } from '../answers/watch.ts'

/** The limit of browsers for one host. */
const CONNECTIONS = 6
/** For requests that nobody waits for. Connecting keeps the process alive all the same. */
const DETACHED_CONNECT_MS = 3_000

/** How a client fetches. */
export type ClientOptions = CheckedHttpOptions & {
  /** Which redirects to other origins are followed. Default: `redirectOrigins`, and from `http` to `https` of the same host. */
  readonly mayRedirect?: RedirectRule | undefined
  /** What to do about a refusal. Default: hints that name the options of {@link HttpOptions}. */
  readonly hints?: ClientHints | undefined
  /** Maximum number of requests at a time. Default: 6. */
  readonly connections?: number | undefined
  /** True for requests that nobody waits for: they do not keep the process alive. Default: false. */
  readonly detached?: boolean | undefined
  /** False if the caller sends a request again whose connection was closed. Default: it is sent once more here. */
  readonly resends?: boolean | undefined
}

interface ClientHints {
  readonly response: string
  readonly redirect: string
  /** Follows what to check, and a comma. */
  readonly timeout: string
}

const HINTS: ClientHints = {
  response: 'Check the URL and the headers that the server requires ("http.headers").',
  redirect: 'Use the final URL of the model, or add the other origin to "http.redirectOrigins".',
  timeout: 'or raise the limits "http.idleTimeout" and "http.totalTimeout".',
}

/**
 * Fetches the files of one model, a few at a time, each within the timeouts. Follows redirects within the model's
 * origin, from `http` to `https` on the same host, and to origins that the caller listed; never from `https` to `http`.
 */
export class HttpClient {
  readonly #origin: string
  readonly #options: ClientOptions
  readonly #hints: ClientHints
  readonly #stop = new AbortController()
  readonly #signal: AbortSignal | undefined
  readonly #running = new Set<Promise<unknown>>()
  /** Waiting requests, oldest first; those before {@link #next} have had their turn. */
  #waiting: (() => void)[] = []
  #next = 0
  #free: number

  /** @param origin the model's origin: the only one that receives the caller's headers */
  constructor(origin: string, options: ClientOptions, signal: AbortSignal | undefined) {
    this.#origin = origin
    this.#options = options
    this.#hints = options.hints ?? HINTS
    this.#free = options.connections ?? CONNECTIONS
    this.#signal = signal
  }

  /**
   * Fetches a file and passes its body to `receive` while the connection is open.
   *
   * @returns what `receive` returns; undefined if there is no such file
   * @throws {@link ModelSealError} `HTTP_UNREACHABLE`, `HTTP_TIMEOUT`, `HTTP_RESPONSE`, `HTTP_REDIRECT`, `ABORTED`, and
   * what `request.refusal`, the rule for redirects and `receive` throw
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
      return await this.#unlessEnded(request, watch, work())
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
      const length = announcedLength(request, response, this.#hints.response)
      if (length === null) return undefined
      const { status, headers, url } = response
      return await receive({ length, status, headers, url, chunks: this.#chunks(request, response, watch) })
    } finally {
      watch.end()
      this.#free += 1
      this.#passOn()
    }
  }

  async #unlessEnded<T>(request: HttpRequest, watch: Watch, work: Promise<T>): Promise<T> {
    try {
      return await watch.unlessOver(work)
    } catch (error) {
      throw this.#endedBy(watch, request) ?? error
    }
  }

  #watch(request: HttpRequest): Watch {
    const { idleTimeout, totalTimeout, detached } = this.#options
    return new Watch({ idle: idleTimeout, total: totalTimeout }, this.#signals(request), detached)
  }

  #signals({ signal }: HttpRequest): AbortSignal[] {
    return [this.#signal, this.#stop.signal, signal].filter((each) => each !== undefined)
  }

  /** Why the request was ended; undefined if it was not. */
  #endedBy({ late }: Watch, request: HttpRequest): ModelSealError | undefined {
    const aborted = this.#signals(request).find((signal) => signal.aborted)
    if (aborted) return abortedError(aborted)
    if (late === undefined) return undefined
    const { url, waitsFor = 'Check the server and the network' } = request
    return new ModelSealError(
      'HTTP_TIMEOUT',
      `Cannot ${verbOf(request)} ${requestTarget(request)}: it did not arrive in time.`,
      {
        file: plainUrl(url),
        expected: late,
        hint: `${waitsFor}, ${this.#hints.timeout}`,
      },
    )
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

  async #follow(request: HttpRequest, watch: Watch): Promise<Answer> {
    const redirects = new Redirects(request, (target) => this.#mayRedirect(request, target), this.#hints.redirect)
    for (let { url } = request; ;) {
      const response = await this.#network(request, watch, () => this.#send(request, url, watch))
      watch.alive()
      const next = await this.#unlessEnded(request, watch, redirects.next(url, response))
      if (!next) return response
      // The body is not needed, and may never end.
      await response.cancel().catch(() => {})
      url = next
    }
  }

  async #send(request: HttpRequest, url: URL, watch: Watch): Promise<Answer> {
    const { url: requested, range, headers: own, method, content } = request
    const headers = new Headers(url.origin === this.#origin ? this.#options.headers : {})
    if (own && url.origin === requested.origin) for (const name of Object.keys(own)) headers.set(name, own[name] ?? '')
    // Weights hardly compress, and without compression their length is known in advance.
    headers.set('accept-encoding', 'identity')
    if (range) headers.set('range', `bytes=${range.start}-${range.end - 1}`)
    const { signal } = watch
    const head = { method: method ?? 'GET', redirect: 'manual', credentials: 'omit', signal, headers } as const
    const init = () => ({ ...head, ...(content ? sending(content, headers, () => watch.alive()) : {}) })
    const { fetch: given, resends = true } = this.#options
    if (given) return receivedByFetch(await watch.unlessOver(given(url.href, init())))
    const receiving = { into: request.into, status: range ? 206 : 200, arrived: () => watch.alive() }
    const exchanged = async (): Promise<Answer | undefined> => this.#exchanged(url, { head, receiving }, watch)
    const send = async () => (await exchanged()) ?? receivedByFetch(await fetch(url, init()))
    const answer = await (resends ? sentAgain(send, watch) : send())
    remember(url)
    return answer
  }

  /** @returns undefined if only `fetch` can do it */
  async #exchanged(
    url: URL,
    { head, receiving }: { head: ExchangeHead; receiving: Receiving },
    watch: Watch,
  ): Promise<Answer | undefined> {
    const { detached = false } = this.#options
    const isKnown = head.method === 'GET' && (detached || accepted.has(url.origin))
    const dispatcher = isKnown ? dispatcherOfFetch() : undefined
    if (!dispatcher) return undefined
    const dispatch = () => exchange(dispatcher, url, head, receiving)
    const connecting = () => watch.limit(DETACHED_CONNECT_MS, `a connection within ${DETACHED_CONNECT_MS} ms`)
    const answer = await (detached ? dispatchDetached(dispatch, connecting) : dispatch())
    if ((answer.headers.get('content-encoding') ?? 'identity') === 'identity') return answer
    await answer.cancel()
    return undefined
  }

  async #mayRedirect(request: HttpRequest, target: URL): ReturnType<RedirectRule> {
    const { mayRedirect, redirectOrigins } = this.#options
    if (mayRedirect) return mayRedirect(target)
    const own = new URL(this.#origin)
    const isUpgraded = target.protocol === 'https:' && target.hostname === own.hostname && own.protocol === 'http:'
    if (isUpgraded || redirectOrigins.has(target.origin)) return undefined
    return { expected: `the origin ${shown(request.url.origin)}`, found: shown(target.origin) }
  }

  async *#chunks(request: HttpRequest, answer: Answer, watch: Watch): AsyncGenerator<Uint8Array> {
    const isOfCaller = this.#options.fetch !== undefined
    const read = async () => answer.next()
    for (;;) {
      const chunk =
        answer.kept?.() ?? (await this.#network(request, watch, () => (isOfCaller ? watch.unlessOver(read()) : read())))
      if (!chunk) return
      watch.alive()
      // A custom fetch function may keep and change what it returned.
      yield (isOfCaller ? copyOfPiece(chunk) : chunk) as Uint8Array
    }
  }

  /** Turns any network failure into a typed error. */
  async #network<T>(request: HttpRequest, watch: Watch, work: () => Promise<T>): Promise<T> {
    const { url } = request
    try {
      return await work()
    } catch (cause) {
      const ended = this.#endedBy(watch, request)
      if (ended) throw ended
      if (isRedirectedContent(cause)) throw redirectedContent(request, this.#hints.redirect)
      throw new ModelSealError(
        'HTTP_UNREACHABLE',
        `Cannot ${verbOf(request)} ${requestTarget(request)}: the server could not be reached or closed the connection.`,
        {
          file: plainUrl(url),
          found: shown(reasonOf(cause)),
          hint: 'Check the URL and the network, and that the server sends the whole file.',
        },
      )
    }
  }
}

/** Origins that `fetch` has had an answer from, in any load: it refuses some ports. */
const accepted = new Set<string>()
/** So that a service which loads from ever new origins does not fill its memory. */
const MOST_ACCEPTED = 1_000

function remember({ origin }: URL): void {
  if (accepted.size >= MOST_ACCEPTED) accepted.clear()
  accepted.add(origin)
}

/** Codes of Node.js and undici for a connection that the server closed. */
const CLOSED: ReadonlySet<unknown> = new Set(['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET'])

/**
 * A server may close an idle connection just as a request is sent on it, above all if the event loop was held up longer
 * than the server keeps connections. No response has begun then, so the request is sent once more (RFC 9110 9.2.2).
 */
async function sentAgain(send: () => Promise<Answer>, { signal }: Watch): Promise<Answer> {
  try {
    return await send()
  } catch (error) {
    if (signal.aborted || !CLOSED.has(codeOf(causeOf(error)))) throw error
    return send()
  }
}
