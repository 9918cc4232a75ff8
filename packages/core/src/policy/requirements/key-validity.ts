import { shown } from '../../errors.ts'
import { boundsOf, isoTime, type Validity } from '../signature-time.ts'
import { defineRequirement } from './requirement.ts'

/** The trust root, not the rule, states when its keys are valid, so every rule requires it. */
export const keyValidity = defineRequirement({
  step: 'key-validity',
  codes: ['KEY_OUTSIDE_VALIDITY'],
  schema: {},
  compile: () => true,
  check(_, { signature, validities, now }) {
    if (validities.length === 0) return undefined
    const { name } = signature.signer
    const { latest } = boundsOf(signature)
    // Without a trusted time, the signature may have been made just now, by a key whose validity has ended. Nothing proves
    // that a bare key did not sign before notBefore: it only delays when signatures of the key are accepted.
    const moment = Math.min(latest, now)
    return {
      passed: `The key ${shown(name)} was valid at ${isoTime(moment)}.`,
      failure: validities.some(({ notBefore, notAfter }) => notBefore <= moment && moment < notAfter)
        ? undefined
        : {
            code: 'KEY_OUTSIDE_VALIDITY',
            message: `Under the policy, the key ${shown(name)} was not valid when it signed.`,
            expected: validities.map(written).join(' or '),
            found:
              latest === Infinity ? `no trusted time, so the current time applies: ${isoTime(now)}` : isoTime(latest),
          },
    }
  },
  canMeet: () => true,
  explain: 'its keys are never valid',
})

function written({ notBefore, notAfter }: Validity): string {
  const parts = [
    ...(notBefore === -Infinity ? [] : [`from ${isoTime(notBefore)}`]),
    ...(notAfter === Infinity ? [] : [`until ${isoTime(notAfter)}`]),
  ]
  return `a time ${parts.join(' ')}`
}
