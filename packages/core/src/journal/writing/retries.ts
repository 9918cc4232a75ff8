import { clearTimeout, setTimeout } from '../../real-time.ts'

/** Waits between attempts while the disk fails, in milliseconds. */
const [FIRST_WAIT, LONGEST_WAIT] = [100, 30_000]

/** Tries something again, after a wait that doubles with each failure. It does not keep the process alive. */
export class Retries {
  #wait = 0
  #timer: ReturnType<typeof setTimeout> | undefined

  get areAhead(): boolean {
    return this.#timer !== undefined
  }

  later(again: () => void): void {
    this.#wait = Math.min(this.#wait * 2 || FIRST_WAIT, LONGEST_WAIT)
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      again()
    }, this.#wait)
    this.#timer.unref()
  }

  /** It succeeded, or is given up. */
  end(): void {
    this.#wait = 0
    clearTimeout(this.#timer)
    this.#timer = undefined
  }
}
