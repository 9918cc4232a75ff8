import type { KeyObject } from 'node:crypto'
import type { SigningMethod } from '../bundle/materials/materials.ts'

/** The identity of the signer, as verifiers will see it. */
export interface SignedBy {
  method: SigningMethod
  /** A description in one line, as in a `VerifiedIdentity`. */
  description: string
  /** SHA-256 in hex, of the PEM of the public key (SPKI) or of the DER of the certificate. */
  fingerprint: string
  /** For a keyless signature: the identity, and the OpenID Connect issuer that vouched for it. */
  identity?: string
  issuer?: string
}

/** The entry of a signature in a transparency log. */
export interface LoggedAt {
  /** URL of the log. */
  log: string
  /** Index of the entry in the log, in decimal. */
  index: string
}

/** When a signature existed, according to a third party. */
export interface SignedAt {
  /** ISO 8601. */
  at: string
  source: 'rfc3161' | 'rekor'
  /** Distinguished name or URL of the timestamp authority, or URL of the transparency log. */
  authority: string
}

/** A signature, and the bundle's `verificationMaterial` as OMS 4.1 lists it. */
export interface MadeSignature {
  signature: Buffer
  verificationMaterial: object
  /** The key that verifies it, if the signer has it. Optional. */
  publicKey?: KeyObject
  /** Information for the person who signs. Optional. */
  signer?: SignedBy
  logEntries?: readonly LoggedAt[]
}

/** What checking the whole bundle found. */
export interface CheckedBundle {
  signer?: SignedBy
  time?: SignedAt | undefined
}

/** Creates signatures with one method. */
export interface Signer {
  method: SigningMethod
  /** OpenSSL's name of the hash that its signatures use, if the key decides it and is known. */
  hash?: string
  /**
   * Signs the pre-authentication encoding of an envelope.
   *
   * @param payload the encoded payload, for methods that log it
   */
  sign(encoded: Uint8Array, signal?: AbortSignal, payload?: Uint8Array): Promise<MadeSignature>
  /**
   * Refuses what cannot work, before a model is hashed. Cheap, and sends no requests.
   *
   * @throws {@link ModelSealError}
   */
  prepare?(): Promise<void>
  /**
   * Checks the whole bundle, of a model or an attestation, before it is written. If it throws, nothing is written.
   *
   * @returns who signed and when, if it finds out
   */
  check?(bundle: Buffer): Promise<CheckedBundle> | Promise<void>
}
