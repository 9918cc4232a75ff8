import { ModelSealError, shown } from '../errors.ts'

/** What is reserved where the length is not known; grows as needed. */
const FIRST_BYTES = 64 * 1024

/** Collects what arrives in one buffer: filled once where the length was announced, else grown. */
export class BodyBuffer {
  readonly #name: string
  #bytes: ArrayBuffer
  #length = 0

  /**
   * @param name of the file, for messages
   * @param length bytes that were announced: a hint, not believed
   * @throws {@link ModelSealError} `FILE_TOO_LARGE`
   */
  constructor(name: string, length: number | undefined) {
    this.#name = name
    this.#bytes = this.#allocated(() => new ArrayBuffer(length ?? FIRST_BYTES))
  }

  /** @returns the same bytes where they lie now, so that what is hashed is what is handed out */
  add(chunk: Uint8Array): Uint8Array {
    const start = this.#length
    this.#length += chunk.length
    if (this.#length > this.#bytes.byteLength) {
      const size = Math.max(this.#length, 2 * this.#bytes.byteLength)
      this.#bytes = this.#allocated(() => this.#bytes.transfer(size))
    }
    const own = new Uint8Array(this.#bytes, start, chunk.length)
    own.set(chunk)
    return own
  }

  /** Ends the collecting. @returns the one buffer, as long as what was added */
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
