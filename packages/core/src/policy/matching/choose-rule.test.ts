import { describe, expect, test, vi } from 'vitest'
import type { ModelSealError } from '../../errors.ts'
import { chooseRule } from './choose-rule.ts'
import type { ModelFormat } from '../../results.ts'
import { ModelFacts } from './match.ts'
import type { Rule } from '../rule.ts'
import { policyOf, ruleOf } from '../../testing/rules.ts'
import { refusal } from '../../testing/scratch.ts'

const EITHER = ['tfjs-graph', 'tfjs-layers'] as const

function rule(name: string, mode: Rule['mode'], format?: ModelFormat | ModelFormat[]): Rule {
  return ruleOf({ path: '**', ...(format === undefined ? {} : { format }) }, { name, mode })
}

async function chosen(rules: Rule[], claim: ModelFormat | undefined, oneOf: readonly ModelFormat[] = EITHER) {
  const policy = policyOf(rules)
  const claimed = vi.fn(() => Promise.resolve(claim))
  const facts = new ModelFacts({ path: '/m', format: { oneOf, claimed } }, () => Promise.resolve([]))
  const outcome = await chooseRule(policy, facts).then(
    ({ rule, mode, formats }) => `${rule.name} ${mode} ${formats.join('+')}`,
    (error: unknown) => (error as ModelSealError).code,
  )
  return { outcome, asked: claimed.mock.calls.length > 0 }
}

const [graph, layers, rest] = [
  (mode: Rule['mode']) => rule('graph', mode, 'tfjs-graph'),
  (mode: Rule['mode']) => rule('layers', mode, 'tfjs-layers'),
  (mode: Rule['mode']) => rule('rest', mode),
]

describe('a rule that the claim of the model selects', () => {
  test.each<[string, Rule[], ModelFormat | undefined, string]>([
    ['is enforced', [graph('enforce'), rest('enforce')], 'tfjs-graph', 'graph enforce tfjs-graph'],
    ['is enforced in place of its audit', [graph('audit'), rest('enforce')], 'tfjs-graph', 'graph enforce tfjs-graph'],
    [
      'is enforced if another rule does not match the claim',
      [graph('enforce'), rest('audit')],
      'tfjs-layers',
      'rest enforce tfjs-layers',
    ],
    ['is never a skip', [graph('skip'), rest('enforce')], 'tfjs-graph', 'FORMAT_UNPROVEN'],
    [
      'is never a skip, even if another rule does not match the claim',
      [graph('enforce'), rest('skip')],
      'tfjs-layers',
      'FORMAT_UNPROVEN',
    ],
    ['is missing without a claim', [graph('enforce'), rest('enforce')], undefined, 'FORMAT_UNPROVEN'],
    [
      'is missing if the program does not load the claimed format',
      [graph('enforce'), rest('enforce')],
      'onnx',
      'POLICY_NO_MATCH',
    ],
    ['is missing if no rule matches the claim', [graph('enforce')], 'tfjs-layers', 'POLICY_NO_MATCH'],
    ['is missing without a claim if no rule matches one format', [graph('enforce')], undefined, 'POLICY_NO_MATCH'],
  ])('%s', async (_, rules, claim, expected) => {
    expect(await chosen(rules, claim)).toEqual({ outcome: expected, asked: true })
  })
})

describe('the claim of the model is not read', () => {
  test.each<[string, Rule[], string]>([
    ['if no rule matches by format', [rest('audit')], 'rest audit tfjs-graph+tfjs-layers'],
    [
      'if one rule matches all formats',
      [rule('both', 'skip', [...EITHER]), rest('enforce')],
      'both skip tfjs-graph+tfjs-layers',
    ],
    [
      'if rules match only formats that are not loaded',
      [rule('o', 'skip', 'onnx'), rest('audit')],
      'rest audit tfjs-graph+tfjs-layers',
    ],
    ['if no rule matches', [rule('o', 'skip', 'onnx')], 'POLICY_NO_MATCH'],
  ])('%s', async (_, rules, expected) => {
    expect(await chosen(rules, 'tfjs-graph')).toEqual({ outcome: expected, asked: false })
  })
  test('if the program names no format', async () => {
    expect(await chosen([graph('skip'), rest('enforce')], 'tfjs-graph', [])).toEqual({
      outcome: 'rest enforce ',
      asked: false,
    })
  })
  test('if the program loads one format', async () => {
    expect(await chosen([graph('enforce'), layers('skip')], 'tfjs-graph', ['tfjs-layers'])).toEqual({
      outcome: 'layers skip tfjs-layers',
      asked: false,
    })
  })
})

describe('the refusal of a model that several rules may match', () => {
  function refused(rules: Rule[], claim: ModelFormat | undefined, more: object = {}) {
    const format = { oneOf: EITHER, claimed: () => Promise.resolve(claim) }
    const facts = new ModelFacts({ path: '/m', format, ...more }, () => Promise.resolve([]))
    return expect(chooseRule(policyOf(rules), facts)).rejects
  }

  test('names the rule for each format', async () => {
    await refused([graph('skip'), rest('enforce')], 'tfjs-graph').toEqual(
      refusal('FORMAT_UNPROVEN', {
        file: '/m',
        expected: 'a format that the program names, or one rule for all formats that it can load',
        found: '"graph" for tfjs-graph, "rest" for tfjs-layers',
        hint: expect.stringContaining('"format"') as string,
      }),
    )
  })

  test('names a format that no rule matches', async () => {
    await refused([graph('skip')], 'tfjs-graph').toEqual(
      refusal('FORMAT_UNPROVEN', { found: '"graph" for tfjs-graph, no rule for tfjs-layers' }),
    )
  })

  test('says that the program can state the format', async () => {
    await refused([graph('enforce')], undefined).toEqual(
      refusal('POLICY_NO_MATCH', { file: '/m', hint: expect.stringContaining('"format"') as string }),
    )
    await refused([ruleOf({ path: 'x' })], undefined).toEqual(
      refusal('POLICY_NO_MATCH', { hint: expect.not.stringContaining('"format"') as string }),
    )
  })
})
