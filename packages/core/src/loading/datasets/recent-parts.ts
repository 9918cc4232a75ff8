/** Collects a file that arrives in parts of one size, and keeps the last ones: the index of a Parquet file is at its end. */
export class RecentParts {
  readonly #partBytes: number
  readonly #maxBytes: number
  /** By their positions, counted from 0. */
  readonly #parts = new Map<number, Uint8Array<ArrayBuffer>>()
  #current: Uint8Array<ArrayBuffer> | undefined
  #filled = 0
  #next = 0
  #bytes = 0

  /** @param maxBytes of the parts that are kept, apart from the one that arrives */
  constructor(partBytes: number, maxBytes: number) {
    this.#partBytes = partBytes
    this.#maxBytes = maxBytes
  }

  add(piece: Uint8Array): void {
    for (let rest = piece; rest.length > 0;) {
      this.#current ??= new Uint8Array(this.#partBytes)
      const taken = rest.subarray(0, this.#partBytes - this.#filled)
      this.#current.set(taken, this.#filled)
      this.#filled += taken.length
      rest = rest.subarray(taken.length)
      if (this.#filled === this.#partBytes) this.#keep(this.#current)
    }
  }

  /** Ends the file. @returns the parts that were kept, by their positions */
  end(): ReadonlyMap<number, Uint8Array<ArrayBuffer>> {
    if (this.#current) this.#keep(this.#current.slice(0, this.#filled))
    return this.#parts
  }

  #keep(part: Uint8Array<ArrayBuffer>): void {
    this.#parts.set(this.#next++, part)
    this.#bytes += part.length
    this.#current = undefined
    this.#filled = 0
    for (const [position, { length }] of this.#parts) {
      if (this.#bytes <= this.#maxBytes) return
      this.#parts.delete(position)
      this.#bytes -= length
    }
  }
}
