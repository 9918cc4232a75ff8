import * as z from 'zod'
import { shown } from '../../errors.ts'
import { methodOf } from '../methods/methods.ts'
import { defineRequirement } from './requirement.ts'

export const timestamp = defineRequirement({
  step: 'timestamp',
  codes: ['TIMESTAMP_REQUIRED'],
  schema: { timestamp: z.boolean().optional().describe('A trusted authority says when the signature was made.') },
  compile: ({ timestamp: asked }) => (asked ? true : undefined),
  check: (_, { signature: { time } }) => ({
    passed: `The time ${time?.at ?? ''} is stated by ${shown(time?.authority ?? '')}.`,
    failure: time
      ? undefined
      : {
          code: 'TIMESTAMP_REQUIRED',
          message: 'The signature has no timestamp of a trusted authority.',
          expected: 'a timestamp (RFC 3161) of an authority that the policy trusts',
          found: 'none',
        },
  }),
  canMeet: (_, { method }, { policy }) => methodOf(method).proves.log || policy.timestampAuthorities.length > 0,
  explain: 'timestamp: the policy names no timestampAuthorities whose time it trusts',
})
