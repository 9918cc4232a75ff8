/** Works are done a few at a time, so that models that are judged at the same time do not all read at once, and a slow one stops no others. */
class Line {
  readonly #width: number
  readonly #waiting: (() => Promise<void>)[] = []
  #running = 0

  constructor(width: number) {
    this.#width = width
  }

  /** The work must not throw. */
  add(work: () => Promise<void>): void {
    this.#waiting.push(work)
    if (this.#running < this.#width) void this.#run()
  }

  async #run(): Promise<void> {
    this.#running++
    for (let work = this.#waiting.shift(); work; work = this.#waiting.shift()) await work()
    this.#running--
  }
}

/** What reads the disk. */
export const hashing = new Line(2)
/** What may wait for the network, and must not keep others waiting. */
export const fetching = new Line(8)
