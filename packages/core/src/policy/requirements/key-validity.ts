import { shown } from '../../errors.ts'
import { boundsOf, type Validity } from '../signature-time.ts'
import { defineRequirement } from './requirement.ts'

/** What a trust root says of its keys, not the rule: so every rule asks for it. */
export const keyValidity = defineRequirement({
  step: 'key-validity',
  codes: ['KEY_OUTSIDE_VALIDITY'],
  schema: {},
  compile: () => true,
  check(_, { signature, validities, now }) {
    if (validities.length === 0) return undefined
    const { name } = signature.signer
    const { latest } = boundsOf(signature)
    // Without a trusted time the signature may be as young as this moment: a key that has lapsed could have made it.
    // Nothing proves of a bare key that it signed no earlier than notBefore: that says from when the key counts at all.
    const moment = Math.min(latest, now)
    return {
      passed: `The key ${shown(name)} is valid at ${iso(moment)}.`,
      failure: validities.some(({ notBefore, notAfter }) => notBefore <= moment && moment < notAfter)
        ? undefined
        : {
            code: 'KEY_OUTSIDE_VALIDITY',
            message: `The key ${shown(name)} was not valid, by the policy, when it signed.`,
            expected: validities.map(written).join(' or '),
            found: latest === Infinity ? `no trusted time, so ${iso(now)} counts` : iso(latest),
          },
    }
  },
  canMeet: () => true,
  explain: 'the validity of its keys',
})

function written({ notBefore, notAfter }: Validity): string {
  const parts = [
    ...(notBefore === -Infinity ? [] : [`from ${iso(notBefore)}`]),
    ...(notAfter === Infinity ? [] : [`until ${iso(notAfter)}`]),
  ]
  return `a time ${parts.join(' ')}`
}

function iso(time: number): string {
  return new Date(time).toISOString()
}
