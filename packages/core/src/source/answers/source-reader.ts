import { reasonOf } from '../../any-realm.ts'
import { ModelSealError } from '../../errors.ts'
import { valueOf, withoutPrototype } from '../../snapshot.ts'
import { abortedError, throwIfAborted } from '../aborted.ts'
import type { Receive, SourceBody, SourceTimeouts } from '../model-source.ts'
import { ownPieces, pieces, type Landing } from './pieces.ts'
import { answered, boxed, iteratorOf, leave, nextOf, sourceFailed, unshared, type Items } from './source-answers.ts'
import { Watch } from './watch.ts'

export const DEFAULT_IDLE_MS = 30_000
export const DEFAULT_TOTAL_MS = 600_000

/** For sources that enforce their own timeouts. */
export const UNTIMED: SourceTimeouts = { idle: Infinity, total: Infinity }

/** Not an Error, which would capture a stack trace. */
const CLOSED = 'The model was closed.'

/** Asks a source to read one file. The return value is ignored; only received content counts. */
type AskToRead = (signal: AbortSignal, receive: Receive) => unknown

/** Receives the content of a file in the core. */
type Take<T> = (body: SourceBody) => Promise<T>

/** How to send requests to a source. */
interface Asking {
  readonly timeouts?: SourceTimeouts | undefined
  /** True for a source of the core, which obeys the signals and returns well-formed answers. */
  readonly isOwn?: boolean
  /** True if waiting for an answer must not keep the process alive. */
  readonly detached?: boolean | undefined
}

/**
 * Sends requests to a source, within bounds that hold whatever it does: its answers may be malformed, late, missing or
 * endless.
 */
export class SourceReader {
  readonly #timeouts: SourceTimeouts
  readonly #isOwn: boolean
  readonly #isDetached: boolean
  readonly #signal: AbortSignal | undefined
  /** Created when needed. */
  #stop: AbortController | undefined
  #isStopped = false
  readonly #running = new Set<Promise<unknown>>()

  constructor(asking: Asking, signal: AbortSignal | undefined) {
    const { timeouts, isOwn = false, detached = false } = withoutPrototype(asking)
    this.#timeouts = timeouts ?? { idle: DEFAULT_IDLE_MS, total: DEFAULT_TOTAL_MS }
    this.#isOwn = isOwn
    this.#isDetached = detached
    this.#signal = signal
  }

  /**
   * Reads one file.
   *
   * @param what what is read, for messages
   * @param landing if `take` needs each piece only until it asks for the next one
   * @returns what `take` returns; undefined if there is no such file
   * @throws {@link ModelSealError} `SOURCE_FAILED`, `SOURCE_TIMEOUT`, `ABORTED`, and what the source and `take` throw
   */
  read<T>(what: string, reading: AskToRead, take: Take<T>, landing?: Landing): Promise<T | undefined> {
    return this.#run(async () => {
      if (this.#isOwn) return ownReading(reading, (body) => take(ownBody(what, body)), this.#stopSignal)
      return this.#watched(what, (watch) => guardedReading(what, { watch, landing }, { reading, take }))
    })
  }

  /**
   * Requests anything but content from the source.
   *
   * @param check copies the answer into a plain record. The answer itself never leaves this function, because whoever
   * awaited it would call its `then`, which may never settle
   */
  async ask<T, R>(what: string, answer: () => T | Promise<T>, check: (given: T) => R): Promise<R> {
    this.#throwIfAborted()
    if (this.#isOwn) return check(await answer())
    return this.#run(() =>
      this.#watched(what, async (watch) => {
        const { value } = await watch.unlessOver(boxed(answer))
        return answered(what, () => check(value))
      }),
    )
  }

  /**
   * Iterates over the items that the source returns, all within the time limit for one file.
   *
   * @param check copies an item into a plain record; items of the core's own sources already are
   */
  async *each<T>(what: string, items: () => Items<T>, check: (given: T) => T): AsyncGenerator<T> {
    this.#throwIfAborted()
    if (this.#isOwn) {
      for await (const item of items()) yield check(item)
      return
    }
    const iterator = answered(what, () => iteratorOf(items()))
    const watch = this.#newWatch()
    try {
      for (;;) {
        const { done, value } = await nextOf(iterator, watch)
        if (done) return
        watch.alive()
        yield check(value)
        this.#throwIfAborted()
        await watch.turn()
      }
    } catch (error) {
      throw this.#typed(what, watch, unshared(error))
    } finally {
      watch.end()
      leave(iterator)
    }
  }

  /** Aborts all running reads and waits until they have ended. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#stop?.abort(CLOSED)
    await Promise.allSettled(this.#running)
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
    const signals = [this.#stopSignal, ...(this.#signal ? [this.#signal] : [])]
    return new Watch(this.#timeouts, signals, this.#isDetached)
  }

  /** Turns any failure into a typed error. */
  #typed(what: string, { late }: Watch, error: unknown): unknown {
    if (this.#signal?.aborted) return abortedError(this.#signal)
    if (this.#isStopped) return abortedError(this.#stopSignal)
    if (error instanceof ModelSealError) return error
    if (late === undefined) return sourceFailed(what, reasonOf(error), error)
    return new ModelSealError('SOURCE_TIMEOUT', `Cannot read the ${what}: it did not arrive in time.`, {
      expected: late,
      hint: 'Check the location of the model and the network.',
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

/** Reads from a source of the core. */
async function ownReading<T>(reading: AskToRead, take: Take<T>, signal: AbortSignal): Promise<T | undefined> {
  let taken: { value: T } | undefined
  await reading(signal, async (body) => {
    taken = { value: await take(body) }
  })
  return (taken as { value: T } | undefined)?.value
}

function ownBody(what: string, { size, cached, chunks }: SourceBody): SourceBody {
  return { size: announced(size), cached, chunks: ownPieces(what, chunks) }
}

/** Reads from any other source, which gets no reference to what was received. */
async function guardedReading<T>(
  what: string,
  { watch, landing }: { watch: Watch; landing: Landing | undefined },
  { reading, take }: { reading: AskToRead; take: Take<T> },
): Promise<T | undefined> {
  let received: Promise<T> | undefined
  let isOver = false
  const receive: Receive = (body) => {
    if (received) throw sourceFailed(what, 'it passed the content more than once')
    if (isOver) throw sourceFailed(what, 'it passed the content too late')
    const taking = takenFrom(what, body, ({ chunks, ...given }) =>
      take({ ...given, chunks: pieces(what, chunks, { watch, landing }) }),
    )
    received = taking
    // The actual refusal is thrown below, where the source cannot change it.
    const outcome = taking.then(
      () => undefined,
      () => Promise.reject(new Error('The load refused this content.')),
    )
    outcome.catch(() => {})
    return outcome
  }
  try {
    await watch.unlessOver(boxed(() => reading(watch.signal, receive)))
  } catch (error) {
    // The error of the receiver says more than what the source makes of it.
    if (!received || watch.signal.aborted) throw error
  } finally {
    isOver = true
  }
  return received && watch.unlessOver(received)
}

async function takenFrom<T>(what: string, body: SourceBody, take: Take<T>): Promise<T> {
  const { size, cached, chunks } = answered(what, () => ({
    size: valueOf(body, 'size'),
    cached: valueOf(body, 'cached') === true,
    chunks: body.chunks,
  }))
  return take({ size: announced(size), cached, chunks })
}

function announced(size: unknown): number | undefined {
  return Number.isSafeInteger(size) && (size as number) >= 0 ? (size as number) : undefined
}
