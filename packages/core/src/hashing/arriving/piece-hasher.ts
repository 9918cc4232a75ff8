import { StreamHasher } from '../stream-hasher.ts'
import type { HashType } from '../algorithms.ts'

/** Digests to compute of a file: one for each part of this size, or Infinity for one of the whole file. */
export interface WantedDigests {
  readonly hashType: HashType
  readonly partBytes: number
}

/** Computes digests of a file that arrives in pieces. */
export interface PieceHasher {
  /** Allocates memory that pieces can be in. */
  memory(bytes: number): Uint8Array
  /** Hashes the next piece, which must not change before that is done. */
  hash(piece: Uint8Array): Promise<void>
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

/** Hashes on the calling thread. */
export class CallingThreadHasher implements PieceHasher {
  readonly #digests: SeveralDigests

  constructor(wanted: readonly WantedDigests[]) {
    this.#digests = new SeveralDigests(wanted)
  }

  memory(bytes: number): Uint8Array {
    return Buffer.allocUnsafeSlow(bytes)
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- a failure is that of the piece
  async hash(piece: Uint8Array): Promise<void> {
    this.#digests.update(piece)
  }

  digests(): Promise<string[][]> {
    return Promise.resolve(this.#digests.digests())
  }

  end(): void {}
}
