import type { UnverifiedBundle } from '../../bundle/bundle.ts'
import type { SigstoreIdentity } from '../../results.ts'
import { parsedWithoutPrototypes } from '../../snapshot.ts'
import type { Effort } from '../effort.ts'
import { digestOf, LONGEST_PAYLOAD, Memory, ownBundle } from '../memory.ts'
import { isPossible } from '../sigstore/time.ts'
import type { SigstoreTrust } from '../sigstore/trust.ts'
import { knownPayload } from '../statement-signature.ts'
import type { VerifiedEnvelope } from '../verified-signature.ts'
import { certificateOf, keylessEnvelope, verifyKeyless, type ProvenSigner } from './sigstore.ts'

/** For the trusted root of a policy, the bundles that were found to be valid. */
const known = new Memory<ProvenSigner>(1_024)

/**
 * Like `verifySigstoreBundle()`, but without reading the statement, and within the remaining effort of a load. A bundle that this
 * process has found valid is not verified again, unless a time that it states is now in the future: nothing else depends on the
 * current time.
 *
 * @param trust what is found valid is remembered for this object, which must never change
 */
export async function verifySigstoreWithin(
  given: UnverifiedBundle,
  trust: SigstoreTrust,
  name: string,
  occasion: { now: Date; effort: Effort },
): Promise<VerifiedEnvelope<SigstoreIdentity>> {
  const { now, effort } = occasion
  if (given.envelope.payload.length > LONGEST_PAYLOAD) {
    const { signed, ...proven } = await verifyKeyless(given, trust, name, occasion)
    return keylessEnvelope(given, proven, signed)
  }
  const bundle = ownBundle(given, { withPayload: true })
  bundle.json = parsedWithoutPrototypes(given.json)
  const digest = keylessDigest(bundle, name)
  await effort.turn()
  const remembered = known.recall(trust, digest)
  if (remembered?.times.every((at) => isPossible(at, now)))
    return keylessEnvelope(bundle, remembered, knownPayload(bundle.envelope))
  const { signed, ...proven } = await verifyKeyless(bundle, trust, name, occasion)
  known.keep(trust, digest, proven)
  return keylessEnvelope(bundle, proven, signed)
}

/** Covers everything that the result depends on besides the trusted root. */
function keylessDigest(bundle: UnverifiedBundle, name: string): string {
  const { envelope, timestamps, json } = bundle
  const { payloadType, payload, signature } = envelope
  const parts = [name, certificateOf(bundle, name), payloadType, payload, signature]
  return digestOf([...parts, digestOf(timestamps), digestOf(textsOf(json))])
}

/** The content of parsed JSON without prototypes. Unambiguous, because each object or array is preceded by its kind and size. JSON.stringify() would call any `toJSON` on Object.prototype. */
function textsOf(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [`${typeof value} ${String(value)}`]
  const fields = Object.entries(value)
  const content = fields.flatMap(([name, item]) => [name, ...textsOf(item)])
  return [`${Array.isArray(value)} ${fields.length}`, ...content]
}
