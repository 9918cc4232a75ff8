import type { OpenOptions } from '@modelseal/core'

type BytesCallback = OpenOptions['onProgress']

/** Calls tf's progress callback, which takes a growing fraction from 0 to 1. */
export class FractionReport {
  /** The progress callback of the check. It calls both callbacks. */
  readonly onProgress: BytesCallback
  #expected = Infinity
  #reported = 0

  constructor(onBytes: BytesCallback, onFraction: ((fraction: number) => void) | undefined) {
    this.onProgress =
      onFraction &&
      ((done, total) => {
        onBytes?.(done, total)
        // Over HTTP, the total includes only files announced so far, so it may still grow.
        const whole = Math.max(total, this.#expected)
        this.#reported = Math.max(this.#reported, whole === 0 ? 1 : done / whole)
        onFraction(this.#reported)
      })
    this.onProgress ??= onBytes
  }

  /** @param bytes minimum number of bytes that will be read; the fraction stays 0 until this is called */
  expect(bytes: number): void {
    this.#expected = bytes
  }
}
