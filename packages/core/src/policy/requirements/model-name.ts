import * as s from '../../schema/define.ts'
import { shown } from '../../errors.ts'
import { literalWildcard } from '../checking/literal-wildcard.ts'
import { compileText } from '../matching/text-pattern.ts'
import { textSchema } from '../schema/text.ts'
import { defineRequirement } from './requirement.ts'

/** Compares the name in the verified statement, so that no other model of the same signer is accepted. */
export const modelName = defineRequirement({
  step: 'model-name',
  codes: ['MODEL_NAME_REFUSED'],
  schema: {
    name: s
      .union([textSchema, s.array(textSchema).min(1)])
      .optional()
      .describe(
        'The name in the verified statement under which the model was signed: text, a pattern, a regular expression, or a list.',
      ),
  },
  compile: ({ name }) => (name === undefined ? undefined : [name].flat().map(compileText)),
  check(names, { signature, rule }) {
    const { statedName } = signature.manifest
    return {
      passed: `The model was signed under the name ${shown(statedName ?? '')}.`,
      failure:
        statedName !== undefined && names.some(({ matches }) => matches(statedName))
          ? undefined
          : {
              code: 'MODEL_NAME_REFUSED',
              message: 'Cannot accept the model: it was signed under a different name than the rule requires.',
              expected: `the name ${names.map(({ written }) => shown(written)).join(' or ')}`,
              found:
                statedName === undefined ? 'no name (a signature in the format of release 0.2.0)' : shown(statedName),
              hint: anotherModel(rule),
            },
    }
  },
  canMeet: (names, _, { rule: { match } }) =>
    names.some(({ exact }) => exact === undefined || !match.name || match.name(exact)),
  explain: 'match.name matches none of the names that it requires',
  dangers: (names) =>
    names.flatMap(({ exact }) => literalWildcard('name', exact).map((danger) => ({ field: 'name', danger }))),
})

/** The hint for a valid signature over another model than the rule requires. */
export function anotherModel(rule: string): string {
  return `The signature is valid, but the rule ${shown(rule)} requires another model. Load the model that it names, or correct the rule.`
}
