import { hash } from 'node:crypto'

/** Entries in memory. Others are looked up again. */
const MOST_KNOWN = 20_000
/** Longer keys are kept as their digest: a line has up to 64 KiB. */
const LONGEST_KEY = 1_000

/** Remembers numbers by what they are for, in limited memory. */
export class Memo {
  readonly #known = new Map<string, number>()

  /** @param parts JSON; what they are of comes first */
  get(parts: readonly [what: string, ...unknown[]], find: () => number): number {
    const text = JSON.stringify(parts)
    const key = text.length > LONGEST_KEY ? hash('sha256', text) : text
    const known = this.#known.get(key)
    if (known !== undefined) return known
    const found = find()
    if (this.#known.size >= MOST_KNOWN) this.#known.clear()
    this.#known.set(key, found)
    return found
  }

  /** Does something that need not be done again. It may be done again nevertheless. */
  once(parts: readonly [what: string, ...unknown[]], work: () => void): void {
    this.get(parts, () => {
      work()
      return 0
    })
  }
}
