import { ModelSealError, shown } from '../errors.ts'

/** A file that a loader wants to have. */
export interface FileRequest {
  name: string
  /** Bytes beyond which the loader has no use for it: a longer file is refused before it is read, or as soon as it is longer. */
  maxBytes?: number | undefined
  /**
   * How many bytes from the beginning the loader needs. All of the file is hashed, and no more than
   * these are kept in memory where the file lies on this machine.
   */
  firstBytes?: number | undefined
}

/**
 * How many bytes the files of one load may have together. What a load reads, copies or keeps in memory
 * is counted before it does, each file once, by its size.
 */
export class SizeLimit {
  readonly #maxBytes: number
  readonly #sizes = new Map<string, number>()
  #bytes = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** @throws {@link ModelSealError} `FILE_TOO_LARGE` */
  admit(name: string, bytes: number): void {
    const more = bytes - (this.#sizes.get(name) ?? 0)
    if (more <= 0) return
    if (this.#bytes + more > this.#maxBytes)
      throw fileTooLarge(name, this.#maxBytes, `${TOGETHER} ("maxBytes")`, `${bytes} bytes`)
    this.#bytes += more
    this.#sizes.set(name, bytes)
  }
}

/** For {@link fileTooLarge}, where the limit is for all files. */
export const TOGETHER = ' for all files of the model together'

/** @throws {@link ModelSealError} `FILE_TOO_LARGE` */
export function checkRequested({ name, maxBytes = Infinity }: FileRequest, bytes: number): void {
  if (bytes > maxBytes) throw fileTooLarge(name, maxBytes, '', `${bytes} bytes`)
}

export function fileTooLarge(name: string, limit: number, what = '', found?: string): ModelSealError {
  return new ModelSealError('FILE_TOO_LARGE', `Cannot load the file ${shown(name)}: it is larger than it may be.`, {
    file: name,
    expected: `at most ${limit} bytes${what}`,
    found,
  })
}
