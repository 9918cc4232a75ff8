/**
 * Values of promises in the order in which they settle. Unlike `Promise.race()` again and again, it leaves nothing behind at a promise that takes
 * long.
 */
export class Settling<T> {
  readonly #settled: Promise<T>[] = []
  #pending = 0
  #arrived: (() => void) | undefined

  /** How many have been added and not taken. */
  get size(): number {
    return this.#pending + this.#settled.length
  }

  add(promise: Promise<T>): void {
    this.#pending += 1
    const arrive = () => {
      this.#pending -= 1
      this.#settled.push(promise)
      this.#arrived?.()
    }
    promise.then(arrive, arrive)
  }

  /** Takes the next value; there must be one. Throws what the promise was rejected with. */
  async next(): Promise<T> {
    for (;;) {
      const first = this.#settled.shift()
      if (first) return first
      await new Promise<void>((resolve) => (this.#arrived = resolve))
    }
  }

  /** Waits until all are settled. */
  async all(): Promise<void> {
    while (this.size > 0) await this.next().catch(() => undefined)
  }
}
