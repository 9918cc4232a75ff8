import { ModelSealError, shown } from '../errors.ts'
import { withoutPrototype } from '../snapshot.ts'

/** A file that a loader wants to have. */
export interface FileRequest {
  name: string
  /** Bytes beyond which the loader has no use for it: a longer file is refused before it is read, or as soon as it is longer. */
  maxBytes?: number | undefined
  /**
   * How many bytes from the beginning the loader needs. All of the file is hashed, and no more than
   * these are kept in memory.
   */
  firstBytes?: number | undefined
  /**
   * Bytes beyond which the loader has no use for several files together: those of all requests of one call that have the
   * same object here. A file that is asked for twice counts once.
   */
  together?: { readonly maxBytes: number } | undefined
}

/**
 * How many bytes the files of one load may have together. What a load reads, copies or keeps in memory
 * is counted before it does, each file once, by its size.
 */
export class SizeLimit {
  readonly #maxBytes: number
  readonly #what: string
  readonly #sizes = new Map<string, number>()
  #bytes = 0

  /** @param what the limit is for, in messages: for all files of a load, by the option `maxBytes` */
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

  /** How much of a file is counted. */
  counted(name: string): number {
    return this.#sizes.get(name) ?? 0
  }

  /** Counts a file as so long, and no longer: what was refused does not count. */
  settle(name: string, bytes: number): void {
    this.#bytes += bytes - this.counted(name)
    this.#sizes.set(name, bytes)
  }
}

/** For {@link fileTooLarge}, where the limit is for all files. */
export const TOGETHER = ' for all files of the model together'

/** What the requests of one call allow: each by itself, and together where they say so. */
export class RequestLimits {
  readonly #together = new Map<object, SizeLimit>()

  /**
   * @param bytes of the file; what has arrived of it
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
