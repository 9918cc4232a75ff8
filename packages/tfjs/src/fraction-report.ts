import type { OpenOptions } from '@modelseal/core'

type BytesCallback = OpenOptions['onProgress']

/** Tells tf's own progress callback, which takes a fraction from 0 to 1 that only grows. */
export class FractionReport {
  /** The progress callback of the check, which tells both. */
  readonly onProgress: BytesCallback
  #expected = Infinity
  #reported = 0

  constructor(onBytes: BytesCallback, onFraction: ((fraction: number) => void) | undefined) {
    this.onProgress =
      onFraction &&
      ((done, total) => {
        onBytes?.(done, total)
        // Over HTTP the total is what was announced so far, which may be less than what is to come.
        const whole = Math.max(total, this.#expected)
        this.#reported = Math.max(this.#reported, whole === 0 ? 1 : done / whole)
        onFraction(this.#reported)
      })
    this.onProgress ??= onBytes
  }

  /** @param bytes that will be read at least; until this is called the fraction is 0 */
  expect(bytes: number): void {
    this.#expected = bytes
  }
}
