import type { UnverifiedBundle } from '../bundle/bundle.ts'
import { ModelSealError, shown } from '../errors.ts'
import { verifySigstoreWithin } from '../verification/methods/sigstore.ts'
import type { SigstoreSigner, VerifiedSignature } from '../verification/verified-signature.ts'
import type { Occasion } from './occasion.ts'
import type { Policy } from './policy.ts'
import type { AcceptedSigner } from './accepted-signer.ts'

/**
 * Verifies a bundle against a trust root that is a Sigstore instance.
 *
 * @param name of the trust root
 * @throws {@link ModelSealError} what `verifySigstoreBundle` throws; `TRUST_ROOT_INVALID` where the root was not read
 */
export async function verifyBySigstore(
  bundle: UnverifiedBundle,
  name: string,
  policy: Policy,
  { now, effort }: Occasion,
): Promise<VerifiedSignature> {
  const root = policy.roots.get(name)
  if (root?.kind === 'sigstore' && root.trust)
    return verifySigstoreWithin(bundle, root.trust, name, { now: new Date(now), effort })
  throw new ModelSealError('TRUST_ROOT_INVALID', `The trust root ${shown(name)} of the policy could not be read.`)
}

/** True for a signer whose identity, issuer and extensions are all as the entry of the list names them. */
export function isIdentity(found: SigstoreSigner, accepted: AcceptedSigner, root: string): boolean {
  if (accepted.method !== 'sigstore' || accepted.root !== root) return false
  return (
    accepted.identity.matches(found.identity) &&
    accepted.issuer.matches(found.issuer) &&
    Object.entries(accepted.extensions).every(
      ([name, value]) => Object.hasOwn(found.extensions, name) && found.extensions[name] === value,
    )
  )
}
