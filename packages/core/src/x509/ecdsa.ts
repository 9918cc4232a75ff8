import { createVerify, sign } from 'node:crypto'
import type { KeyAlgorithm } from './key-algorithm.ts'

/** The curves of OMS and the hash that signatures on each use. */
export const CURVE_HASHES = { prime256v1: 'sha256', secp384r1: 'sha384', secp521r1: 'sha512' } as const

export const ecdsa: KeyAlgorithm = {
  what: 'an elliptic curve key on P-256, P-384 or P-521',
  hashOf({ asymmetricKeyType, asymmetricKeyDetails }) {
    const curve = asymmetricKeyDetails?.namedCurve
    if (asymmetricKeyType !== 'ec' || curve === undefined || !Object.hasOwn(CURVE_HASHES, curve)) return undefined
    return CURVE_HASHES[curve as keyof typeof CURVE_HASHES]
  },
  sign: (key, data, hash) => sign(hash, data, { key, dsaEncoding: 'der' }),
  *verify(key, pieces, signature, hash) {
    const verifier = createVerify(hash)
    for (const piece of pieces) {
      verifier.update(piece)
      yield
    }
    return verifier.verify({ key, dsaEncoding: 'der' }, signature)
  },
}
