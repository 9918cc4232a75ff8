import { withoutPrototype } from '../snapshot.ts'
import type { VerifiedIdentity } from '../results.ts'
import type { VerifiedEnvelope } from '../verification/verified-signature.ts'

/** The proven bounds of the time at which a signature was made, in milliseconds since 1970. */
export interface SignatureBounds {
  /** Not earlier than this; -Infinity if nothing proves a bound. */
  earliest: number
  /** Not later than this; Infinity if nothing proves a bound. */
  latest: number
}

/** A period of validity in milliseconds since 1970: from `notBefore` until just before `notAfter`. */
export interface Validity {
  notBefore: number
  notAfter: number
}

/** The bounds of a signature without a proven time. */
export const ANY_TIME: SignatureBounds = { earliest: -Infinity, latest: Infinity }

/** The best case of a certificate and a timestamp: the signature is proven to be outside every window. */
export const WELL_DATED: SignatureBounds = { earliest: Number.MAX_VALUE, latest: -Number.MAX_VALUE }

/**
 * What is proven about the time at which a signature was made.
 *
 * A timestamp (RFC 3161) or a log entry proves only that the signature existed by then: it is not
 * part of what was signed, and anybody can get a new one for an old signature. So it is never a lower
 * bound.
 *
 * The lower bound is the start of validity of the signer's certificate. It holds only if each
 * certificate has its own key: if a certificate is renewed for the same key, old signatures pass under
 * the new one. Fulcio certificates are valid for minutes, for a key generated for one signature, so both
 * bounds are close. A bare key has no lower bound.
 */
export function boundsOf({ signer, time }: Pick<VerifiedEnvelope, 'signer' | 'time'>): SignatureBounds {
  const { notBefore } = withoutPrototype<VerifiedIdentity & { notBefore?: string }>(signer)
  return {
    earliest: notBefore === undefined ? -Infinity : Date.parse(notBefore),
    latest: time ? Date.parse(time.at) : Infinity,
  }
}

/** @param time in milliseconds since 1970 */
export function isoTime(time: number): string {
  return new Date(time).toISOString()
}
