import { clearTimeout, setTimeout } from '../../real-time.ts'
import type { SourceTimeouts } from '../model-source.ts'
import { Turns } from '../turns.ts'

/** Not an Error, which would capture a stack trace. */
const OVER = 'The read has ended.'

/** Ends a read that takes too long or is no longer needed. */
export class Watch {
  readonly #controller = new AbortController()
  readonly #isDetached: boolean
  readonly #idle: NodeJS.Timeout | undefined
  readonly #total: NodeJS.Timeout | undefined
  readonly #pending = new Set<() => void>()
  readonly #turns = new Turns()
  /** Aborted when the read ends, for whatever reason. */
  readonly signal: AbortSignal
  /** The limit that was exceeded. */
  late: string | undefined

  /** @param isDetached true if it must not keep the process alive */
  constructor({ idle, total }: SourceTimeouts, signals: readonly AbortSignal[], isDetached = false) {
    this.#isDetached = isDetached
    this.#idle = this.#timer(idle, `some data every ${idle} ms`)
    this.#total = this.#timer(total, `all data within ${total} ms`)
    this.signal = AbortSignal.any([this.#controller.signal, ...signals])
    this.#signalled(() => {
      for (const abort of this.#pending) abort()
    })
  }

  /** Call this when data has arrived. */
  alive(): void {
    this.#idle?.refresh()
  }

  /** Releases the resources of the read. */
  end(): void {
    clearTimeout(this.#idle)
    clearTimeout(this.#total)
    this.#controller.abort(OVER)
  }

  /**
   * Limits a part of the read.
   *
   * @returns ends the limit
   */
  limit(milliseconds: number, limit: string): () => void {
    const timer = this.#timer(milliseconds, limit)
    this.#signalled(() => {
      clearTimeout(timer)
    })
    return () => {
      clearTimeout(timer)
    }
  }

  /** For work that may ignore the signal. */
  unlessOver<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const abort = () => reject(new Error('aborted'))
      this.#pending.add(abort)
      // It may already have been aborted, in which case there is no further event.
      if (this.signal.aborted) abort()
      work.then(resolve, reject).finally(() => this.#pending.delete(abort))
    })
  }

  /**
   * Lets timers and signals run every few milliseconds, because a source that answers immediately might do so forever.
   */
  turn(): Promise<void> | undefined {
    return this.#turns.isDue ? this.unlessOver(this.#turns.next()) : undefined
  }

  #timer(milliseconds: number, limit: string): NodeJS.Timeout | undefined {
    if (milliseconds === Infinity) return undefined
    const timer = setTimeout(() => {
      this.late = limit
      this.#controller.abort(OVER)
    }, milliseconds)
    return this.#isDetached ? timer.unref() : timer
  }

  #signalled(listener: () => void): void {
    this.signal.addEventListener('abort', listener, { once: true })
  }
}
