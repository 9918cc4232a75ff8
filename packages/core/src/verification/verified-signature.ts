import type { Manifest } from '../manifest/manifest.ts'
import { withoutPrototype } from '../snapshot.ts'
import type { TrustRootInfo } from './sigstore/trust.ts'

/**
 * Who signed: proven by a signature, not merely claimed. `description` says it in one line: `key sha256:84b3…`,
 * `CN=Release,O=Acme (email:release@acme.example)`, or
 * `release@acme.example (vouched for by https://accounts.google.com)`. It is for people and may be worded differently in a
 * later version; programs use the other fields.
 */
export type VerifiedSigner = KeySigner | CertificateSigner | SigstoreSigner

export interface KeySigner {
  method: 'key'
  /** Who signed, for people: one line, in which names are escaped where they have to be. See {@link VerifiedSigner}. */
  description: string
  /** The verifier's own name for the signer: of a trust root, or of a key file. */
  name: string
  /** Hex SHA-256 of the PEM of the public key (SPKI). */
  fingerprint: string
}

export interface CertificateSigner {
  method: 'certificate'
  /** Who signed, for people: one line, in which names are escaped where they have to be. See {@link VerifiedSigner}. */
  description: string
  /** The verifier's own name for the trust root. */
  name: string
  /** Hex SHA-256 of the DER of the leaf certificate. */
  fingerprint: string
  /** Distinguished names of the leaf (RFC 4514): `CN=...,O=...`. */
  subject: string
  issuer: string
  /** Lowercase hex. */
  serialNumber: string
  /** With their kind: `email:a@b.org`, `URI:...`, `DNS:...`, `otherName:OID:...`; `unreadable:...` matches no rule. */
  subjectAltNames: readonly string[]
  /** Validity of the leaf (ISO 8601). */
  notBefore: string
  notAfter: string
  /** Hex SHA-256 of the DER of the root that the chain leads to. */
  rootFingerprint: string
}

/** An identity that a Sigstore instance vouches for. */
export interface SigstoreSigner {
  method: 'sigstore'
  /** Who signed, for people: one line, in which names are escaped where they have to be. See {@link VerifiedSigner}. */
  description: string
  /** The verifier's own name for the trust root. */
  name: string
  /** The one subject alternative name of the certificate: an e-mail address, a URI, or another name. */
  identity: string
  /** The OpenID Connect issuer that vouched for the identity. */
  issuer: string
  /** Hex SHA-256 of the DER of the certificate. */
  fingerprint: string
  /** Lowercase hex. */
  serialNumber: string
  /** Further extensions of the certificate by name, such as `sourceRepositoryUri` (see `EXTENSION_NAMES`). */
  extensions: Readonly<Record<string, string>>
  /** Validity of the certificate (ISO 8601). */
  notBefore: string
  notAfter: string
  /** Which trusted root was used, and how old it is. */
  trustRoot: TrustRootInfo
}

/** When a signature existed already, by the word of a trusted third party. */
export interface SignatureTime {
  /** ISO 8601. */
  at: string
  source: 'rfc3161' | 'rekor'
  /** Distinguished name of the timestamp authority (RFC 4514), or URL of the transparency log. */
  authority: string
}

declare const verified: unique symbol

/**
 * A bundle whose signature is valid, and what it is over. Only the functions of this folder make
 * one, so that code which takes it cannot be handed a bundle that nobody verified.
 */
export interface VerifiedSignature<Signer extends VerifiedSigner = VerifiedSigner> {
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
export function asVerified<Signer extends VerifiedSigner>(
  signature: Omit<VerifiedSignature<Signer>, typeof verified>,
): VerifiedSignature<Signer> {
  return withoutPrototype(signature) as VerifiedSignature<Signer>
}
