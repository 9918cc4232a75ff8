import { ModelSealError, shown } from '../../errors.ts'
import type { ModelFormat } from '../../results.ts'
import type { ModelFacts } from './match.ts'
import { firstMatch, noMatch, type CompiledPolicy } from '../policy.ts'
import type { Rule } from '../rule.ts'

/** The rule that applies to a model. */
export interface ChosenRule {
  rule: Rule
  /** The mode of the rule, but always `enforce` if the model's own claim selected the rule. */
  mode: Rule['mode']
  /** The formats that the rule applies to; no other may be loaded under it. Empty if the program named none. */
  formats: readonly ModelFormat[]
}

/**
 * Chooses the first rule that matches the model. If the program may load several formats and different rules match them,
 * the format that the model claims selects the rule. Such a rule is enforced whatever its mode: no claim that a model makes
 * about itself lets it load unverified. The caller must refuse a model that turns out to have another format.
 *
 * @throws {@link ModelSealError} `POLICY_NO_MATCH`, `FORMAT_UNPROVEN`, `NAME_AMBIGUOUS`
 */
export async function chooseRule(policy: CompiledPolicy, facts: ModelFacts): Promise<ChosenRule> {
  const { formats } = facts
  const rules = await rulesByFormat(policy, facts)
  const [first] = rules.values()
  if ([...rules.values()].every((rule) => rule === first)) {
    if (first) return { rule: first, mode: first.mode, formats }
    throw noMatch(policy, facts)
  }
  const claimed = await facts.claimedFormat()
  const rule = claimed === undefined ? undefined : rules.get(claimed)
  if (!rule) {
    if (claimed === undefined && ![...rules.values()].includes(undefined)) throw unproven(facts, rules)
    throw noMatch(policy, facts, SAY_THE_FORMAT)
  }
  if (rule.mode === 'skip') throw unproven(facts, rules)
  return { rule, mode: 'enforce', formats: formats.filter((format) => rules.get(format) === rule) }
}

const SAY_THE_FORMAT = 'Rules differ by format. Use the option "format" to say which one you load.'

/** For each format that may be loaded, the rule that applies to it. */
async function rulesByFormat(
  policy: CompiledPolicy,
  facts: ModelFacts,
): Promise<Map<ModelFormat | undefined, Rule | undefined>> {
  const differ = policy.rules.some(({ match }) => match.formats !== undefined)
  const formats = differ && facts.formats.length > 1 ? facts.formats : [facts.formats[0]]
  const rules = new Map<ModelFormat | undefined, Rule | undefined>()
  for (const format of formats) rules.set(format, await firstMatch(policy, facts, format))
  return rules
}

function unproven(
  { place }: ModelFacts,
  rules: ReadonlyMap<ModelFormat | undefined, Rule | undefined>,
): ModelSealError {
  const found = [...rules].map(
    ([format, rule]) => `${rule ? shown(rule.name) : 'no rule'} for ${format ?? 'no format'}`,
  )
  return new ModelSealError(
    'FORMAT_UNPROVEN',
    `Cannot choose a rule for the model ${shown(place)}: rules differ by format, and only the unverified model says which format it has.`,
    {
      file: place,
      expected: 'a format that the program names, or one rule for all formats that it can load',
      found: found.join(', '),
      hint: SAY_THE_FORMAT,
    },
  )
}
