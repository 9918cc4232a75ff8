import { before, parseDuration } from '../schema/duration.ts'
import { methodOf } from '../methods/methods.ts'
import { durationSchema, timeSchema } from '../schema/text.ts'
import { boundsOf } from '../signature-time.ts'
import { defineRequirement, type Outcome } from './requirement.ts'

/** A moment before which a signature is too old. */
interface Limit {
  written: string
  time: (now: number) => number
}

export const signatureAge = defineRequirement({
  step: 'signature-age',
  codes: ['SIGNATURE_TOO_OLD', 'SIGNATURE_TIME_UNKNOWN'],
  schema: {
    maxSignatureAge: durationSchema
      .optional()
      .describe('The signature is provably no older: by the certificate of the signer. A bare key proves none.'),
    signedAfter: timeSchema.optional().describe('The signature was provably made no earlier; as maxSignatureAge.'),
  },
  compile({ maxSignatureAge, signedAfter }) {
    const limits: Limit[] = []
    const duration = maxSignatureAge === undefined ? undefined : parseDuration(maxSignatureAge)
    if (duration)
      limits.push({ written: `at most ${String(maxSignatureAge)} ago`, time: (now) => before(now, duration) })
    if (signedAfter !== undefined) limits.push({ written: `after ${signedAfter}`, time: () => Date.parse(signedAfter) })
    return limits.length === 0 ? undefined : limits
  },
  check(limits, { signature, now }): Outcome<'SIGNATURE_TOO_OLD' | 'SIGNATURE_TIME_UNKNOWN'> {
    const written = limits.map((limit) => limit.written).join(' and ')
    const limit = Math.max(...limits.map(({ time }) => time(now)))
    const passed = `The model was signed ${written}.`
    const expected = `a signature made ${written}`
    const { earliest, latest } = boundsOf(signature)
    if (earliest >= limit) return { passed, failure: undefined }
    if (latest < limit) {
      const found = `${iso(latest)} or before`
      return {
        passed,
        failure: { code: 'SIGNATURE_TOO_OLD', message: 'The model was signed too long ago.', expected, found },
      }
    }
    const isUnbounded = earliest === -Infinity
    return {
      passed,
      failure: {
        code: 'SIGNATURE_TIME_UNKNOWN',
        message: 'Nothing trusted says that the model was not signed earlier, and the rule limits that.',
        expected,
        found: isUnbounded ? 'no time before which it was not made' : `a signature made at ${iso(earliest)} or later`,
        hint: isUnbounded
          ? 'A timestamp can be renewed for an old signature, and a key has no other time: take old models out by revoked.rootDigests, or sign keyless or with certificates.'
          : 'Sign again with a certificate that was issued later, for a key of its own.',
      },
    }
  },
  canMeet: (_, { method }) => methodOf(method).proves.age,
  explain: 'the age of the signature: nothing proves that one by a key is no older, and a timestamp can be renewed',
})

function iso(time: number): string {
  return new Date(time).toISOString()
}
