import { isUint8Array, propertyOf, reasonOf } from '../any-realm.ts'
import { ModelSealError, shown } from '../errors.ts'
import { abortedError, throwIfAborted } from './aborted.ts'
import type { Receive, SourceBody, SourceSession, SourceTimeouts } from './model-source.ts'
import { Watch } from './watch.ts'

export const DEFAULT_IDLE_MS = 30_000
export const DEFAULT_TOTAL_MS = 600_000

/** For the sources of the core, which keep to the signal, and watch over the time themselves. */
export const UNWATCHED: SourceTimeouts = { idle: Infinity, total: Infinity }

/** Not an error, which would have a stack. */
const CLOSED = 'The model was closed.'

/** Reads one file of a source. */
export type Reading = <T>(signal: AbortSignal, receive: Receive<T>) => Promise<T | undefined>

/**
 * Asks a source for things, within bounds that hold whatever it does: it may answer with something else, too late, never, or
 * without an end.
 */
export class SourceReader {
  readonly #timeouts: SourceTimeouts
  readonly #signal: AbortSignal | undefined
  /** Made when somebody needs it. */
  #stop: AbortController | undefined
  #isStopped = false
  readonly #running = new Set<Promise<unknown>>()

  constructor(session: Pick<SourceSession, 'timeouts'>, signal: AbortSignal | undefined) {
    this.#timeouts = (propertyOf(session, 'timeouts') as SourceTimeouts | undefined) ?? {
      idle: DEFAULT_IDLE_MS,
      total: DEFAULT_TOTAL_MS,
    }
    this.#signal = signal
  }

  /**
   * Reads one file.
   *
   * @param what it is, for messages
   * @returns what `receive` returns; undefined where there is no such file
   * @throws {@link ModelSealError} `SOURCE_FAILED`, `SOURCE_TIMEOUT`, `ABORTED`, and what the source and `receive` throw
   */
  read<T>(what: string, reading: Reading, receive: Receive<T>): Promise<T | undefined> {
    return this.#run(async () => {
      if (this.#isUnwatched) return reading(this.#stopSignal, receive)
      return this.#watched(what, (watch) => guardedReading(what, watch, { reading, receive }))
    })
  }

  /** Asks the source for anything but content. */
  async ask<T>(what: string, answer: () => T | Promise<T>): Promise<T> {
    this.#throwIfAborted()
    if (this.#isUnwatched) return answer()
    const given = attempt(what, answer)
    if (!isThenable(given)) return given
    return this.#run(() => this.#watched(what, (watch) => watch.unlessOver(Promise.resolve(given))))
  }

  /** Takes one after the other of what the source gives, all of it in the time for one file. */
  async *each<T>(what: string, items: () => Iterable<T> | AsyncIterable<T>): AsyncGenerator<T> {
    this.#throwIfAborted()
    if (this.#isUnwatched) return yield* items()
    const iterator = attempt(what, () => iteratorOf(items()))
    const watch = this.#newWatch()
    try {
      for (;;) {
        const given = iterator.next()
        const result = isThenable(given) ? await watch.unlessOver(Promise.resolve(given)) : given
        if (result.done) return
        watch.alive()
        yield result.value
        this.#throwIfAborted()
      }
    } catch (error) {
      throw this.#typed(what, watch, error)
    } finally {
      watch.end()
      leave(iterator)
    }
  }

  /** Ends what is under way, and returns when it has ended. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#stop?.abort(CLOSED)
    await Promise.allSettled(this.#running)
  }

  get #isUnwatched(): boolean {
    return this.#timeouts.idle === Infinity && this.#timeouts.total === Infinity
  }

  async #run<T>(work: () => Promise<T>): Promise<T> {
    this.#throwIfAborted()
    const result = work()
    this.#running.add(result)
    try {
      return await result
    } finally {
      this.#running.delete(result)
    }
  }

  async #watched<T>(what: string, work: (watch: Watch) => Promise<T>): Promise<T> {
    const watch = this.#newWatch()
    try {
      return await work(watch)
    } catch (error) {
      throw this.#typed(what, watch, error)
    } finally {
      watch.end()
    }
  }

  #newWatch(): Watch {
    return new Watch(this.#timeouts, [this.#stopSignal, ...(this.#signal ? [this.#signal] : [])])
  }

  /** Whatever went wrong, as a typed error. */
  #typed(what: string, { late }: Watch, error: unknown): unknown {
    if (this.#signal?.aborted) return abortedError(this.#signal)
    if (this.#isStopped) return abortedError(this.#stopSignal)
    if (error instanceof ModelSealError) return error
    if (late === undefined) return failed(what, reasonOf(error), error)
    return new ModelSealError('SOURCE_TIMEOUT', `Cannot read the ${what}: it did not arrive in time.`, {
      expected: late,
      hint: 'Check the place that the model is loaded from, and the network.',
    })
  }

  get #stopSignal(): AbortSignal {
    this.#stop ??= new AbortController()
    return this.#stop.signal
  }

  #throwIfAborted(): void {
    throwIfAborted(this.#signal)
    if (this.#isStopped) throw abortedError()
  }
}

/** A promise, of whatever realm. */
function isThenable<T>(given: T | PromiseLike<T>): given is PromiseLike<T> {
  return typeof given === 'object' && given !== null && 'then' in given
}

/** What is given at once needs no watching. */
function attempt<T>(what: string, answer: () => T): T {
  try {
    return answer()
  } catch (error) {
    throw error instanceof ModelSealError ? error : failed(what, reasonOf(error), error)
  }
}

async function guardedReading<T>(
  what: string,
  watch: Watch,
  { reading, receive }: { reading: Reading; receive: Receive<T> },
): Promise<T | undefined> {
  let received: Promise<T> | undefined
  const take = (body: SourceBody) => {
    if (received) throw failed(what, 'it was given more than once')
    received = receive({ size: announced(propertyOf(body, 'size')), chunks: pieces(what, body.chunks, watch) })
    // Whoever waits for it is told below.
    received.catch(() => {})
    return received
  }
  try {
    await watch.unlessOver(reading(watch.signal, take))
  } catch (error) {
    // What the receiver says about the content explains more than what the source makes of it.
    if (!received || watch.signal.aborted) throw error
  }
  return received && watch.unlessOver(received)
}

async function* pieces(what: string, chunks: SourceBody['chunks'], watch: Watch): AsyncGenerator<Uint8Array> {
  const iterator = iteratorOf(chunks)
  try {
    for (;;) {
      const result = await watch.unlessOver(Promise.resolve(iterator.next()))
      if (result.done) return
      if (!isUint8Array(result.value)) throw failed(what, 'its content is not of bytes')
      watch.alive()
      // Nobody else writes to what is hashed and handed out.
      yield Buffer.from(result.value)
    }
  } catch (error) {
    throw error instanceof ModelSealError || watch.signal.aborted ? error : failed(what, reasonOf(error), error)
  } finally {
    leave(iterator)
  }
}

function iteratorOf<T>(items: Iterable<T> | AsyncIterable<T>): AsyncIterator<T> | Iterator<T> {
  return Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]()
}

/** Not waited for: it may never answer. */
function leave(iterator: AsyncIterator<unknown> | Iterator<unknown>): void {
  void (async () => iterator.return?.())().catch(() => {})
}

function announced(size: unknown): number | undefined {
  return Number.isSafeInteger(size) && (size as number) >= 0 ? (size as number) : undefined
}

function failed(what: string, found: string, cause?: unknown): ModelSealError {
  return new ModelSealError('SOURCE_FAILED', `Cannot read the ${what}: its source failed.`, {
    found: shown(found),
    hint: 'Check the place that the model is loaded from, and the package that reads from it.',
    cause,
  })
}
