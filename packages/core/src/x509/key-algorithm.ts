import type { KeyObject } from 'node:crypto'
import type { Steps } from '../source/turns.ts'

/** A kind of key that models are signed with. To add one, write a file like `ecdsa.ts` and add a line to `key-algorithms.ts`. */
export interface KeyAlgorithm {
  /** Describes its keys in messages. */
  readonly what: string
  /** OpenSSL's name of the hash that signatures by the key use; undefined for other kinds of keys. */
  hashOf(key: KeyObject): string | undefined
  sign(privateKey: KeyObject, data: Uint8Array, hash: string): Buffer
  /** Whether the signature is valid for the concatenated pieces. Other work runs between the pieces. */
  verify(key: KeyObject, pieces: Iterable<Uint8Array>, signature: Uint8Array, hash: string): Steps<boolean>
}
