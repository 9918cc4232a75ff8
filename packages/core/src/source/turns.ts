import { turnOfLoop } from '../real-time.ts'
import { nextTurn, throwIfAborted } from './aborted.ts'

/** Work in steps of a few milliseconds at most; it yields between them. */
export type Steps<T> = Generator<undefined, T, undefined>

/** How long a thread works between two turns of the event loop, in seconds. */
const TURN_TIME = 0.004

/**
 * Runs all steps, and yields to the event loop every few milliseconds.
 *
 * @throws {@link ModelSealError} `ABORTED`, and what the steps throw
 */
export async function inTurns<T>(steps: Steps<T>, signal?: AbortSignal): Promise<T> {
  throwIfAborted(signal)
  // Not performance.now(), which would load a module at start-up.
  let start = process.uptime()
  for (;;) {
    const step = steps.next()
    if (step.done) return step.value
    if (process.uptime() - start < TURN_TIME) continue
    await nextTurn(signal).catch((error: unknown) => abandoned(steps, error))
    start = process.uptime()
  }
}

/** Lets the steps release their resources. */
function abandoned<T>(steps: Steps<T>, error: unknown): never {
  steps.return(undefined as T)
  throw error
}

/** Items handled between two looks at the clock. */
const ITEMS_PER_STEP = 256

/** Handles each item, in steps. */
export function* eachOf<T>(items: Iterable<T>, handle: (item: T, index: number) => void): Steps<void> {
  let index = 0
  for (const item of items) {
    handle(item, index)
    if (++index % ITEMS_PER_STEP === 0) yield
  }
}

/** Runs all steps at once, for data that is small or verified. */
export function atOnce<T>(steps: Steps<T>): T {
  for (let step = steps.next(); ; step = steps.next()) if (step.done) return step.value
}

/**
 * For work that only awaits promises and might never let timers and other events run: yields to the event loop every
 * few milliseconds.
 */
export class Turns {
  #start = process.uptime()

  get isDue(): boolean {
    return process.uptime() - this.#start >= TURN_TIME
  }

  async next(): Promise<void> {
    await turnOfLoop()
    this.#start = process.uptime()
  }
}
