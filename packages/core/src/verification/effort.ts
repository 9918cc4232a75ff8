import { ModelSealError } from '../errors.ts'
import { nextTurn, throwIfAborted } from '../source/aborted.ts'

/** Of all bundles of a load: ten of them, each with a chain of four and two timestamps, need about a hundred. */
const MAX_SIGNATURE_CHECKS = 512
/** How long the thread is kept before others get a turn, in seconds. One step in between takes a few milliseconds. */
const TURN_TIME = 0.005

/**
 * What verification may cost for all bundles of a load together. They are nobody's word until they are verified, so
 * signature checks are counted, others get the thread in between, and the caller can abort.
 */
export class Effort {
  /** Of the caller, who can abort. */
  readonly signal: AbortSignal | undefined
  readonly #most: number
  #checks = 0
  // Not by performance.now(): a program that has just started would load a module for it.
  #last = process.uptime()

  constructor(signal?: AbortSignal, most = MAX_SIGNATURE_CHECKS) {
    this.signal = signal
    this.#most = most
  }

  /**
   * To be called before signatures are checked.
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
   * To be called between steps of at most a few milliseconds.
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

/** Rethrows what says nothing about the bundle, so that nobody takes it for a verdict. */
export function passAbort(error: unknown): void {
  if (error instanceof ModelSealError && error.code === 'ABORTED') throw error
}
