import { before, parseDuration } from '../schema/duration.ts'
import { methodOf } from '../methods/methods.ts'
import { timeSchema } from '../../schema/time.ts'
import { durationSchema } from '../schema/text.ts'
import { boundsOf, isoTime } from '../signature-time.ts'
import { defineRequirement, type DemandOutcome } from './requirement.ts'

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
      .describe(
        'The maximum age of the signature, which the certificate of its signer must prove. A bare key cannot prove it.',
      ),
    signedAfter: timeSchema
      .optional()
      .describe('The earliest time of the signature, which must be proven as for maxSignatureAge.'),
  },
  compile({ maxSignatureAge, signedAfter }) {
    const limits: Limit[] = []
    const duration = maxSignatureAge === undefined ? undefined : parseDuration(maxSignatureAge)
    if (duration)
      limits.push({ written: `at most ${String(maxSignatureAge)} ago`, time: (now) => before(now, duration) })
    if (signedAfter !== undefined) limits.push({ written: `after ${signedAfter}`, time: () => Date.parse(signedAfter) })
    return limits.length === 0 ? undefined : limits
  },
  check(limits, { signature, now }): DemandOutcome<'SIGNATURE_TOO_OLD' | 'SIGNATURE_TIME_UNKNOWN'> {
    const written = limits.map((limit) => limit.written).join(' and ')
    const limit = Math.max(...limits.map(({ time }) => time(now)))
    const passed = `The model was signed ${written}.`
    const expected = `a signature made ${written}`
    const { earliest, latest } = boundsOf(signature)
    if (earliest >= limit) return { passed, failure: undefined }
    if (latest < limit) {
      const found = `${isoTime(latest)} or before`
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
        message: 'The rule limits the age of the signature, and nothing trusted proves that it is recent enough.',
        expected,
        found: isUnbounded
          ? 'no proof of the earliest time of signing'
          : `a signature made at ${isoTime(earliest)} or later`,
        hint: isUnbounded
          ? 'An old signature by a key can get a new timestamp. To exclude old models, list them in revoked.rootDigests, or sign keyless or with certificates.'
          : 'Sign again with a certificate that was issued later, for a new key.',
      },
    }
  },
  canMeet: (_, { method }) => methodOf(method).proves.age,
  explain: 'it limits the age of the signature, which a key cannot prove, and a timestamp can be renewed',
})
