import { timingSafeEqual } from 'node:crypto'
import type { UnverifiedBundle } from '../../bundle/bundle.ts'
import { checkBundle } from '../../bundle/check-bundle.ts'
import { keyWords, methodHint } from '../../bundle/signer-words.ts'
import { ModelSealError, shown } from '../../errors.ts'
import { atOnce, inTurns, type Steps } from '../../source/turns.ts'
import { payloadSteps } from '../statement-signature.ts'
import { having, required, text } from '../../kinds.ts'
import { knownOptions, snapshot, type Shape } from '../../snapshot.ts'
import { ownBundle } from '../memory.ts'
import { provenTime, statedTimeTrust, TIME_TRUST, timeOf, type StatedTimeTrust, type TimeTrust } from '../timestamp.ts'
import type { KeyIdentity } from '../../results.ts'
import {
  asVerified,
  signatureSteps,
  verifiedSignature,
  type VerifiedEnvelope,
  type VerifiedSignature,
} from '../verified-signature.ts'
import { isDer, isNamedBy, namedKey, parseCarriedKey, type PublicKey } from '../../x509/public-key.ts'

/**
 * Verifies a bundle that was signed with a key pair (OMS 4.1 `key`, 8.2, 8.3). If `trust` is given,
 * its timestamps are verified, too, and the result contains the time; otherwise they are ignored.
 *
 * @param name the caller's name for the key, which the result contains
 * @throws {@link ModelSealError} `METHOD_MISMATCH`, `KEY_MISMATCH`, `SIGNATURE_INVALID`,
 * `TIMESTAMP_INVALID`, `TIMESTAMP_UNTRUSTED`, and what parsing the statement throws
 */
export function verifyKeyBundle(
  bundle: UnverifiedBundle,
  publicKey: PublicKey,
  name: string,
): VerifiedSignature<KeyIdentity>
export function verifyKeyBundle(
  bundle: UnverifiedBundle,
  publicKey: PublicKey,
  name: string,
  trust: TimeTrust,
): Promise<VerifiedSignature<KeyIdentity>>
export function verifyKeyBundle(
  bundle: UnverifiedBundle,
  publicKey: PublicKey,
  name: string,
  trust?: TimeTrust,
): VerifiedSignature<KeyIdentity> | Promise<VerifiedSignature<KeyIdentity>> {
  checkBundle(bundle)
  const steps = verificationSteps(bundle, knownOptions(publicKey, PUBLIC_KEY, 'a public key'), name)
  if (!trust) return atOnce(signatureSteps(atOnce(steps)))
  return withTime(bundle, steps, statedTimeTrust(snapshot(trust, TIME_TRUST, 'verifyKeyBundle')))
}

async function withTime(
  bundle: UnverifiedBundle,
  steps: Steps<VerifiedEnvelope<KeyIdentity>>,
  trust: StatedTimeTrust,
): Promise<VerifiedSignature<KeyIdentity>> {
  return verifiedSignature(await verifyWithTime(bundle, steps, trust), trust.effort.signal)
}

/** Like {@link verifyKeyBundle} with its time, but without reading the statement, within the remaining effort of a load. See {@link provenTime} for what is remembered. */
export async function verifyKeyWithin(
  bundle: UnverifiedBundle,
  publicKey: PublicKey,
  name: string,
  trust: StatedTimeTrust,
): Promise<VerifiedEnvelope<KeyIdentity>> {
  return verifyWithTime(bundle, verificationSteps(bundle, publicKey, name), trust)
}

/** Read once, so that the key that is compared with the bundle's claim is the one that verifies. */
const PUBLIC_KEY: Shape<PublicKey> = {
  key: required(having('a KeyObject', (value) => 'asymmetricKeyType' in value)),
  hash: required(text),
  fingerprint: required(text),
}

function* verificationSteps(
  bundle: UnverifiedBundle,
  publicKey: PublicKey,
  name: string,
): Steps<VerifiedEnvelope<KeyIdentity>> {
  checkKeyClaim(bundle, publicKey, name)
  const { fingerprint } = publicKey
  return asVerified<KeyIdentity>({
    signer: { method: 'key', name, fingerprint, description: keyWords(fingerprint) },
    signed: yield* payloadSteps(bundle, publicKey, name, mayBeOld(bundle)),
    bundleDigest: bundle.digest,
  })
}

async function verifyWithTime(
  bundle: UnverifiedBundle,
  steps: Steps<VerifiedEnvelope<KeyIdentity>>,
  trust: StatedTimeTrust,
): Promise<VerifiedEnvelope<KeyIdentity>> {
  const envelope = await inTurns(steps, trust.effort.signal)
  const time = await provenTime(ownBundle(bundle, { withPayload: false }), trust)
  return asVerified({ ...envelope, ...timeOf(time) })
}

/** Bundles of releases before 1.0 contain the key itself, in PEM (OMS 11). */
function mayBeOld({ material }: UnverifiedBundle): boolean {
  return material.method === 'key' && material.rawBytes !== undefined && !isDer(material.rawBytes)
}

/** A bundle of another method is refused, and a key that the bundle names must be the given one. */
function checkKeyClaim({ material, path }: UnverifiedBundle, publicKey: PublicKey, name: string): void {
  if (material.method !== 'key') {
    throw new ModelSealError('METHOD_MISMATCH', 'The bundle was not signed with a key pair.', {
      file: path,
      signer: name,
      expected: 'the method key',
      found: `the method ${material.method}`,
      hint: methodHint(material.method),
    })
  }
  const { hint, rawBytes } = material
  // If the bundle contains the key itself, the form of the hint beside it depends on the signer.
  const claimed = rawBytes ? parseCarriedKey(rawBytes, path).fingerprint : hint
  const isOwn = (named: string) => sameText(named, publicKey.fingerprint) || (!rawBytes && isNamedBy(named, publicKey))
  if (claimed !== undefined && !isOwn(claimed))
    throw new ModelSealError('KEY_MISMATCH', `The bundle was signed with a key other than ${shown(name)}.`, {
      file: path,
      signer: name,
      expected: `the key sha256:${publicKey.fingerprint}`,
      found: `the key ${namedKey(claimed)}`,
      hint: 'Use the key that the publisher signs with, or the bundle that was signed with this key.',
    })
}

function sameText(a: string, b: string): boolean {
  const [x, y] = [Buffer.from(a), Buffer.from(b)]
  return x.length === y.length && timingSafeEqual(x, y)
}
