import { ModelSealError, shown } from '../errors.ts'

/** Initial size if the length is unknown. */
const FIRST_BYTES = 64 * 1024

/**
 * Collects a body, or the beginning of it, in one buffer. The buffer is allocated once if the length was announced, and
 * grows otherwise.
 */
export class BodyBuffer {
  readonly #name: string
  readonly #most: number
  #bytes: ArrayBuffer
  #length = 0

  /**
   * @param name of the file, for messages
   * @param length announced length in bytes; only a hint
   * @param most maximum number of bytes to keep; the rest is passed on only
   * @throws {@link ModelSealError} `FILE_TOO_LARGE`
   */
  constructor(name: string, length: number | undefined, most = Infinity) {
    this.#name = name
    this.#most = most
    this.#bytes = this.#allocated(() => new ArrayBuffer(Math.min(length ?? FIRST_BYTES, most)))
  }

  /**
   * @returns the bytes in their new place, so that the memory that is hashed is the memory that is handed out; then the
   * bytes that are not kept
   */
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

  /** @returns the collected bytes in one buffer of exactly their length */
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
        `Cannot load the file ${shown(this.#name)}: it does not fit into one buffer.`,
        {
          file: this.#name,
          cause,
        },
      )
    }
  }
}
