import * as s from '../../schema/define.ts'
import { methodOf } from '../methods/methods.ts'
import { defineRequirement } from './requirement.ts'

export const transparencyLog = defineRequirement({
  step: 'transparency-log',
  codes: ['LOG_REQUIRED'],
  schema: { transparencyLog: s.boolean().optional().describe('The signature must be in a transparency log.') },
  compile: ({ transparencyLog: asked }) => (asked ? true : undefined),
  check: (_, { signature: { signer } }) => ({
    passed: 'The signature is in a transparency log.',
    failure: methodOf(signer.method).proves.log
      ? undefined
      : {
          code: 'LOG_REQUIRED',
          message: 'The signature is not in a transparency log.',
          expected: 'an entry in a log that the policy trusts',
          found: `a signature by the method ${signer.method}, which has no log entry`,
        },
  }),
  canMeet: (_, { method }) => methodOf(method).proves.log,
  explain: 'it requires a transparency log, and only keyless signatures are in one',
})
