import type { ModelSealError } from '../../errors.ts'
import type { OpenFile } from '../../source/private/thread-file.ts'
import type { HashType } from '../algorithms.ts'
import { StreamHasher } from '../stream-hasher.ts'

/** Digests to compute of a file: one for each part of this size, or Infinity for one of the whole file. */
export interface WantedDigests {
  readonly hashType: HashType
  readonly partBytes: number
}

/** Stores a file that arrives in pieces. */
export type PieceWriter = {
  /** Stores a piece, which does not change until that is done. */
  write(piece: Uint8Array, position: number): Promise<void>
} & (SharedWriter | { readonly shared: undefined })

/** A file that a thread may write, in place of `write()`. */
interface SharedWriter {
  readonly shared: OpenFile
  /**
   * Is told of each piece that a thread writes.
   *
   * @param done settled once the thread no longer writes the piece
   * @throws if the file must not be written any more
   */
  passedOn(done: Promise<unknown>): void
  /** The error for what the operating system reported to the thread. */
  refusal(cause: unknown): ModelSealError
}

/** Computes digests of a file that arrives in pieces, and stores it. */
export interface PieceHasher {
  /** New memory that pieces can be in. */
  memory(bytes: number): Uint8Array
  /**
   * Hashes the next piece, which must not change before that is done.
   *
   * @param position where it is written; undefined if it is only hashed
   */
  hash(piece: Uint8Array, position: number | undefined): Promise<void>
  /** Ends the file. @returns the digests that were wanted, in lowercase hex */
  digests(): Promise<string[][]>
  /** Releases what is left. */
  end(): void
}

/** Computes several kinds of digests in the same pass. */
export class SeveralDigests {
  readonly #hashers: readonly StreamHasher[]

  constructor(wanted: readonly WantedDigests[]) {
    this.#hashers = wanted.map(({ hashType, partBytes }) => new StreamHasher(hashType, partBytes))
  }

  update(bytes: Uint8Array): void {
    for (const hasher of this.#hashers) hasher.update(bytes)
  }

  digests(): string[][] {
    return this.#hashers.map((hasher) => hasher.digests())
  }
}

/** Hashes on the calling thread, while the piece is written. */
export class CallingThreadHasher implements PieceHasher {
  readonly #digests: SeveralDigests
  readonly #writer: PieceWriter | undefined

  constructor(wanted: readonly WantedDigests[], writer: PieceWriter | undefined) {
    this.#digests = new SeveralDigests(wanted)
    this.#writer = writer
  }

  memory(bytes: number): Uint8Array {
    return Buffer.allocUnsafeSlow(bytes)
  }

  async hash(piece: Uint8Array, position: number | undefined): Promise<void> {
    const writing = position === undefined ? undefined : this.#writer?.write(piece, position)
    try {
      this.#digests.update(piece)
    } finally {
      await writing
    }
  }

  digests(): Promise<string[][]> {
    return Promise.resolve(this.#digests.digests())
  }

  end(): void {}
}
