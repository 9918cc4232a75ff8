import { describe, expect, test, vi } from 'vitest'
import type { ModelSealError } from '../../errors.ts'
import { chooseRule } from './choose-rule.ts'
import type { ModelFormat } from '../../results.ts'
import { compileMatch, ModelFacts } from './match.ts'
import { asPolicy } from '../policy.ts'
import { Revocations } from '../revocations/revocations.ts'
import type { Rule } from '../rule.ts'

const EITHER = ['tfjs-graph', 'tfjs-layers'] as const

function rule(name: string, mode: Rule['mode'], format?: ModelFormat | ModelFormat[]): Rule {
  const match = compileMatch({ path: '**', ...(format === undefined ? {} : { format }) }, '/')
  return {
    name,
    mode,
    match,
    file: '/p.yaml',
    signers: [],
    threshold: 1,
    demands: [],
    attestations: [],
    require: { files: 'all' },
  }
}

async function chosen(rules: Rule[], claim: ModelFormat | undefined, oneOf: readonly ModelFormat[] = EITHER) {
  const policy = asPolicy({
    path: '/p.yaml',
    rules,
    roots: new Map(),
    timestampAuthorities: [],
    revocations: new Revocations(),
    advisories: [],
    ages: [],
    texts: { file: '', includes: [] },
    journals: [],
    files: new Map(),
    digests: undefined,
  })
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
  test('if the program loads one format', async () => {
    expect(await chosen([graph('enforce'), layers('skip')], 'tfjs-graph', ['tfjs-layers'])).toEqual({
      outcome: 'layers skip tfjs-layers',
      asked: false,
    })
  })
})
