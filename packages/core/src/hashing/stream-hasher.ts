import { ALGORITHMS, type Hasher, type HashType } from './algorithms.ts'

/**
 * Computes the digests of a file whose bytes arrive one after the other and whose size is unknown: one
 * digest for each part of a fixed size. The last part may be shorter.
 */
export class StreamHasher {
  readonly #hashType: HashType
  readonly #partBytes: number
  readonly #digests: string[] = []
  #part: Hasher
  #room: number

  /** @param partBytes size of a shard in bytes, or Infinity for one digest of the whole file */
  constructor(hashType: HashType, partBytes: number) {
    this.#hashType = hashType
    this.#partBytes = partBytes
    this.#part = ALGORITHMS[hashType].start()
    this.#room = partBytes
  }

  update(bytes: Uint8Array): void {
    let rest = bytes
    while (rest.length > 0) {
      if (this.#room === 0) this.#next()
      const taken = rest.subarray(0, Math.min(rest.length, this.#room))
      this.#part.update(taken)
      this.#room -= taken.length
      rest = rest.subarray(taken.length)
    }
  }

  /** Ends the file. @returns the digest of each part in lowercase hex */
  digests(): string[] {
    return [...this.#digests, this.#part.hex()]
  }

  #next(): void {
    this.#digests.push(this.#part.hex())
    this.#part = ALGORITHMS[this.#hashType].start()
    this.#room = this.#partBytes
  }
}
