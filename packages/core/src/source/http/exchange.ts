import { throwIfAborted } from '../aborted.ts'
import { beginIntake, giveUpIntake, isFull, landed, type Intake, type PartMemory } from '../answers/part-memory.ts'

/** Bytes that are kept until the receiver asks for them. Then the connection is paused. */
const MOST_KEPT = 512 * 1024
/** Says that something has landed. */
const LANDED = new Uint8Array()

/** A response and its content, as `fetch` returns it, or as it is received here. */
export interface Answer {
  readonly status: number
  readonly headers: Headers
  /** Empty if a custom `fetch` does not say. */
  readonly url: string
  /** The next piece of the content, if it is already here. */
  kept?(): Uint8Array | undefined
  /** @returns the next piece of the content; undefined at its end */
  next(): Promise<Uint8Array | undefined>
  /** The rest is not needed. */
  cancel(): Promise<void>
}

/** The parts of a request that change. */
export interface ExchangeHead {
  readonly method: string
  readonly headers: Headers
  readonly signal: AbortSignal
}

/** What to do with content while it arrives. */
export interface Receiving {
  /** Memory for its beginning. An empty piece then says that it is there. */
  readonly into: PartMemory | undefined
  /** The status of what may get into the memory. */
  readonly status: number
  /** Called whenever some of it has arrived. */
  readonly arrived: () => void
}

/** Learns of the response, or that there is none. */
interface Begun {
  resolve(answer: Answer): void
  reject(error: unknown): void
}

/** What `fetch` itself sends requests with. The symbol is how releases of undici share one (undici, `lib/global.js`). */
interface Dispatcher {
  dispatch(request: object, handler: object): unknown
}

const DISPATCHER = Symbol.for('undici.globalDispatcher.1')

/**
 * What the `fetch` of Node.js sends requests with: the one of the process, or the one that the program has set, for example for a proxy.
 *
 * @returns undefined if `fetch` was replaced, or may use something else
 */
export function dispatcherOfFetch(): Dispatcher | undefined {
  const isOfNode = Function.prototype.toString.call(fetch).includes('internal/deps/undici/undici')
  const found = (globalThis as { [DISPATCHER]?: Partial<Dispatcher> })[DISPATCHER]
  return isOfNode && typeof found?.dispatch === 'function' ? (found as Dispatcher) : undefined
}

/** The response of `fetch`. */
export function receivedByFetch(response: Response): Answer {
  const { status, headers, url, body } = response
  const reader = body?.getReader()
  return {
    status,
    headers,
    url,
    next: async () => (await reader?.read())?.value as Uint8Array | undefined,
    cancel: async () => reader?.cancel(),
  }
}

/**
 * Sends a GET request like `fetch`, and receives the content without web streams, which take two thirds of the time of a
 * download. Redirects are not followed, and content is not decoded.
 */
export function exchange(dispatcher: Dispatcher, url: URL, head: ExchangeHead, receiving: Receiving): Promise<Answer> {
  return new Promise((resolve, reject) => {
    throwIfAborted(head.signal)
    const handler = new Exchange(url, head.signal, { receiving, begun: { resolve, reject } })
    const { origin, pathname, search } = url
    // What `fetch` adds (Fetch standard, "HTTP-network-or-cache fetch").
    const added = Object.entries({ accept: '*/*', 'user-agent': 'node' }).filter(([name]) => !head.headers.has(name))
    const headers = [...head.headers, ...added].flat()
    // A dispatcher of the program may follow redirects by itself, past the rules for them, unless it is told not to.
    dispatcher.dispatch({ origin, path: pathname + search, method: 'GET', headers, maxRedirections: 0 }, handler)
  })
}

/** What undici tells of one request. It looks for methods by these names. */
class Exchange implements Answer {
  readonly url: string
  readonly headers = new Headers()
  status = 0
  readonly #begun: Begun
  readonly #signal: AbortSignal
  readonly #arrived: () => void
  readonly #receiving: Receiving
  /** Undefined before the response, and once it was said that it has ended. */
  #landing: { readonly into: PartMemory; readonly intake: Intake } | undefined
  readonly #kept: Uint8Array[] = []
  #keptBytes = 0
  #isPaused = false
  #isOver = false
  #failure: { readonly error: unknown } | undefined
  #abort: ((reason: unknown) => void) | undefined
  #resume: () => void = () => {}
  #wake: () => void = () => {}

  constructor(url: URL, signal: AbortSignal, { receiving, begun }: { receiving: Receiving; begun: Begun }) {
    this.url = url.href
    this.#signal = signal
    this.#begun = begun
    this.#receiving = receiving
    this.#arrived = receiving.arrived
    signal.addEventListener('abort', this.#aborted, { once: true })
  }

  kept(): Uint8Array | undefined {
    if (this.#landing) {
      if (this.#isFilling) return undefined
      this.#landing = undefined
      return LANDED
    }
    const chunk = this.#kept.shift()
    this.#keptBytes -= chunk?.length ?? 0
    if (this.#isPaused && this.#keptBytes < MOST_KEPT / 2) {
      this.#isPaused = false
      this.#resume()
    }
    return chunk
  }

  async next(): Promise<Uint8Array | undefined> {
    for (;;) {
      const chunk = this.kept()
      if (chunk) return chunk
      if (this.#failure) throw failed(this.#failure.error)
      if (this.#isOver) return undefined
      await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }

  cancel(): Promise<void> {
    // Also if all of it is here: what is received in its place must not follow it.
    this.#giveUpLanding()
    this.#fail(new Error('The content is not needed.'))
    return Promise.resolve()
  }

  onConnect(abort: (reason: unknown) => void): void {
    if (this.#isOver) abort(this.#failure?.error)
    else this.#abort = abort
  }

  onHeaders(status: number, raw: readonly (Uint8Array | string)[], resume: () => void): boolean {
    // RFC 9110 15.2: the response is yet to come.
    if (status < 200 || this.#isOver) return true
    try {
      for (let index = 0; index + 1 < raw.length; index += 2)
        this.headers.append(text(raw[index]), text(raw[index + 1]))
    } catch (error) {
      this.#fail(error)
      return true
    }
    this.status = status
    this.#resume = resume
    const { into, status: expected } = this.#receiving
    if (into && status === expected) this.#landing = { into, intake: beginIntake(into) }
    this.#begun.resolve(this)
    return true
  }

  onData(chunk: Uint8Array): boolean {
    if (this.#isOver) return true
    this.#arrived()
    const rest = this.#landing ? landed(this.#landing.into, this.#landing.intake, chunk) : chunk
    if (rest.length > 0) {
      this.#kept.push(rest)
      this.#keptBytes += rest.length
    }
    if (!this.#isFilling) this.#wake()
    this.#isPaused = this.#keptBytes >= MOST_KEPT
    return !this.#isPaused
  }

  onComplete(): void {
    this.#end()
  }

  onError(error: unknown): void {
    this.#end({ error })
  }

  get #isFilling(): boolean {
    return this.#landing !== undefined && !isFull(this.#landing.into, this.#landing.intake) && !this.#isOver
  }

  readonly #aborted = (): void => this.#fail(this.#signal.reason)

  #fail(error: unknown): void {
    if (this.#isOver) return
    this.#kept.length = 0
    this.#giveUpLanding()
    this.#end({ error })
    this.#abort?.(error)
  }

  #giveUpLanding(): void {
    if (this.#landing) giveUpIntake(this.#landing.into, this.#landing.intake)
    this.#landing = undefined
  }

  #end(failure?: { error: unknown }): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#failure = failure
    this.#signal.removeEventListener('abort', this.#aborted)
    if (failure) this.#begun.reject(failed(failure.error))
    this.#wake()
  }
}

/** Header fields are bytes (RFC 9110 5.5). */
function text(field: Uint8Array | string | undefined): string {
  return typeof field === 'string' ? field : Buffer.from(field ?? []).toString('latin1')
}

/** As `fetch` reports it. */
function failed(cause: unknown): Error {
  return new TypeError('fetch failed', { cause })
}
