import { afterAll, beforeAll, describe, expect, test } from 'vitest'
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
    if (isUnmeetable) expect(found[0]?.message).toContain('it requires an evaluation, but nothing can meet')
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
