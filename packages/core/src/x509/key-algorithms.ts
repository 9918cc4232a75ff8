import type { KeyObject } from 'node:crypto'
import type { Steps } from '../source/turns.ts'
import { ecdsa } from './ecdsa.ts'
import type { KeyAlgorithm } from './key-algorithm.ts'

const ALGORITHMS: readonly KeyAlgorithm[] = [ecdsa]

/** The keys that models are signed with, for messages. */
export const SIGNING_KEYS = ALGORITHMS.map(({ what }) => what).join(', or ')

/** OpenSSL's name of the hash that signatures by the key use; undefined for a key that cannot sign models. */
export function hashOf(key: KeyObject): string | undefined {
  return algorithmOf(key)?.hashOf(key)
}

/** @param privateKey a key that can sign models */
export function signWith(privateKey: KeyObject, data: Uint8Array, hash: string): Buffer {
  const algorithm = algorithmOf(privateKey)
  if (!algorithm) throw new RangeError('not a key that can sign models')
  return algorithm.sign(privateKey, data, hash)
}

/**
 * Whether a signature by a key is valid for the concatenated pieces. False for a key that cannot sign models.
 *
 * @param hash differs from the key's own hash only for bundles of old releases
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
