import { clearTimeout, setTimeout } from '../../../real-time.ts'

/** When tasks start although others before them have not ended, as when servers do not answer. */
interface Impatience {
  /** After so long without any end, all begin that wait; in milliseconds. */
  after: number
  /** Something else that has to end first. */
  isBusy: () => boolean
}

/** Runs tasks that need much memory, a few at the same time. */
export class Queue {
  readonly #atOnce: number
  readonly #impatience: Impatience | undefined
  readonly #waiting = new Set<() => void>()
  #running = 0
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(atOnce: number, impatience?: Impatience) {
    this.#atOnce = atOnce
    this.#impatience = impatience
  }

  get isBusy(): boolean {
    return this.#running > 0
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
    if (!this.#impatience || this.#waiting.size === 0) return
    const { after, isBusy } = this.#impatience
    this.#timer = setTimeout(() => {
      this.#begin(isBusy() ? 0 : this.#waiting.size)
    }, after)
    this.#timer.unref()
  }
}

/** More at the same time would not be faster, and would hold up the event loop for longer. */
export const readings = new Queue(1)
/** A feed in memory takes several times its size until it is read. Those that are known are hardly ever fetched at the same time. */
export const firstFetches = new Queue(4, { after: 2_000, isBusy: () => readings.isBusy })
