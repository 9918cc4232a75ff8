import * as s from '../../schema/define.ts'
import { defineRequirement } from './requirement.ts'

export const hashAlgorithms = defineRequirement({
  step: 'hash-algorithm',
  codes: ['HASH_ALGORITHM_REFUSED'],
  schema: {
    hashAlgorithms: s
      .array(s.oneOf(['sha256', 'blake2b', 'blake3']))
      .min(1)
      .optional()
      .describe('Hash algorithms that the signature may use for the files.'),
  },
  compile: ({ hashAlgorithms: allowed }): readonly string[] | undefined => allowed,
  check(allowed, { signature }) {
    const found = signature.manifest.serialization.hashType
    return {
      passed: `The model was hashed with ${found}.`,
      failure: allowed.includes(found)
        ? undefined
        : {
            code: 'HASH_ALGORITHM_REFUSED',
            message: 'The model was hashed with an algorithm that the rule does not allow.',
            expected: allowed.join(' or '),
            found,
          },
    }
  },
  canMeet: () => true,
  explain: 'no signer can meet hashAlgorithms',
})
