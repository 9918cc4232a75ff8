import type { ModelSealError } from '../../errors.ts'
import type { HashType } from '../../hashing/algorithms.ts'
import type { SignedContent, SourceEntry } from '../../source/model-source.ts'

/** What each file is compared with. */
export interface Comparison {
  /** The digests to compute of each file; undefined if none is compared. */
  readonly digests: { hashType: HashType; shardSize: number } | undefined
  /** @throws {@link ModelSealError} for a name that must not be requested */
  expected(name: string): SignedContent | undefined
  /**
   * @param head of the file, by which a replacement may be recognized
   * @throws {@link ModelSealError} if the file is not the expected one
   */
  check(name: string, digests: readonly string[], head: Buffer): void
  /** @throws {@link ModelSealError} if the source itself states that a file is another one */
  checkStated?(entries: Iterable<SourceEntry>): void
  /** The refusal of a file that is too long or too short. */
  wrongSize(name: string, bytes: { expected: number; found: string }, head?: Buffer): ModelSealError
  missing(name: string): ModelSealError
}
