import { ModelSealError, shown } from '../errors.ts'

/** What is reserved where the length is not known; grows as needed. */
const FIRST_BYTES = 64 * 1024

/** Collects what arrives, or the beginning of it, in one buffer: filled once where the length was announced, else grown. */
export class BodyBuffer {
  readonly #name: string
  readonly #most: number
  #bytes: ArrayBuffer
  #length = 0

  /**
   * @param name of the file, for messages
   * @param length bytes that were announced: a hint, not believed
   * @param most bytes that are collected; what follows is passed on and not kept
   * @throws {@link ModelSealError} `FILE_TOO_LARGE`
   */
  constructor(name: string, length: number | undefined, most = Infinity) {
    this.#name = name
    this.#most = most
    this.#bytes = this.#allocated(() => new ArrayBuffer(Math.min(length ?? FIRST_BYTES, most)))
  }

  /** @returns the same bytes where they lie now, so that what is hashed is what is handed out; then those that are not kept */
  add(chunk: Uint8Array): Uint8Array[] {
    const start = this.#length
    const kept = Math.min(chunk.length, this.#most - start)
    if (kept <= 0) return [chunk]
    this.#length += kept
    if (this.#length > this.#bytes.byteLength) {
      const size = Math.min(Math.max(this.#length, 2 * this.#bytes.byteLength), this.#most)
      this.#bytes = this.#allocated(() => this.#bytes.transfer(size))
    }
    const own = new Uint8Array(this.#bytes, start, kept)
    own.set(chunk.subarray(0, kept))
    return kept === chunk.length ? [own] : [own, chunk.subarray(kept)]
  }

  /** Ends the collecting. @returns the one buffer, as long as what was collected */
  finish(): Uint8Array<ArrayBuffer> {
    if (this.#length < this.#bytes.byteLength) this.#bytes = this.#bytes.transfer(this.#length)
    return new Uint8Array(this.#bytes)
  }

  #allocated(allocate: () => ArrayBuffer): ArrayBuffer {
    try {
      return allocate()
    } catch (cause) {
      throw new ModelSealError(
        'FILE_TOO_LARGE',
        `The file ${shown(this.#name)} does not fit into memory as one buffer.`,
        {
          file: this.#name,
          cause,
        },
      )
    }
  }
}
