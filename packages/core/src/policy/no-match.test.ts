import { describe, expect, test } from 'vitest'
import { ModelSealError } from '../errors.ts'
import { policyOf, ruleOf } from '../testing/rules.ts'
import { refusal } from '../testing/scratch.ts'
import { ModelFacts } from './matching/match.ts'
import type { PolicySource } from './reading/include.ts'
import { compileSigners } from './rule.ts'
import { asPolicy, firstMatch, isPolicy, noMatch, policyDigests, withRevocations } from './policy.ts'
import { Revocations } from './revocations/revocations.ts'
import type { MatchText } from './schema/match.ts'

type Model = ConstructorParameters<typeof ModelFacts>[0]

const factsOf = (model: Model) => new ModelFacts(model, () => Promise.resolve([{ path: '/m.sig', name: 'vad' }]))
const rulesOf = (...matches: MatchText[]) => matches.map((match, index) => ruleOf(match, { name: `${index}` }))

describe('the refusal of a model that no rule matches', () => {
  const refused = (model: Model, matches: MatchText[], note?: string) =>
    noMatch(policyOf(rulesOf(...matches)), factsOf(model), note)

  test('says where it is, and how many rules there are', () => {
    expect(refused({ path: '/m' }, [])).toEqual(
      refusal('POLICY_NO_MATCH', {
        file: '/m',
        expected: 'a rule whose "match" covers it',
        found: '0 rules that do not',
      }),
    )
    expect(refused({ path: '/m' }, [{ path: 'x' }])).toEqual(
      refusal('POLICY_NO_MATCH', { found: '1 rule that does not' }),
    )
    expect(refused({ url: 'https://a/m' }, [{ path: 'x' }, { path: 'y' }])).toEqual(
      refusal('POLICY_NO_MATCH', { file: 'https://a/m', found: '2 rules that do not' }),
    )
  })

  const NOT_A_PATH = ', its name or its format, but not a path.'

  test.each<[string, Model, MatchText[], string]>([
    ['a path', { path: '/models/m' }, [], 'Relative to the policy, the path is "models/m".'],
    [
      'a path and a URL',
      { path: '/m', url: 'https://a/m' },
      [],
      'Relative to the policy, the path is "m". Its url is "https://a/m".',
    ],
    ['a URL', { url: 'https://a/m' }, [], `Rules can match its url, which is "https://a/m"${NOT_A_PATH}`],
    ['nothing', {}, [], `Rules can match its url, which is ""${NOT_A_PATH}`],
    [
      'a source of a hub',
      { source: 'hf://a/m', url: 'hf://a/m' },
      [],
      `Rules can match its source and url, which are "hf://a/m" (always without revision, tag and folder)${NOT_A_PATH}`,
    ],
    [
      'a source alone',
      { source: 's3://a/oci:m' },
      [],
      `Rules can match its source and url, which are "s3://a/oci:m"${NOT_A_PATH}`,
    ],
    [
      'a source and another URL',
      { source: 'oci://a/m', url: 'https://a/m' },
      [],
      `Rules can match its source, which is "oci://a/m" (always without revision, tag and folder)${NOT_A_PATH} Its url is "https://a/m".`,
    ],
    [
      'a directory above it',
      { path: '/models/m' },
      [{ path: 'x' }, { path: 'models' }],
      'Relative to the policy, the path is "models/m". A rule matches only the directory "models"; write "models/**" for everything in it.',
    ],
    [
      'another format',
      { path: '/m', format: 'gguf' },
      [
        { path: 'x', format: 'onnx' },
        { path: 'm', format: ['onnx', 'tflite'] },
      ],
      'Relative to the policy, the path is "m". The rule "1" is only for the format onnx or tflite, and the program loads gguf.',
    ],
    [
      'no format',
      { path: '/m' },
      [{ path: 'm', format: 'onnx' }],
      'Relative to the policy, the path is "m". The rule "0" is only for the format onnx, and no format was stated. Use the option "format" (on the command line, --format) to state what is loaded.',
    ],
    [
      'several formats',
      { path: '/m', format: { oneOf: ['gguf', 'npy'], claimed: () => Promise.resolve(undefined) } },
      [{ path: 'm', format: 'onnx' }],
      'Relative to the policy, the path is "m". The rule "0" is only for the format onnx, and the program loads gguf or npy.',
    ],
    // Whether it would match cannot be told without its name.
    [
      'a name',
      { path: '/m' },
      [{ path: 'm', name: 'vad', format: 'onnx' }],
      'Relative to the policy, the path is "m".',
    ],
  ])('has a hint for %s', (_, model, matches, hint) => expect(refused(model, matches).hint).toBe(hint))

  test('has a note in place of what it says about formats', () => {
    expect(refused({ path: '/m' }, [{ path: 'm', format: 'onnx' }], 'A note.').hint).toBe(
      'Relative to the policy, the path is "m". A note.',
    )
    expect(refused({ path: '/models/m' }, [{ path: 'models' }], 'A note.').hint).not.toContain('A note.')
  })
})

test('the first rule that matches is found, whether or not the name has to be read', async () => {
  const policy = policyOf(rulesOf({ path: 'x' }, { name: 'other' }, { name: 'v*' }, { path: '**' }))
  expect((await firstMatch(policy, factsOf({ path: '/m' }), undefined))?.name).toBe('2')
  expect((await firstMatch(policy, factsOf({ path: '/x' }), undefined))?.name).toBe('0')
  expect(await firstMatch(policyOf(rulesOf({ path: 'x' }, { name: 'x' })), factsOf({ path: '/m' }), undefined)).toBe(
    undefined,
  )
  const ofFormat = policyOf(rulesOf({ format: 'onnx' }, { format: 'gguf' }))
  expect((await firstMatch(ofFormat, factsOf({ path: '/m' }), 'gguf'))?.name).toBe('1')
})

describe('a policy', () => {
  const digests = { file: 'a', files: 'b' }
  const policy = policyOf([], { digests })

  test('is known by a mark that no copy has', () => {
    expect(isPolicy(policy)).toBe(true)
    expect(isPolicy({ ...policy })).toBe(false)
    expect(Object.getPrototypeOf(policy)).toBeNull()
    expect(isPolicy(asPolicy({ ...policy }))).toBe(true)
    // Other copies of this package look for it.
    expect(Object.getOwnPropertySymbols(policy)).toEqual([Symbol.for('modelseal.policy.4')])
  })

  test('can have other revocations for one load', () => {
    const revocations = new Revocations()
    const other = withRevocations(policy, revocations)
    expect(other.revocations).toBe(revocations)
    expect(policy.revocations).not.toBe(revocations)
    expect(isPolicy(other)).toBe(true)
    expect(other).toMatchObject({ path: '/p.yaml', digests })
  })

  test('has digests, which are copied', () => {
    expect(policyDigests(policy)).toEqual(digests)
    expect(policyDigests(policy)).not.toBe(digests)
  })

  test.each<[unknown, string]>([
    [undefined, 'undefined'],
    [{ ...policy }, 'object'],
    ['/p.yaml', 'string'],
  ])('is refused in place of %j', (given, found) =>
    expect(() => policyDigests(given as never)).toThrow(
      refusal('INVALID_ARGUMENT', {
        expected: 'what loadPolicy() returned',
        found: expect.stringContaining(found) as string,
      }),
    ),
  )
})

test('a signer of a trust root that does not exist is a problem, and is left out', () => {
  const problems: ModelSealError[] = []
  const fault = new ModelSealError('POLICY_INVALID', 'It is wrong.')
  const source = { text: { fault: () => fault } } as unknown as PolicySource
  expect(compileSigners([{ key: 'gone' }], { source, at: [] }, new Map(), problems)).toEqual([])
  expect(problems).toEqual([fault])
})
