import type { KeyObject } from 'node:crypto'
import type { Steps } from '../source/turns.ts'

/** One kind of key that models are signed with. A new one is a file like `ecdsa.ts` and a line in `key-algorithms.ts`. */
export interface KeyAlgorithm {
  /** Its keys, for messages. */
  readonly what: string
  /** OpenSSL's name of the digest that signatures by a key are over; undefined for a key of another kind. */
  hashOf(key: KeyObject): string | undefined
  sign(privateKey: KeyObject, data: Uint8Array, hash: string): Buffer
  /** Whether the signature is one over the pieces, one after the other. Other work runs between them. */
  verify(key: KeyObject, pieces: Iterable<Uint8Array>, signature: Uint8Array, hash: string): Steps<boolean>
}
