import type { Manifest } from '../manifest/manifest.ts'
import { withoutPrototype } from '../snapshot.ts'
import type { SignatureTime, VerifiedIdentity } from '../results.ts'

declare const verified: unique symbol

/**
 * A valid signature, and the manifest that it covers. Only the functions of this folder create one, so
 * code that takes it can never receive an unverified bundle.
 */
export interface VerifiedSignature<Signer extends VerifiedIdentity = VerifiedIdentity> {
  readonly [verified]: true
  readonly signer: Signer
  readonly manifest: Manifest
  /** SHA-256 of the bundle file, lowercase hex. */
  readonly bundleDigest: string
  /** Absent if no timestamp was verified. */
  readonly time?: SignatureTime
  /** Certificates of the authorities whose timestamps were verified, each up to its root: DER. */
  readonly timestampPath?: readonly Buffer[]
  /** Certificates of the authorities of a Sigstore instance that issued the signer's, each up to its root: DER. */
  readonly issuerPath?: readonly Buffer[]
}

/** Only for the verifiers of this folder. Without a prototype, nothing on `Object.prototype` can replace an unproven time. */
export function asVerified<Signer extends VerifiedIdentity>(
  signature: Omit<VerifiedSignature<Signer>, typeof verified>,
): VerifiedSignature<Signer> {
  return withoutPrototype(signature) as VerifiedSignature<Signer>
}
