import type { UnverifiedBundle } from '../bundle/bundle.ts'
import { ModelSealError } from '../errors.ts'
import type { VerifiedSignature } from '../verification/verified-signature.ts'
import type { Policy } from './policy.ts'

/** seam until the certificate verifier lands */
export const seam: {
  verify?: (bundle: UnverifiedBundle, root: string, policy: Policy, now: number) => VerifiedSignature
} = {}

export async function verifyByCertificate(
  bundle: UnverifiedBundle,
  root: string,
  policy: Policy,
  now: number,
): Promise<VerifiedSignature> {
  await Promise.resolve()
  if (!seam.verify) throw new ModelSealError('METHOD_UNSUPPORTED', 'not landed')
  return seam.verify(bundle, root, policy, now)
}
