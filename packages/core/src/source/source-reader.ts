import { isUint8Array, reasonOf } from '../any-realm.ts'
import { ModelSealError, shown } from '../errors.ts'
import { abortedError } from './aborted.ts'
import type { Receive, SourceBody, SourceSession, SourceTimeouts } from './model-source.ts'
import { Watch } from './watch.ts'

export const DEFAULT_IDLE_MS = 30_000
export const DEFAULT_TOTAL_MS = 600_000

/** For the sources of the core, which keep to the signal, and watch over the time themselves. */
export const UNWATCHED: SourceTimeouts = { idle: Infinity, total: Infinity }

/** Reads one file of a source. */
export type Reading = <T>(signal: AbortSignal, receive: Receive<T>) => Promise<T | undefined>

/**
 * Asks a source for things, within bounds that hold whatever it does: it may answer with something else, too late, never, or
 * without an end.
 */
export class SourceReader {
  readonly #timeouts: SourceTimeouts
  readonly #signal: AbortSignal | undefined
  readonly #stop = new AbortController()
  readonly #running = new Set<Promise<unknown>>()

  constructor({ timeouts }: Pick<SourceSession, 'timeouts'>, signal: AbortSignal | undefined) {
    this.#timeouts = timeouts ?? { idle: DEFAULT_IDLE_MS, total: DEFAULT_TOTAL_MS }
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
      if (this.#isUnwatched) return reading(this.#stop.signal, receive)
      return this.#watched(what, (watch) => guardedReading(what, watch, { reading, receive }))
    })
  }

  /** Asks the source for anything but content. */
  ask<T>(what: string, answer: () => T | Promise<T>): Promise<T> {
    return this.#run(async () => {
      if (this.#isUnwatched) return answer()
      return this.#watched(what, (watch) => watch.unlessOver((async () => answer())()))
    })
  }

  /** Takes one after the other of what the source gives. Whoever stops before the end lets it know. */
  async *each<T>(what: string, items: () => Iterable<T> | AsyncIterable<T>): AsyncGenerator<T> {
    const iterator = await this.ask(what, () => iteratorOf(items()))
    try {
      for (;;) {
        const result = await this.ask(what, () => iterator.next())
        if (result.done) return
        yield result.value
      }
    } finally {
      leave(iterator)
    }
  }

  /** Ends what is under way, and returns when it has ended. */
  async stop(): Promise<void> {
    this.#stop.abort()
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

  /** Whatever goes wrong, as a typed error. */
  async #watched<T>(what: string, work: (watch: Watch) => Promise<T>): Promise<T> {
    const watch = new Watch(this.#timeouts, [this.#stop.signal, ...(this.#signal ? [this.#signal] : [])])
    try {
      return await work(watch)
    } catch (error) {
      this.#throwIfAborted()
      if (error instanceof ModelSealError) throw error
      if (watch.late === undefined) throw failed(what, reasonOf(error), error)
      throw new ModelSealError('SOURCE_TIMEOUT', `Cannot read the ${what}: it did not arrive in time.`, {
        expected: watch.late,
        hint: 'Check the place that the model is loaded from, and the network.',
      })
    } finally {
      watch.end()
    }
  }

  #throwIfAborted(): void {
    if (this.#signal?.aborted) throw abortedError(this.#signal)
    if (this.#stop.signal.aborted) throw abortedError(this.#stop.signal)
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
    received = receive({ size: announced(body.size), chunks: pieces(what, body.chunks, watch) })
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
      yield result.value
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
