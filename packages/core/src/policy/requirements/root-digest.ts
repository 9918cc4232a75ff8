import * as s from '../../schema/define.ts'
import { rootDigestSchema } from '../schema/text.ts'
import { anotherModel } from './model-name.ts'
import { defineRequirement } from './requirement.ts'

export const rootDigest = defineRequirement({
  step: 'root-digest',
  codes: ['ROOT_DIGEST_REFUSED'],
  schema: {
    rootDigest: s
      .union([rootDigestSchema, s.array(rootDigestSchema).min(1)])
      .optional()
      .describe('The root digest of the verified model: sha256: and 64 hex digits, or a list.'),
  },
  compile: ({ rootDigest: given }) => (given === undefined ? undefined : [given].flat().map(plainDigest)),
  check(digests, { signature, rule }) {
    const found = signature.manifest.rootDigest
    return {
      passed: `The root digest is sha256:${found}.`,
      failure: digests.includes(found)
        ? undefined
        : {
            code: 'ROOT_DIGEST_REFUSED',
            message: 'Cannot accept the model: its root digest is not the one that the rule requires.',
            expected: digests.map((digest) => `sha256:${digest}`).join(' or '),
            found: `sha256:${found}`,
            hint: anotherModel(rule),
          },
    }
  },
  canMeet: (digests, _, { policy: { revocations } }) => !digests.every((digest) => revocations.revokesAlways(digest)),
  explain: 'the policy revokes every root digest that it requires',
})

/** Lowercase hex, without the name of the algorithm. */
function plainDigest(digest: string): string {
  return digest.replace(/^sha256:/, '')
}
