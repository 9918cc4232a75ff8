import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { authority, inDays, pemOf } from '../../testing/authority.ts'
import { TestSite } from '../../testing/site.ts'
import { checkPolicy } from './check.ts'

let site: TestSite

beforeAll(async () => {
  site = await TestSite.make()
  for (const key of ['a', 'lab', 'lab2']) await site.key(key)
})
afterAll(() => site.remove())

/** Findings about a policy whose only rule requires an attestation. */
async function findings(attestation: object, revoked: object = {}) {
  const trustRoots = Object.fromEntries(['a', 'lab', 'lab2'].map((key) => [key, { publicKey: `${key}.pub` }]))
  const rule = { name: 'all', match: { path: '**' }, signers: [{ key: 'a' }], require: { attestations: [attestation] } }
  const age = { issued: '2026-01-01T00:00:00Z', maxAge: 'P100Y' }
  const found = await checkPolicy(await site.policy({ version: 1, ...age, trustRoots, rules: [rule], revoked }))
  // The roots that a test does not name are unused.
  return found.filter(({ code }) => code !== 'ROOT_UNUSED')
}

const LAB = { type: 'evaluation', signers: [{ key: 'lab' }, { key: 'lab2' }] }

describe('a requirement of an attestation', () => {
  test('uses the trust roots of its signers', async () => {
    const trustRoots = { a: { publicKey: 'a.pub' }, lab: { publicKey: 'lab.pub' } }
    const attestations = [{ type: 'evaluation', signers: [{ key: 'lab' }] }]
    const rules = [{ name: 'all', match: { path: '**' }, signers: [{ key: 'a' }], require: { attestations } }]
    const found = await checkPolicy(await site.policy({ version: 1, trustRoots, rules }))
    expect(found.map(({ code }) => code)).toEqual(['POLICY_AGE_UNLIMITED'])
  })

  test.each([
    ['limits that exclude each other', [{ metric: 'm', atLeast: 0.3, atMost: 0.1 }], true],
    ['equal limits', [{ metric: 'm', atLeast: 0.3, atMost: 0.3 }], false],
    ['a value that is not in the list', [{ field: 'evaluator', equals: 'a', oneOf: ['b', 'c'] }], true],
    ['a value that is in the list', [{ field: 'evaluator', equals: 'b', oneOf: ['b', 'c'] }], false],
    ['a value below the limit', [{ metric: 'm', equals: 0.1, atLeast: 0.2 }], true],
    ['a list with one value above the limit', [{ metric: 'm', oneOf: [0.1, 0.3], atLeast: 0.2 }], false],
    ['a value that the pattern does not match', [{ field: 'evaluator', equals: 'a', pattern: 'b*' }], true],
    ['a number that matches a pattern', [{ field: 'evaluator', pattern: '0.*', atLeast: 0 }], true],
    ['text as a metric', [{ metric: 'm', equals: '0.9' }], true],
    [
      'two values of one field',
      [
        { field: 'evaluator', equals: 'a' },
        { field: 'evaluator', equals: 'b' },
      ],
      true,
    ],
    [
      'limits of two slices',
      [
        { metric: 'm', slice: 'a', atLeast: 0.9 },
        { metric: 'm', slice: 'b', atMost: 0.1 },
      ],
      false,
    ],
  ])('tells whether %s can be met', async (_, where, isUnmeetable) => {
    const found = await findings({ ...LAB, where })
    expect(found.map(({ code, severity }) => `${severity} ${code}`)).toEqual(
      isUnmeetable ? ['error REQUIREMENT_UNMEETABLE'] : [],
    )
    if (isUnmeetable) expect(found[0]?.message).toContain('it requires an evaluation, but ')
  })

  const DIGEST = 'd'.repeat(64)
  test.each([
    [
      'a number as text',
      'model-card',
      { field: 'version', equals: 1 },
      'error REQUIREMENT_UNMEETABLE',
      'write it in quotes: "1"',
    ],
    [
      'a boolean as text',
      'model-card',
      { field: 'tag', oneOf: [true] },
      'error REQUIREMENT_UNMEETABLE',
      'never equals true',
    ],
    [
      'a limit of text',
      'model-card',
      { field: 'version', atLeast: 2 },
      'error REQUIREMENT_UNMEETABLE',
      '"atLeast" compares numbers',
    ],
    [
      'one number among texts',
      'model-card',
      { field: 'version', oneOf: ['1', 2] },
      'warning CONDITION_MISSPELT',
      'the number 2',
    ],
    [
      'text as a metric',
      'evaluation',
      { metric: 'm', equals: '0.9' },
      'error REQUIREMENT_UNMEETABLE',
      'write 0.9 without quotes',
    ],
    [
      'text among metrics',
      'evaluation',
      { metric: 'm', oneOf: ['low', 0.9] },
      'warning CONDITION_MISSPELT',
      'the text "low"',
    ],
    [
      'a result in lower case',
      'evaluation',
      { field: 'result', equals: 'passed' },
      'error REQUIREMENT_UNMEETABLE',
      'PASSED, WARNED, FAILED',
    ],
    [
      'a result of another kind',
      'verification-summary',
      { field: 'result', oneOf: ['PASSED', 'WARNED'] },
      'warning CONDITION_MISSPELT',
      '"WARNED"',
    ],
    [
      'a bare digest of a dataset',
      'evaluation',
      { field: 'dataset', equals: DIGEST },
      'error REQUIREMENT_UNMEETABLE',
      `write sha256:${DIGEST}`,
    ],
    [
      'a bare digest of a base model',
      'provenance',
      { field: 'base-model', equals: DIGEST.toUpperCase() },
      'error REQUIREMENT_UNMEETABLE',
      `write sha256:${DIGEST}`,
    ],
    [
      'a name among digests',
      'provenance',
      { field: 'dataset', oneOf: ['glue', `sha256:${DIGEST}`] },
      'warning CONDITION_MISSPELT',
      '"glue" is none',
    ],
    [
      'a bare digest among names',
      'model-card',
      { field: 'base-model', equals: DIGEST },
      'warning CONDITION_MISSPELT',
      `Write sha256:${DIGEST}`,
    ],
    [
      'a wildcard',
      'provenance',
      { field: 'builder', equals: 'https://github.com/actions/**' },
      'warning WILDCARD_EXACT',
      'write "pattern"',
    ],
    [
      'a wildcard in a list',
      'https://example.org/review/v1',
      { field: 'by', oneOf: ['Ann', 'B*'] },
      'warning WILDCARD_EXACT',
      '"B*"',
    ],
    [
      'a number as text, under the URI of the kind',
      'https://slsa.dev/provenance/v1',
      { field: 'commit', equals: 1 },
      'error REQUIREMENT_UNMEETABLE',
      'is text',
    ],
  ])('warns about %s', async (_, type, condition, expected, words) => {
    const found = await findings({ ...LAB, type, where: [condition] })
    expect(found.map(({ code, severity }) => `${severity} ${code}`)).toEqual([expected])
    expect(found[0]?.message).toContain(words)
  })

  test.each([
    [
      'a licence in the case of SPDX',
      'model-card',
      [
        { field: 'licence', oneOf: ['Apache-2.0', 'MIT'] },
        { field: 'licence', equals: 'mit' },
      ],
    ],
    ['a digest', 'evaluation', [{ field: 'dataset', equals: `sha256:${DIGEST}` }]],
    ['the name of a base model', 'model-card', [{ field: 'base-model', equals: 'org/base' }]],
    ['a commit in SHA-256', 'provenance', [{ field: 'commit', equals: DIGEST }]],
    ['a pattern', 'provenance', [{ field: 'builder', pattern: 'https://github.com/actions/**' }]],
    ['a number of a type that is not known', 'https://example.org/review/v1', [{ field: 'level', equals: 1 }]],
    ['a URL with a query', 'evaluation', [{ field: 'url', equals: 'https://a.example/x?id=1' }]],
  ])('finds nothing wrong with %s', async (_, type, where) => {
    expect(await findings({ ...LAB, type, where })).toEqual([])
  })

  test('warns about its signers as about those of a rule', async () => {
    await site.write('root.pem', pemOf(await authority('Root', { notAfter: inDays(400) })))
    const trustRoots = { a: { publicKey: 'a.pub' }, ca: { certificates: { roots: 'root.pem' } } }
    const signers = [
      { certificate: { root: 'ca', san: 'email:**' } },
      { certificate: { root: 'ca', san: { pattern: 'email:*' } } },
      { certificate: { root: 'ca', subject: ' CN=a' } },
      { certificate: { root: 'ca' } },
    ]
    const attestations = [{ type: 'evaluation', signers, threshold: 4 }]
    const about = (rule: object) => ({ name: 'all', match: { path: '**' }, signers, ...rule })
    const dangersOf = async (rule: object) => {
      const age = { issued: '2026-01-01T00:00:00Z', maxAge: 'P100Y' }
      const found = await checkPolicy(await site.policy({ version: 1, ...age, trustRoots, rules: [about(rule)] }))
      return found.filter(({ code }) => code !== 'ROOT_UNUSED').map(({ code, message }) => `${code} ${message}`)
    }
    const expected = await dangersOf({})
    expect(expected.map((one) => one.split(' ')[0])).toEqual([
      'WILDCARD_EXACT',
      'SIGNER_BROAD',
      'SIGNER_MISSPELT',
      'SIGNER_BROAD',
    ])
    expect(await dangersOf({ signers: [{ key: 'a' }], require: { attestations } })).toEqual(expected)
    // Also if the rule is wrong in another way.
    const where = [{ metric: 'm', atLeast: 1, atMost: 0 }]
    const both = await dangersOf({
      signers: [{ key: 'a' }],
      require: { attestations: [{ ...attestations[0], where }] },
    })
    expect(both).toHaveLength(5)
  })

  test('needs as many signers as its threshold', async () => {
    expect((await findings({ type: 'evaluation', threshold: 2 })).map(({ code }) => code)).toEqual([
      'REQUIREMENT_UNMEETABLE',
    ])
  })

  test.each([
    ['one of two', { ...LAB }, ['lab'], []],
    ['both', { ...LAB }, ['lab', 'lab2'], ['SIGNERS_REVOKED']],
    ['one of two that are needed', { ...LAB, threshold: 2 }, ['lab'], ['SIGNERS_REVOKED']],
  ])('warns if %s of its signers are revoked beyond its threshold', async (_, demand, keys, codes) => {
    const found = await findings(demand, { keys: keys.map((key) => ({ file: `${key}.pub` })) })
    expect(found.map(({ code }) => code)).toEqual(codes)
  })
})
