import type { KeyObject } from 'node:crypto'
import { preAuthEncodingPieces, type Envelope } from '../bundle/dsse.ts'
import type { Steps } from '../source/turns.ts'
import { isSignedBy } from '../x509/key-algorithms.ts'
import { copyOf, digestOf, LONGEST_PAYLOAD, Memory } from './memory.ts'

/** For each key, the payloads and signatures that were found to be valid. */
const known = new Memory<true>(1_024)

/**
 * Whether the signature of an envelope is valid for a key. If this process has found it valid before, it is not
 * verified again. Only this fact is kept, and nothing that a caller could change: statements are parsed each time, and
 * times and revocations are judged each time.
 */
export function* isKnownOrValid(envelope: Envelope, key: KeyObject): Steps<boolean> {
  if (isKnown(envelope, key)) return true
  const { payloadType, payload, signature } = envelope
  if (payload.length > LONGEST_PAYLOAD) return yield* isSigned(envelope, key)
  // If other code changes the payload meanwhile, that must not outlast this load: only copies are verified and remembered.
  const own: Envelope = { payloadType, payload: copyOf(payload), signature: copyOf(signature) }
  const digest = digestOf([payloadType, own.payload, own.signature])
  if (!(yield* isSigned(own, key))) return false
  known.keep(key, digest, true)
  return true
}

/** Whether {@link isKnownOrValid} remembers a signature, so that it costs no check. */
export function isKnown({ payloadType, payload, signature }: Envelope, key: KeyObject): boolean {
  if (payload.length > LONGEST_PAYLOAD) return false
  return known.recall(key, digestOf([payloadType, payload, signature])) === true
}

/** Whether the signature of an envelope is valid for a key. */
export function isSigned(envelope: Envelope, key: KeyObject): Steps<boolean> {
  return isSignedBy(key, preAuthEncodingPieces(envelope), envelope.signature)
}
