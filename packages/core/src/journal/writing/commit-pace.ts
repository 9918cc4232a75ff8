import { monotonic } from '../../real-time.ts'

/** How often the head of a segment is committed, in milliseconds. */
const [INTERVAL, LONGEST_INTERVAL] = [1_000, 60_000]
/** A commit is followed by a rest of so many times as long as it took, so that a slow token does not keep a thread busy. */
const REST = 10

/** When a writer commits next. */
export class CommitPace {
  #begun = -Infinity
  #interval = INTERVAL

  /** Milliseconds until the next one; 0 if it is due. */
  get wait(): number {
    return Math.max(0, this.#begun + this.#interval - monotonic())
  }

  async measure<T>(commit: () => Promise<T>): Promise<T> {
    this.#begun = monotonic()
    const result = await commit()
    this.#interval = Math.min(Math.max(INTERVAL, (monotonic() - this.#begun) * REST), LONGEST_INTERVAL)
    return result
  }

  failed(): void {
    this.#begun = monotonic()
    this.#interval = Math.min(this.#interval * 2, LONGEST_INTERVAL)
  }
}
