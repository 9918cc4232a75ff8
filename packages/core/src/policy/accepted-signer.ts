import type { PublicKey } from '../x509/public-key.ts'
import type { TextMatcher } from './matching/text-pattern.ts'

/** When something counts: milliseconds since 1970, from `notBefore` until just before `notAfter`. */
export interface Validity {
  notBefore: number
  notAfter: number
}

/** A key of a trust root, and when it counts. */
export interface AcceptedKey extends Validity {
  publicKey: PublicKey
  /** Absolute path of the PEM. */
  path: string
}

/** One entry of a rule's list of signers. */
export type AcceptedSigner =
  | { method: 'key'; root: string; keys: readonly AcceptedKey[] }
  | {
      method: 'certificate'
      root: string
      subject?: TextMatcher | undefined
      san?: TextMatcher | undefined
      issuer?: TextMatcher | undefined
    }
  | {
      method: 'sigstore'
      root: string
      issuer: TextMatcher
      identity: TextMatcher
      /** Extensions of the certificate by name, each exact. */
      extensions: Readonly<Record<string, string>>
    }
