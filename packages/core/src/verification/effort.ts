import { ModelSealError } from '../errors.ts'
import { nextTurn, throwIfAborted } from '../source/aborted.ts'

/** For all bundles of a load: ten of them, each with a chain of four and two timestamps, need about a hundred. */
const MAX_SIGNATURE_CHECKS = 512
/** Two chains of six certificates, each with a timestamp, need fewer. */
const OWN_CHECKS = 24
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
  readonly #common: Effort | undefined
  #checks = 0
  // Not performance.now(), which would load a module at the start of a program.
  #last = process.uptime()

  /** @param common what is used once the own budget is used up */
  constructor(signal?: AbortSignal, most = MAX_SIGNATURE_CHECKS, common?: Effort) {
    this.signal = signal
    this.#most = most
    this.#common = common
  }

  /**
   * The budget for one of several bundles: checks of its own, and after them those that all have in common. Others that need many checks
   * can then use up only the common ones, so that a bundle that needs few is always verified.
   */
  forOne(): Effort {
    return new Effort(this.signal, OWN_CHECKS, this)
  }

  /**
   * Call it before checking signatures.
   *
   * @throws {@link ModelSealError} `CHAIN_TOO_LARGE`, `ABORTED`
   */
  async signatures(count = 1): Promise<void> {
    this.#checks += count
    if (this.#checks > this.#most) {
      if (this.#common) return this.#common.signatures(count)
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
    if (this.#common) return this.#common.turn()
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
