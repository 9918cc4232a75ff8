import { describe, expect, test } from 'vitest'
import { policyOf, ruleOf } from '../testing/rules.ts'
import { refusal } from '../testing/scratch.ts'
import { ModelFacts } from './matching/match.ts'
import { firstMatch, isPolicy, noMatch, policyDigests, withRevocations, type Policy } from './policy.ts'
import { Revocations } from './revocations/revocations.ts'

const digests = { file: 'aa', files: 'bb' }
const policy = policyOf([ruleOf({ path: 'a' })], { digests })
const none = () => Promise.resolve([])

describe('a compiled policy', () => {
  test('is told from everything else, even from a copy', () => {
    expect(isPolicy(policy)).toBe(true)
    for (const other of [{ ...policy }, {}, null, undefined, 'p.yaml']) expect(isPolicy(other)).toBe(false)
  })

  test('has no prototype, which others could change', () => {
    expect(Object.getPrototypeOf(policy)).toBeNull()
  })

  test('keeps everything else if its revocations are replaced', () => {
    const revocations = new Revocations()
    const other = withRevocations(policy, revocations)
    expect(isPolicy(other)).toBe(true)
    expect(other.revocations).toBe(revocations)
    expect({ ...other, revocations: undefined }).toEqual({ ...policy, revocations: undefined })
    expect(policy.revocations).not.toBe(revocations)
  })
})

describe('the digests of a policy', () => {
  test('are a copy', () => {
    expect(policyDigests(policy)).toEqual(digests)
    expect(policyDigests(policy)).not.toBe(digests)
  })

  test.each([
    ['a path', 'p.yaml', 'a string'],
    ['a copy', { ...policy }, 'an object'],
    ['nothing', undefined, 'undefined'],
    ['a policy for one load', policyOf([]), 'an object'],
  ])('are refused for %s', (_, given, found) =>
    expect(() => policyDigests(given as Policy)).toThrow(
      refusal('INVALID_ARGUMENT', { expected: 'what loadPolicy() returned', found }),
    ),
  )
})

describe('the rule of a model', () => {
  const facts = new ModelFacts({ path: '/a' }, () => Promise.resolve([{ path: '/a.sig', name: 'vad' }]))
  const named = (name: string) => ruleOf({ name }, { name })

  test('is the first that matches', async () => {
    const rules = [ruleOf({ path: 'b' }), named('llm'), named('vad'), ruleOf({ path: 'a' })]
    expect(await firstMatch(policyOf(rules), facts, undefined)).toBe(rules[2])
    expect(await firstMatch(policyOf(rules.toSpliced(2, 1)), facts, undefined)).toBe(rules[3])
    expect(await firstMatch(policyOf(rules.slice(0, 2)), facts, undefined)).toBeUndefined()
  })

  test('may depend on the format', async () => {
    const rules = [ruleOf({ path: 'a', format: 'onnx' }), ruleOf({ path: 'a' })]
    expect(await firstMatch(policyOf(rules), facts, 'onnx')).toBe(rules[0])
    expect(await firstMatch(policyOf(rules), facts, 'saved-model')).toBe(rules[1])
  })
})

describe('the refusal of a model that no rule matches', () => {
  const facts = (model: ConstructorParameters<typeof ModelFacts>[0]) => new ModelFacts(model, none)

  test('names the model and the number of rules', () => {
    const rule = ruleOf({ path: 'b' })
    const found = (count: number) => noMatch(policyOf(Array.from({ length: count }, () => rule)), facts({ path: '/a' }))
    expect([found(0).found, found(1).found, found(2).found]).toEqual([
      '0 rules that do not',
      '1 rule that does not',
      '2 rules that do not',
    ])
    expect(found(1)).toEqual(refusal('POLICY_NO_MATCH', { file: '/a', expected: 'a rule whose "match" covers it' }))
  })

  test.each<[string, ConstructorParameters<typeof ModelFacts>[0], string]>([
    ['a path', { path: '/x/a' }, 'Relative to the policy, the path is "x/a".'],
    [
      'a path and a URL',
      { path: '/a', url: 'https://a/m' },
      'Relative to the policy, the path is "a". Its url is "https://a/m".',
    ],
    [
      'a URL',
      { url: 'https://a/m' },
      'Rules can match its url, which is "https://a/m", its name or its format, but not a path.',
    ],
    ['nothing', {}, 'Rules can match its url, which is "", its name or its format, but not a path.'],
    [
      'a source',
      { source: 'hf://a/m', url: 'hf://a/m' },
      'Rules can match its source and url, which are "hf://a/m" (always without revision, tag and folder), its name or its format, but not a path.',
    ],
    [
      'a source and another URL',
      { source: 'hf://a/m', url: 'https://a/m' },
      'Rules can match its source, which is "hf://a/m" (always without revision, tag and folder), its name or its format, but not a path. Its url is "https://a/m".',
    ],
  ])('says what rules compare with for a model with %s', (_, model, hint) => {
    expect(noMatch(policyOf([]), facts(model)).hint).toBe(hint)
    expect(noMatch(policyOf([]), facts(model), 'A note.').hint).toBe(`${hint} A note.`)
  })

  test('suggests to name everything in the directory that a rule names', () => {
    const rules = [ruleOf({ path: 'other' }), ruleOf({ path: 'x' })]
    expect(noMatch(policyOf(rules), facts({ path: '/x/a' }), 'A note.').hint).toBe(
      'Relative to the policy, the path is "x/a". A rule matches only the directory "x"; write "x/**" for everything in it.',
    )
  })
})
