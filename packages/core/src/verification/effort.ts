import { ModelSealError } from '../errors.ts'
import { nextTurn, throwIfAborted } from '../source/aborted.ts'

/** For all bundles of a load: ten of them, each with a chain of four and two timestamps, need about a hundred. */
const MAX_SIGNATURE_CHECKS = 512
/** Seconds to work before yielding to the event loop. A step takes at most a few milliseconds. */
const TURN_TIME = 0.005

/**
 * The budget for verifying all bundles of a load. Bundles are untrusted until they are verified, so signature checks are
 * limited, verification yields to the event loop, and the caller can abort it.
 */
export class Effort {
  /** The caller's signal. */
  readonly signal: AbortSignal | undefined
  readonly #most: number
  #checks = 0
  // Not performance.now(), which would load a module at the start of a program.
  #last = process.uptime()

  constructor(signal?: AbortSignal, most = MAX_SIGNATURE_CHECKS) {
    this.signal = signal
    this.#most = most
  }

  /**
   * Call it before checking signatures.
   *
   * @throws {@link ModelSealError} `CHAIN_TOO_LARGE`, `ABORTED`
   */
  async signatures(count = 1): Promise<void> {
    this.#checks += count
    if (this.#checks > this.#most) {
      throw new ModelSealError(
        'CHAIN_TOO_LARGE',
        'Cannot verify the signatures of the model: its bundles need too many signature checks.',
        {
          expected: `at most ${this.#most} checks for all bundles together`,
          hint: 'Remove the bundles that the publisher of the model did not make.',
        },
      )
    }
    await this.turn()
  }

  /**
   * Call it between steps of at most a few milliseconds.
   *
   * @throws {@link ModelSealError} `ABORTED`
   */
  async turn(): Promise<void> {
    throwIfAborted(this.signal)
    if (process.uptime() - this.#last < TURN_TIME) return
    await nextTurn(this.signal)
    this.#last = process.uptime()
  }
}

/** Rethrows an abort, which says nothing about the bundle. */
export function passAbort(error: unknown): void {
  if (error instanceof ModelSealError && error.code === 'ABORTED') throw error
}

/**
 * Whether a check of remembered facts passes. If not, they must be verified in full, which has the final say.
 *
 * @throws {@link ModelSealError} `ABORTED`
 */
export async function passesAgain(check: () => Promise<void>): Promise<boolean> {
  try {
    await check()
    return true
  } catch (error) {
    passAbort(error)
    return false
  }
}
