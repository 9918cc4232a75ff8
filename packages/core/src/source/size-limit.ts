import { ModelSealError, shown } from '../errors.ts'
import { withoutPrototype } from '../snapshot.ts'

/** Unless the caller sets another limit, a model that is not on this machine may have this many bytes in total. */
export const DEFAULT_MAX_BYTES = 4 * 1024 ** 3

/** A file that a loader requests. */
export interface FileRequest {
  name: string
  /** Maximum size in bytes. A larger file is refused before it is read, or as soon as it exceeds the limit. */
  maxBytes?: number | undefined
  /**
   * Number of bytes from the beginning that the loader needs. The whole file is hashed, but only these are kept in
   * memory.
   */
  firstBytes?: number | undefined
  /**
   * Maximum total size in bytes of all files in one call that share this object. A file that is requested twice counts
   * once.
   */
  together?: { readonly maxBytes: number } | undefined
}

/**
 * Maximum total size of the files of one load. Each file counts once, by its size, before it is read, copied or kept in
 * memory.
 */
export class SizeLimit {
  readonly #maxBytes: number
  readonly #what: string
  readonly #sizes = new Map<string, number>()
  #bytes = 0

  /** @param what the scope of the limit, for messages. Default: all files of a load, by the option `maxBytes` */
  constructor(maxBytes: number, what = `${TOGETHER} ("maxBytes")`) {
    this.#maxBytes = maxBytes
    this.#what = what
  }

  /** @throws {@link ModelSealError} `FILE_TOO_LARGE` */
  admit(name: string, bytes: number): void {
    const more = bytes - (this.#sizes.get(name) ?? 0)
    if (more <= 0) return
    if (this.#bytes + more > this.#maxBytes) throw fileTooLarge(name, this.#maxBytes, this.#what, `${bytes} bytes`)
    this.#bytes += more
    this.#sizes.set(name, bytes)
  }

  /** How many bytes of a file have been counted. */
  counted(name: string): number {
    return this.#sizes.get(name) ?? 0
  }

  /** Sets the size that counts for a file, because what was refused does not count. */
  settle(name: string, bytes: number): void {
    this.#bytes += bytes - this.counted(name)
    this.#sizes.set(name, bytes)
  }
}

/** For {@link fileTooLarge}, if the limit applies to all files together. */
export const TOGETHER = ' for all files of the model together'

/** The limits of the requests of one call: for each file, and for files that share a limit. */
export class RequestLimits {
  readonly #together = new Map<object, SizeLimit>()

  /**
   * @param bytes size of the file, or the bytes received so far
   * @throws {@link ModelSealError} `FILE_TOO_LARGE`
   */
  check(request: FileRequest, bytes: number): void {
    const { name, maxBytes = Infinity, together } = withoutPrototype(request)
    if (bytes > maxBytes) throw fileTooLarge(name, maxBytes, '', `${bytes} bytes`)
    if (!together) return
    let limit = this.#together.get(together)
    if (!limit) {
      limit = new SizeLimit(together.maxBytes, ' for all files of its group together')
      this.#together.set(together, limit)
    }
    limit.admit(name, bytes)
  }
}

export function fileTooLarge(name: string, limit: number, what = '', found?: string): ModelSealError {
  return new ModelSealError('FILE_TOO_LARGE', `Cannot load the file ${shown(name)}: it is too large.`, {
    file: name,
    expected: `at most ${limit} bytes${what}`,
    found,
  })
}
