import { clearInterval, setInterval } from 'node:timers'
import type { Order } from '../work-queue.ts'

/** Milliseconds between two looks at the workers while no job is finished. */
const LOOK_EVERY = 2_000
/** Looks in a row that find the same: a worker that is started again is away for a moment. */
const LOOKS = 3

interface Watched {
  /** The jobs that are given out. */
  readonly orders: () => Iterable<Order>
  /** How many jobs were finished so far. */
  readonly finished: () => number
  /** Asks Redis for the names of the workers that are connected. */
  readonly workers: () => Promise<readonly string[]>
  readonly onWaiting: (message: string) => void
}

/** Says once what a run waits for, if no worker that is connected can do its jobs. */
export class WaitingNotes {
  readonly #watched: Watched
  readonly #timer: NodeJS.Timeout
  #finished = 0
  #isAsking = false
  #message: string | undefined
  #looks = 0

  constructor(watched: Watched, every = LOOK_EVERY) {
    this.#watched = watched
    this.#timer = setInterval(() => this.#look(), every).unref()
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  #look(): void {
    const { orders, finished, workers } = this.#watched
    const before = this.#finished
    this.#finished = finished()
    // The last question has no answer yet.
    if (this.#isAsking) this.#found('Waiting for Redis: it does not answer.')
    else if (this.#finished > before) this.#found(undefined)
    else {
      this.#isAsking = true
      workers()
        .then((names) => missingWorker(orders(), names))
        // This user may not ask for them.
        .catch(() => undefined)
        .then((message) => {
          this.#isAsking = false
          this.#found(message)
        })
        .catch(() => undefined)
    }
  }

  #found(message: string | undefined): void {
    this.#looks = message === this.#message ? this.#looks + 1 : 1
    this.#message = message
    if (message !== undefined && this.#looks === LOOKS) this.#watched.onWaiting(message)
  }
}

/** The worker without which some job waits for ever; undefined if there is none. */
function missingWorker(orders: Iterable<Order>, connected: readonly string[]): string | undefined {
  for (const { not } of orders) {
    if (connected.length === 0) return 'Waiting for a worker: none is connected to the queue.'
    if (connected.every((name) => name === not))
      return `Waiting for a second worker: an audited job is done by two, and only ${not} is connected to the queue.`
  }
  return undefined
}
