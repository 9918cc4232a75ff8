import type { SigningMethod } from '../bundle/materials/materials.ts'

/** Who signs: what a verifier will find, for those who sign to look at. */
export interface SignedBy {
  method: SigningMethod
  /** Who that is, for people: one line, as in a `VerifiedIdentity`. */
  description: string
  /** Hex SHA-256: of the PEM of the public key (SPKI), or of the DER of the certificate. */
  fingerprint: string
  /** Of a keyless signature: the identity, and the OpenID Connect issuer that vouched for it. */
  identity?: string
  issuer?: string
}

/** An entry of a signature in a transparency log. */
export interface LoggedAt {
  /** URL of the log. */
  log: string
  /** Of the entry in the log: decimal digits. */
  index: string
}

/** When a signature existed, by the word of a third party. */
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
  /** What is told to those who sign; a signer need not say it. */
  signer?: SignedBy
  logEntries?: readonly LoggedAt[]
}

/** What looking at a whole bundle found out. */
export interface CheckedBundle {
  signer?: SignedBy
  time?: SignedAt | undefined
}

/** Makes signatures by one method. */
export interface Signer {
  method: SigningMethod
  /**
   * Signs the pre-authentication encoding of an envelope.
   *
   * @param payload what is encoded, for methods that log it
   */
  sign(encoded: Uint8Array, signal?: AbortSignal, payload?: Uint8Array): Promise<MadeSignature>
  /**
   * Refuses what cannot work, before a model is hashed. It costs nothing, and asks nobody.
   *
   * @throws {@link ModelSealError}
   */
  prepare?(): Promise<void>
  /**
   * Looks at the whole bundle before it is written; where it throws, nothing is.
   *
   * @returns who signed, and when, where it finds that out
   */
  check?(bundle: Buffer): Promise<CheckedBundle> | Promise<void>
}
