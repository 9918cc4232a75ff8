import type { SigningMethod } from '../bundle/bundle.ts'
import type { Manifest } from '../manifest/manifest.ts'

/** Who signed: proven by a signature, not merely claimed. */
export interface VerifiedSigner {
  method: SigningMethod
  /** The verifier's own name for the signer: of a trust root, or of a key file. */
  name: string
  /** Hex SHA-256 of the PEM of the public key (SPKI). */
  fingerprint: string
}

declare const verified: unique symbol

/**
 * A bundle whose signature is valid, and what it is over. Only the functions of this folder make
 * one, so that code which takes it cannot be handed a bundle that nobody verified.
 */
export interface VerifiedSignature {
  readonly [verified]: true
  readonly signer: VerifiedSigner
  readonly manifest: Manifest
  /** SHA-256 of the bundle file, lowercase hex. */
  readonly bundleDigest: string
}

/** For the verifiers of this folder alone. */
export function asVerified(signature: Omit<VerifiedSignature, typeof verified>): VerifiedSignature {
  return signature as VerifiedSignature
}
