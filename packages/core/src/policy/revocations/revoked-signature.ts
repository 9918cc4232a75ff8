import type { UnverifiedBundle } from '../../bundle/bundle.ts'
import type { ModelSealError } from '../../errors.ts'
import type { VerifiedEnvelope, VerifiedSignature } from '../../verification/verified-signature.ts'
import { methodOf } from '../methods/methods.ts'
import { boundsOf } from '../signature-time.ts'
import type { Revocations } from './revocations.ts'
import { revokedFile } from './revoked-file.ts'
import { revokedAuthority, revokedSigner } from './revoked-signer.ts'

/** Looks up the signer of a valid signature, and every authority that it depends on. */
export async function revokedSignature(
  bundle: UnverifiedBundle,
  signature: Omit<VerifiedEnvelope, 'signed'>,
  revocations: Revocations,
  signal: AbortSignal | undefined,
): Promise<ModelSealError | undefined> {
  const when = boundsOf(signature)
  const key = methodOf(signature.signer.method).keyOf(signature.signer)
  return (
    // The signature is valid, so the bundle's claims about its signer are true. A key without a hint is known by its fingerprint.
    (key === undefined ? undefined : revocations.key(key, when)) ??
    (await revokedSigner(bundle, revocations, when, signal)) ??
    (await revokedAuthority(signature, revocations, signal))
  )
}

/** Looks up a model, its signer and its files. */
export async function revokedModel(
  bundle: UnverifiedBundle,
  signature: VerifiedSignature,
  revocations: Revocations,
  signal: AbortSignal | undefined,
): Promise<ModelSealError | undefined> {
  const when = boundsOf(signature)
  return (
    revocations.rootDigest(signature.manifest.rootDigest, when) ??
    (await revokedSignature(bundle, signature, revocations, signal)) ??
    revokedFile(signature.manifest, revocations, when)
  )
}
