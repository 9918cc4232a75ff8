import { monotonic } from '../../../real-time.ts'

/** How often the head of a segment is committed, in milliseconds. */
const [INTERVAL, LONGEST_INTERVAL] = [1_000, 60_000]
/** A signature is followed by a rest of so many times as long as it took: the thread waits for a token, which may be slow. */
const REST = 10

/** When a writer commits next. */
export class CommitPace {
  #begun = -Infinity
  #interval = INTERVAL

  /** Milliseconds until the next one; 0 if it is due. */
  get wait(): number {
    return Math.max(0, this.#begun + this.#interval - monotonic())
  }

  begin(): void {
    this.#begun = monotonic()
  }

  /** @param signing milliseconds that the signature took */
  succeeded(signing: number): void {
    this.#interval = Math.min(Math.max(INTERVAL, signing * REST), LONGEST_INTERVAL)
  }

  failed(): void {
    this.#begun = monotonic()
    this.#interval = Math.min(this.#interval * 2, LONGEST_INTERVAL)
  }
}
