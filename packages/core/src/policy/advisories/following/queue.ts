import { clearTimeout, setTimeout } from '../../../real-time.ts'

/** Runs works that need much memory, a few at the same time. */
export class Queue {
  readonly #atOnce: number
  readonly #patience: number | undefined
  readonly #waiting = new Set<() => void>()
  #running = 0
  #timer: ReturnType<typeof setTimeout> | undefined

  /** @param patience if no work ends for so long, as when servers do not answer, all begin that wait; in milliseconds */
  constructor(atOnce: number, patience?: number) {
    this.#atOnce = atOnce
    this.#patience = patience
  }

  async run<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.#running < this.#atOnce) this.#running += 1
    else await this.#turn()
    try {
      return await work()
    } finally {
      this.#running -= 1
      this.#begin(this.#atOnce - this.#running)
    }
  }

  #turn(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.add(resolve)
      if (!this.#timer) this.#wait()
    })
  }

  #begin(count: number): void {
    for (const begin of [...this.#waiting].slice(0, Math.max(count, 0))) {
      this.#waiting.delete(begin)
      this.#running += 1
      begin()
    }
    this.#wait()
  }

  #wait(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#patience === undefined || this.#waiting.size === 0) return
    this.#timer = setTimeout(() => this.#begin(this.#waiting.size), this.#patience)
    this.#timer.unref()
  }
}
