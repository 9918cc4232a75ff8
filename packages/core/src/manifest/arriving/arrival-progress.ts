import { guardedCallback, type ProgressCallback } from '../../hashing/hash-files.ts'
import { monotonic } from '../../real-time.ts'

/** Time between two calls of the progress callback, in milliseconds. */
const PROGRESS_INTERVAL = 50

/** Reports progress when the total becomes known only as files are announced. */
export class ArrivalProgress {
  readonly #tell: ProgressCallback | undefined
  #done = 0
  #total = 0
  #told = -Infinity

  constructor(onProgress: ProgressCallback | undefined) {
    this.#tell = onProgress && guardedCallback(onProgress)
  }

  /** @returns a function that counts the received bytes of the announced file */
  start(announced = 0): (bytes: number) => void {
    this.#total += announced
    let room = announced
    return (bytes) => {
      this.#done += bytes
      this.#total += Math.max(bytes - room, 0)
      room = Math.max(room - bytes, 0)
      const now = monotonic()
      if (now - this.#told < PROGRESS_INTERVAL) return
      this.#told = now
      this.#tell?.(this.#done, this.#total)
    }
  }

  end(): void {
    this.#tell?.(this.#done, this.#done)
  }
}
