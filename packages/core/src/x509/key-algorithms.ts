import type { KeyObject } from 'node:crypto'
import type { Steps } from '../source/turns.ts'
import { ecdsa } from './ecdsa.ts'
import type { KeyAlgorithm } from './key-algorithm.ts'

const ALGORITHMS: readonly KeyAlgorithm[] = [ecdsa]

/** The keys that models are signed with, for messages. */
export const SIGNING_KEYS = ALGORITHMS.map(({ what }) => what).join(', or ')

/** OpenSSL's name of the digest that signatures by a key are over; undefined for a key that models are not signed with. */
export function hashOf(key: KeyObject): string | undefined {
  return algorithmOf(key)?.hashOf(key)
}

/** @param privateKey one that models are signed with */
export function signWith(privateKey: KeyObject, data: Uint8Array, hash: string): Buffer {
  const algorithm = algorithmOf(privateKey)
  if (!algorithm) throw new RangeError('no key that models are signed with')
  return algorithm.sign(privateKey, data, hash)
}

/**
 * Whether a signature is one by a key over the pieces, one after the other: never for a key that models are not signed with.
 *
 * @param hash another one than the key's own for bundles of old releases alone
 */
export function* isSignedBy(
  key: KeyObject,
  pieces: Iterable<Uint8Array>,
  signature: Uint8Array,
  hash = hashOf(key),
): Steps<boolean> {
  const algorithm = algorithmOf(key)
  return algorithm !== undefined && hash !== undefined && (yield* algorithm.verify(key, pieces, signature, hash))
}

function algorithmOf(key: KeyObject): KeyAlgorithm | undefined {
  return ALGORITHMS.find((algorithm) => algorithm.hashOf(key) !== undefined)
}
