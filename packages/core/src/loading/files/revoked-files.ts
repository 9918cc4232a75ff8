import type { ModelSealError } from '../../errors.ts'
import { isHashType, type HashType } from '../../hashing/algorithms.ts'
import type { FurtherDigests } from '../../manifest/contents.ts'
import type { Serialization } from '../../manifest/serialization.ts'
import type { Revocations } from '../../policy/revocations/revocations.ts'
import type { SignatureBounds } from '../../policy/signature-time.ts'

/**
 * Looks up files among the revoked ones. The digests are those of the very bytes that are handed out: they come from
 * the same read as the signed digest.
 */
export class RevokedFiles implements FurtherDigests {
  readonly hashTypes: readonly HashType[]
  readonly #revocations: Revocations
  readonly #when: SignatureBounds | undefined

  /**
   * @param hashTypes hash types of the digests to look up
   * @param when the model was signed, as far as proven
   */
  constructor(revocations: Revocations, hashTypes: readonly HashType[], when?: SignatureBounds) {
    this.#revocations = revocations
    this.hashTypes = hashTypes
    this.#when = when
  }

  /** @throws {@link ModelSealError} `FILE_REVOKED` */
  check(name: string, hashType: HashType, digest: string): void {
    const revoked = this.#revocations.file(name, hashType, digest, this.#when)
    if (revoked) throw revokedBy(this.#revocations, revoked)
  }
}

const revokers = new WeakMap<object, Revocations>()

/** Records which policy's revocations caused a refusal, if several are looked up together. */
export function revokedBy<E extends ModelSealError>(revocations: Revocations, error: E): E {
  revokers.set(error, revocations)
  return error
}

/** @returns undefined for any other error */
export function revokerOf(error: unknown): Revocations | undefined {
  return typeof error === 'object' && error !== null ? revokers.get(error) : undefined
}

/** The hash types by which files are revoked and for which the manifest has no digests. */
export function hashTypesBeside({ method, hashType }: Serialization, revocations: Revocations): HashType[] {
  return hashTypesOf(revocations).filter((type) => method === 'shards' || type !== hashType)
}

export function hashTypesOf({ fileAlgorithms }: Revocations): HashType[] {
  return [...fileAlgorithms].filter(isHashType)
}
