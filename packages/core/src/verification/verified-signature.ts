import type { Manifest } from '../manifest/manifest.ts'
import { withoutPrototype } from '../snapshot.ts'
import type { SignatureTime, VerifiedIdentity } from '../results.ts'

declare const verified: unique symbol

/**
 * A bundle whose signature is valid, and what it is over. Only the functions of this folder make
 * one, so that code which takes it cannot be handed a bundle that nobody verified.
 */
export interface VerifiedSignature<Signer extends VerifiedIdentity = VerifiedIdentity> {
  readonly [verified]: true
  readonly signer: Signer
  readonly manifest: Manifest
  /** SHA-256 of the bundle file, lowercase hex. */
  readonly bundleDigest: string
  /** Absent where no timestamp was looked at. */
  readonly time?: SignatureTime
  /** Certificates of the authorities whose timestamps were looked at, each up to its root: DER. */
  readonly timestampPath?: readonly Buffer[]
  /** Certificates of the authorities of a Sigstore instance that issued the signer's, each up to its root: DER. */
  readonly issuerPath?: readonly Buffer[]
}

/** For the verifiers of this folder alone. Nothing on `Object.prototype` can stand in for a time that was not proven. */
export function asVerified<Signer extends VerifiedIdentity>(
  signature: Omit<VerifiedSignature<Signer>, typeof verified>,
): VerifiedSignature<Signer> {
  return withoutPrototype(signature) as VerifiedSignature<Signer>
}
