import type { Manifest } from '../manifest/manifest.ts'
import { withoutPrototype } from '../snapshot.ts'
import type { LogEntry, SignatureTime, VerifiedIdentity } from '../results.ts'
import { inTurns, type Steps } from '../source/turns.ts'
import { signedManifestSteps, type SignedPayload } from './statement-signature.ts'

declare const verified: unique symbol

/** A valid signature over a statement that nobody has read yet, and who made it. Only the functions of this folder create one. */
export interface VerifiedEnvelope<Signer extends VerifiedIdentity = VerifiedIdentity> {
  readonly [verified]: true
  readonly signer: Signer
  readonly signed: SignedPayload
  /** SHA-256 of the bundle file, lowercase hex. */
  readonly bundleDigest: string
  /** Absent if no timestamp was verified. */
  readonly time?: SignatureTime
  /** Absent if no entry in a transparency log was verified. */
  readonly logEntry?: LogEntry
  /** Certificates of the authorities whose timestamps were verified, each up to its root: DER. */
  readonly timestampPath?: readonly Buffer[]
  /** Certificates of the authorities of a Sigstore instance that issued the signer's, each up to its root: DER. */
  readonly issuerPath?: readonly Buffer[]
}

/**
 * A valid signature, and the manifest that it covers. Only the functions of this folder create one, so
 * code that takes it can never receive an unverified bundle.
 */
export interface VerifiedSignature<Signer extends VerifiedIdentity = VerifiedIdentity> extends Omit<
  VerifiedEnvelope<Signer>,
  'signed'
> {
  readonly [verified]: true
  readonly manifest: Manifest
}

/** Only for the verifiers of this folder. Without a prototype, nothing on `Object.prototype` can replace an unproven time. */
export function asVerified<Signer extends VerifiedIdentity>(
  envelope: Omit<VerifiedEnvelope<Signer>, typeof verified>,
): VerifiedEnvelope<Signer> {
  return withoutPrototype(envelope) as VerifiedEnvelope<Signer>
}

/** {@link signatureSteps}, in turns. */
export async function verifiedSignature<Signer extends VerifiedIdentity>(
  envelope: VerifiedEnvelope<Signer>,
  signal: AbortSignal | undefined,
): Promise<VerifiedSignature<Signer>> {
  return inTurns(signatureSteps(envelope), signal)
}

/**
 * Reads the statement that a valid signature covers: that of a model.
 *
 * @throws {@link ModelSealError} what parsing the statement throws
 */
export function* signatureSteps<Signer extends VerifiedIdentity>(
  envelope: VerifiedEnvelope<Signer>,
): Steps<VerifiedSignature<Signer>> {
  const { signed, ...others } = withoutPrototype(envelope)
  return withoutPrototype({ ...others, manifest: yield* signedManifestSteps(signed) })
}
