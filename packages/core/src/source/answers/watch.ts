import { clearTimeout, setTimeout } from '../../real-time.ts'
import type { SourceTimeouts } from '../model-source.ts'
import { Turns } from '../turns.ts'

/** Not an Error, which would capture a stack trace. */
const OVER = 'The read has ended.'

/** Ends a read that takes too long or is no longer needed. */
export class Watch {
  readonly #controller = new AbortController()
  readonly #idle: NodeJS.Timeout | undefined
  readonly #total: NodeJS.Timeout | undefined
  readonly #pending = new Set<() => void>()
  readonly #turns = new Turns()
  /** Aborted when the read ends, for whatever reason. */
  readonly signal: AbortSignal
  /** The limit that was exceeded. */
  late: string | undefined

  constructor({ idle, total }: SourceTimeouts, signals: readonly AbortSignal[]) {
    this.#idle = this.#timer(idle, `some data every ${idle} ms`)
    this.#total = this.#timer(total, `all data within ${total} ms`)
    this.signal = AbortSignal.any([this.#controller.signal, ...signals])
    this.signal.addEventListener('abort', () => {
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
    return setTimeout(() => {
      this.late = limit
      this.#controller.abort(OVER)
    }, milliseconds)
  }
}
