/** Works are done one after the other, so that models that are judged at the same time do not all read at once. */
class Line {
  #last: Promise<void> = Promise.resolve()

  /** The work must not throw. */
  add(work: () => Promise<void>): void {
    this.#last = this.#last.then(work)
  }
}

/** What reads the disk. */
export const hashing = new Line()
/** What may wait for the network, and must not keep others waiting. */
export const fetching = new Line()
