import type { VerificationMaterial } from '../../bundle/materials/materials.ts'
import { ModelSealError } from '../../errors.ts'
import { passAbort } from '../../verification/effort.ts'
import type { VerifiedIdentity } from '../../results.ts'
import type { VerifiedEnvelope } from '../../verification/verified-signature.ts'
import type { Identification, IdentifiedEnvelope } from './method.ts'

/** How a method whose entries name a trust root verifies, and which signers an entry accepts. */
interface RootedMethod<Signer extends VerifiedIdentity, Accepted> {
  verify: (root: string) => Promise<VerifiedEnvelope<Signer>>
  accepts: (accepted: Accepted, signer: Signer) => boolean
  /** The signer, for messages. */
  found: (signer: Signer) => string
}

/**
 * Verifies a bundle against each trust root that the entries name, until one accepts its signer.
 *
 * @throws {@link ModelSealError} `ABORTED`, or the reason why the first of them does not
 */
export async function identifyByRoot<
  Material extends VerificationMaterial,
  Signer extends VerifiedIdentity,
  Accepted extends { root: string },
>(
  { entries, notTrusted }: Identification<Material, Accepted>,
  { verify, accepts, found }: RootedMethod<Signer, Accepted>,
): Promise<IdentifiedEnvelope<Signer>> {
  let refusal: ModelSealError | undefined
  for (const root of new Set(entries.map(({ accepted }) => accepted.root))) {
    try {
      const signature = await verify(root)
      const { signer } = signature
      const signers = entries.flatMap(({ index, accepted }) =>
        accepted.root === root && accepts(accepted, signer) ? [index] : [],
      )
      if (signers.length > 0) return { signature, signers, validities: [] }
      refusal ??= notTrusted(found(signer))
    } catch (error) {
      passAbort(error)
      if (!(error instanceof ModelSealError)) throw error
      refusal ??= error
    }
  }
  throw refusal ?? notTrusted()
}
