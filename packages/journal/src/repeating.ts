import { setTimeout as wait } from 'node:timers/promises'
import { ModelSealError } from '@modelseal/core/errors'

/** Waits while another machine is away, in milliseconds. */
const [FIRST_WAIT, LONGEST_WAIT] = [1_000, 300_000]
/** Longer times would be taken by timers for none. */
const LONGEST_TIME = 2 ** 31 - 1

/** Errors that time may heal, or the administrator of the other machine. Every other one ends the work. */
const PASSING: ReadonlySet<string> = new Set([
  'HTTP_UNREACHABLE',
  'HTTP_TIMEOUT',
  'HTTP_RESPONSE',
  'FILE_NOT_FOUND',
  'FILE_WRITE_FAILED',
])

/** What failed, and in how many milliseconds it is tried again. */
export interface Failure {
  error: ModelSealError
  retryIn: number
}

interface Repeating {
  /** Milliseconds between two rounds. */
  interval: number
  onFailure: (failure: Failure) => void
  signal: AbortSignal | undefined
}

/** Works again and again, until it is aborted, and waits longer after each failure. */
export async function repeat(work: () => Promise<void>, { interval, onFailure, signal }: Repeating): Promise<void> {
  for (let failures = 0; !signal?.aborted;) {
    let pause = interval
    try {
      await work()
      failures = 0
    } catch (error) {
      if (signal?.aborted) return
      if (!(error instanceof ModelSealError) || !PASSING.has(error.code)) throw error
      pause = waitAfter(failures)
      failures += 1
      onFailure({ error, retryIn: pause })
    }
    await wait(pause, undefined, { ...(signal && { signal }) }).catch(() => undefined)
  }
}

/** Twice as long after each failure, and never all hosts at the same time. */
function waitAfter(failures: number): number {
  const longest = Math.min(FIRST_WAIT * 2 ** Math.min(failures, 20), LONGEST_WAIT)
  return Math.round(longest * (0.5 + Math.random() / 2))
}

/**
 * Checks an option with a time in milliseconds.
 *
 * @throws {@link ModelSealError} `INVALID_ARGUMENT`
 */
export function milliseconds(option: string, value: number): number {
  if (Number.isSafeInteger(value) && value >= 1 && value <= LONGEST_TIME) return value
  throw new ModelSealError('INVALID_ARGUMENT', `Invalid value for option "${option}".`, {
    expected: `milliseconds, from 1 to ${LONGEST_TIME}`,
    found: String(value),
  })
}
