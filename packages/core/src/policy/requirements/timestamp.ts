import * as s from '../../schema/define.ts'
import { shown } from '../../errors.ts'
import { methodOf } from '../methods/methods.ts'
import { defineRequirement } from './requirement.ts'

export const timestamp = defineRequirement({
  step: 'timestamp',
  codes: ['TIMESTAMP_REQUIRED'],
  schema: {
    timestamp: s.boolean().optional().describe('The signature must have a timestamp from a trusted authority.'),
  },
  compile: ({ timestamp: asked }) => (asked ? true : undefined),
  check: (_, { signature: { time } }) => ({
    passed: `The signature was made at ${time?.at ?? ''} according to ${shown(time?.authority ?? '')}.`,
    failure: time
      ? undefined
      : {
          code: 'TIMESTAMP_REQUIRED',
          message: 'The signature has no timestamp from a trusted authority.',
          expected: 'a timestamp (RFC 3161) from an authority that the policy trusts',
          found: 'none',
        },
  }),
  canMeet: (_, { method }, { policy }) => methodOf(method).proves.log || policy.timestampAuthorities.length > 0,
  explain: 'it requires a timestamp, but the policy names no timestampAuthorities',
})
