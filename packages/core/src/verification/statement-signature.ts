import type { KeyObject } from 'node:crypto'
import type { UnverifiedBundle } from '../bundle/bundle.ts'
import { defectivePreAuthEncoding, type Envelope } from '../bundle/dsse.ts'
import { isSignedBy } from '../x509/key-algorithms.ts'
import type { PublicKey } from '../x509/public-key.ts'
import { statementSteps } from '../bundle/statement.ts'
import { ModelSealError, shown } from '../errors.ts'
import type { Manifest } from '../manifest/manifest.ts'
import { withoutPrototype } from '../snapshot.ts'
import { inTurns, type Steps } from '../source/turns.ts'
import { isKnownOrValid, isSigned } from './known-signatures.ts'

/**
 * Checks the signature of an envelope with a key (OMS 8.2). Yields to the event loop every few milliseconds.
 *
 * @param signer the verifier's name for the signer, for messages
 * @throws {@link ModelSealError} `SIGNATURE_INVALID`, `ABORTED`, and what parsing a statement of a release before 1.0 throws
 */
export function verifyPayload(
  bundle: UnverifiedBundle,
  publicKey: PublicKey,
  signer: string,
  signal: AbortSignal | undefined,
): Promise<SignedPayload> {
  return inTurns(payloadSteps(bundle, publicKey, signer, true), signal)
}

/**
 * {@link verifyPayload}, step by step.
 *
 * @param mayBeOld whether the bundle names its signer as releases before 1.0 do
 */
export function* payloadSteps(
  bundle: UnverifiedBundle,
  publicKey: PublicKey,
  signer: string,
  mayBeOld: boolean,
): Steps<SignedPayload> {
  const { envelope, path } = bundle
  const signed = yield* signedPayload(envelope, publicKey, isKnownOrValid)
  if (signed) return signed
  const old =
    mayBeOld && !bundle.isAttestation && hasOldShape(envelope)
      ? yield* signedBeforeVersion1(envelope, publicKey)
      : undefined
  if (old) return asSigned({ payload: envelope.payload, old })
  throw new ModelSealError('SIGNATURE_INVALID', `The signature over the statement was not made by ${shown(signer)}.`, {
    file: path,
    signer,
    hint: 'The bundle was modified or forged. Do not load the model.',
  })
}

/** A manifest of a hundred thousand files: larger than anything known to be signed by those releases. */
const MAX_OLD_PAYLOAD = 32 * 1024 * 1024

/**
 * A cheap check before the signature is verified, so that a forged bundle costs little: statements of those releases record no
 * ignored paths.
 */
function hasOldShape({ payload }: Envelope): boolean {
  return payload.length <= MAX_OLD_PAYLOAD && !payload.includes('"ignore_paths"')
}

/**
 * OMS 11: releases before 1.0 signed a defective encoding, and 0.2.0 with SHA-256 whatever the
 * curve. Accepted for statements of their shape only.
 */
function* signedBeforeVersion1(envelope: Envelope, publicKey: PublicKey): Steps<Manifest | undefined> {
  const { key, hash } = publicKey
  const isSignedWith = (old?: string) => isSignedBy(key, defectivePreAuthEncoding(envelope), envelope.signature, old)
  const byCurve = yield* isSignedWith()
  if (!byCurve && (hash === 'sha256' || !(yield* isSignedWith('sha256')))) return undefined
  const { manifest, version } = yield* statementSteps(envelope.payload)
  const ofItsTime = version === '0.1' || (byCurve && manifest.serialization.ignorePaths === undefined)
  return ofItsTime ? manifest : undefined
}

declare const verified: unique symbol

/** A payload with a valid signature in its envelope. Only the functions of this folder create one. */
export interface SignedPayload {
  readonly [verified]: true
  readonly payload: Buffer
  /** The manifest in it, if it was signed in the defective encoding of releases before 1.0: then it is nothing but a manifest. */
  readonly old?: Manifest | undefined
}

function asSigned(signed: Omit<SignedPayload, typeof verified>): SignedPayload {
  return withoutPrototype(signed) as SignedPayload
}

/**
 * @param isValid checks the signature
 * @returns undefined if the signature is not valid for the key and payload
 */
export function* signedPayload(
  envelope: Envelope,
  { key }: PublicKey,
  isValid: (envelope: Envelope, key: KeyObject) => Steps<boolean> = isSigned,
): Steps<SignedPayload | undefined> {
  return (yield* isValid(envelope, key)) ? knownPayload(envelope) : undefined
}

/** For an envelope that this process has found to be valid, with the same payload and signature. */
export function knownPayload({ payload }: Envelope): SignedPayload {
  return asSigned({ payload, old: undefined })
}

/**
 * Reads the statement of a payload whose signature was verified (OMS 8.3).
 *
 * @throws {@link ModelSealError} what parsing the statement throws
 */
export function* signedManifestSteps({ payload, old }: SignedPayload): Steps<Manifest> {
  if (old) return old
  const { manifest } = yield* statementSteps(payload)
  return manifest
}
