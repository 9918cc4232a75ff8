import { shown } from '../../errors.ts'
import { boundsOf, isoTime, type Validity } from '../signature-time.ts'
import type { VerifiedEnvelope } from '../../verification/verified-signature.ts'
import { defineRequirement, type Unmet } from './requirement.ts'

/** The trust root, not the rule, states when its keys are valid, so every rule requires it. */
export const keyValidity = defineRequirement({
  step: 'key-validity',
  codes: ['KEY_OUTSIDE_VALIDITY'],
  schema: {},
  compile: () => true,
  check(_, evidence) {
    if (evidence.validities.length === 0) return undefined
    const { signature, now } = evidence
    const passed = `The key ${shown(signature.signer.name)} was valid at ${isoTime(momentOf(evidence.signature, now))}.`
    return { passed, failure: validityFailure({ signature, validities: evidence.validities, now }) }
  },
  canMeet: () => true,
  explain: 'its keys are never valid',
})

/** A valid signature of any statement. */
interface DatedSignature {
  signature: Pick<VerifiedEnvelope, 'signer' | 'time'>
  /** At least one of these periods must contain the time of signing; empty if there is no limit. */
  validities: readonly Validity[]
  /** Milliseconds since 1970. */
  now: number
}

/** Why a key was not valid when it signed; undefined if it was. */
export function validityFailure({
  signature,
  validities,
  now,
}: DatedSignature): Unmet<'KEY_OUTSIDE_VALIDITY'> | undefined {
  const moment = momentOf(signature, now)
  if (validities.length === 0 || validities.some(({ notBefore, notAfter }) => notBefore <= moment && moment < notAfter))
    return undefined
  return {
    code: 'KEY_OUTSIDE_VALIDITY',
    message: `Under the policy, the key ${shown(signature.signer.name)} was not valid when it signed.`,
    expected: validities.map(written).join(' or '),
    found: signature.time ? isoTime(moment) : `no trusted time, so the current time applies: ${isoTime(now)}`,
  }
}

/**
 * Without a trusted time, the signature may have been made just now, by a key whose validity has ended. Nothing proves that a bare key did
 * not sign before notBefore: it only delays when signatures of the key are accepted.
 */
function momentOf(signature: DatedSignature['signature'], now: number): number {
  return Math.min(boundsOf(signature).latest, now)
}

function written({ notBefore, notAfter }: Validity): string {
  const parts = [
    ...(notBefore === -Infinity ? [] : [`from ${isoTime(notBefore)}`]),
    ...(notAfter === Infinity ? [] : [`until ${isoTime(notAfter)}`]),
  ]
  return `a time ${parts.join(' ')}`
}
