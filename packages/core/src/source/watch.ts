import { clearTimeout, setTimeout } from '../real-time.ts'
import type { SourceTimeouts } from './model-source.ts'
import { Turns } from './turns.ts'

/** Not an error, which would have a stack. */
const OVER = 'The reading is over.'

/** Watches over a reading: ends it when it takes too long, or when nobody waits for it any more. */
export class Watch {
  readonly #controller = new AbortController()
  readonly #idle: NodeJS.Timeout | undefined
  readonly #total: NodeJS.Timeout | undefined
  readonly #pending = new Set<() => void>()
  readonly #turns = new Turns()
  /** Aborted when the reading is over, for whatever reason. */
  readonly signal: AbortSignal
  /** Which limit was passed. */
  late: string | undefined

  constructor({ idle, total }: SourceTimeouts, signals: readonly AbortSignal[]) {
    this.#idle = this.#timer(idle, `something every ${idle} ms`)
    this.#total = this.#timer(total, `all of it within ${total} ms`)
    this.signal = AbortSignal.any([this.#controller.signal, ...signals])
    this.signal.addEventListener('abort', () => {
      for (const abort of this.#pending) abort()
    })
  }

  /** Something has arrived. */
  alive(): void {
    this.#idle?.refresh()
  }

  /** Releases what belongs to the reading. */
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
      // It may have been aborted between two pieces, and then there is no further event.
      if (this.signal.aborted) abort()
      work.then(resolve, reject).finally(() => this.#pending.delete(abort))
    })
  }

  /** Lets timers and signals have their turn every few milliseconds: what answers at once may do so for ever. */
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
