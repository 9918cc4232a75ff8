import { isUnreadable } from '../x509/alternative-names.ts'
import type { UnverifiedBundle } from '../bundle/bundle.ts'
import { ModelSealError, shown } from '../errors.ts'
import { verifyCertificateBundle } from '../verification/methods/certificate.ts'
import { passAbort } from '../verification/effort.ts'
import type { CertificateSigner, VerifiedSignature } from '../verification/verified-signature.ts'
import type { Occasion } from './occasion.ts'
import type { Policy } from './policy.ts'
import type { AcceptedSigner } from './accepted-signer.ts'

/**
 * Verifies a bundle against a trust root that is certificates, without the ones that the policy
 * revokes.
 *
 * @param name of the trust root
 * @throws {@link ModelSealError} `CERTIFICATE_REVOKED` where the signature rests on a revoked
 * authority; else what `verifyCertificateBundle` throws
 */
export async function verifyByCertificate(
  bundle: UnverifiedBundle,
  name: string,
  policy: Policy,
  { now, effort }: Occasion,
): Promise<VerifiedSignature> {
  const root = policy.roots.get(name)
  if (root?.kind !== 'certificates') throw new RangeError(`no certificates named ${name}`)
  const time = { timestampAuthorities: policy.timestampAuthorities, now: new Date(now), effort }
  const { crls, trusted, revoked } = root
  try {
    return await verifyCertificateBundle(bundle, { ...trusted, crls, ...time }, name)
  } catch (error) {
    passAbort(error)
    if (revoked.roots.length + revoked.intermediates.length === 0) throw error
    const all = {
      roots: [...trusted.roots, ...revoked.roots],
      intermediates: [...trusted.intermediates, ...revoked.intermediates],
    }
    const otherwiseValid = await verifyCertificateBundle(bundle, { ...all, crls, ...time }, name).catch(passAbort)
    if (!otherwiseValid) throw error
    throw new ModelSealError(
      'CERTIFICATE_REVOKED',
      `The policy revokes an authority of ${shown(name)} that the signature rests on.`,
      {
        file: bundle.path,
        signer: name,
        hint: 'Do not load the model; ask its publisher for one that is signed anew.',
        cause: error,
      },
    )
  }
}

/** True for a leaf that has all that the entry of the list names. */
export function isBy(found: CertificateSigner, accepted: AcceptedSigner, root: string): boolean {
  if (accepted.method !== 'certificate' || accepted.root !== root) return false
  const { subject, san, issuer } = accepted
  return (
    (subject?.matches(found.subject) ?? true) &&
    (issuer?.matches(found.issuer) ?? true) &&
    (san === undefined || found.subjectAltNames.some((name) => !isUnreadable(name) && san.matches(name)))
  )
}
