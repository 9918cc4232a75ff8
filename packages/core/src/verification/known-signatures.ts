import { createHash, type KeyObject } from 'node:crypto'
import { preAuthEncodingPieces, type Envelope } from '../bundle/dsse.ts'
import type { Steps } from '../source/turns.ts'
import { isSignedBy } from '../x509/key-algorithms.ts'

/** Number of signatures that are remembered for each key. */
const MOST_SIGNATURES = 1_024
/** A longer payload is verified every time: hashing it takes longer than checking the signature. */
const LONGEST_PAYLOAD = 256 * 1024

/**
 * For each key, digests of the payloads and signatures that were found to be valid, least recently used first. The key
 * is the object itself, not what anybody says about it; a policy that is read again has other objects.
 */
const known = new WeakMap<KeyObject, Set<string>>()

/**
 * Whether the signature of an envelope is valid for a key. If this process has found it valid before, it is not
 * verified again. Only this fact is kept, and nothing that a caller could change: statements are parsed each time, and
 * times and revocations are judged each time.
 */
export function* isKnownOrValid(envelope: Envelope, key: KeyObject): Steps<boolean> {
  if (envelope.payload.length > LONGEST_PAYLOAD) return yield* isSigned(envelope, key)
  const signatures = known.get(key) ?? new Set()
  const digest = digestOf(envelope)
  if (signatures.delete(digest)) {
    signatures.add(digest)
    return true
  }
  // If other code changes the payload meanwhile, that must not outlast this load: only copies are verified and remembered.
  const { payloadType } = envelope
  const own: Envelope = { payloadType, payload: copyOf(envelope.payload), signature: copyOf(envelope.signature) }
  const ownDigest = digestOf(own)
  if (!(yield* isSigned(own, key))) return false
  signatures.add(ownDigest)
  for (const oldest of signatures) {
    if (signatures.size <= MOST_SIGNATURES) break
    signatures.delete(oldest)
  }
  known.set(key, signatures)
  return true
}

/** Whether the signature of an envelope is valid for a key. */
export function isSigned(envelope: Envelope, key: KeyObject): Steps<boolean> {
  return isSignedBy(key, preAuthEncodingPieces(envelope), envelope.signature)
}

/** Covers everything that the check depends on besides the key. The encoding states the length of the payload. */
function digestOf(envelope: Envelope): string {
  const hash = createHash('sha256')
  for (const piece of preAuthEncodingPieces(envelope)) hash.update(piece)
  return hash.update(envelope.signature).digest('base64')
}

/** A copy in memory of its own, not in the pool that small Buffers share. */
function copyOf(bytes: Uint8Array): Buffer {
  return Buffer.from(Uint8Array.from(bytes).buffer)
}
