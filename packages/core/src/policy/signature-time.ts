import { withoutPrototype } from '../snapshot.ts'
import type { VerifiedIdentity } from '../results.ts'
import type { VerifiedSignature } from '../verification/verified-signature.ts'

/** Between which moments a signature was made, as far as that is proven: milliseconds since 1970. */
export interface SignatureBounds {
  /** Not earlier than this; -Infinity where nothing proves it. */
  earliest: number
  /** Not later than this; Infinity where nothing proves it. */
  latest: number
}

/** When something counts: milliseconds since 1970, from `notBefore` until just before `notAfter`. */
export interface Validity {
  notBefore: number
  notAfter: number
}

/** Of a signature that nothing dates. */
export const ANY_TIME: SignatureBounds = { earliest: -Infinity, latest: Infinity }

/** The most that a certificate and a timestamp can prove: that a signature is outside of every window. */
export const WELL_DATED: SignatureBounds = { earliest: Number.MAX_VALUE, latest: -Number.MAX_VALUE }

/**
 * What is proven of the time at which a signature was made.
 *
 * A timestamp (RFC 3161) or an entry in a log proves only that the signature existed by then: it is
 * no part of what was signed, and anybody can have a new one made for an old signature. So it is
 * never a lower bound.
 *
 * A lower bound comes from the signer's certificate, which its authority issued for that key: not
 * before the certificate was valid. That holds as long as each certificate has a key of its own: who
 * renews one for the same key lets old signatures pass under the new one. Certificates of Fulcio are
 * valid for minutes, for a key made on the spot, so that both bounds are near. A bare key has none.
 */
export function boundsOf({ signer, time }: VerifiedSignature): SignatureBounds {
  const { notBefore } = withoutPrototype<VerifiedIdentity & { notBefore?: string }>(signer)
  return {
    earliest: notBefore === undefined ? -Infinity : Date.parse(notBefore),
    latest: time ? Date.parse(time.at) : Infinity,
  }
}
