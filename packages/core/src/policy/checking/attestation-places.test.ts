import { afterAll, beforeAll, expect, test } from 'vitest'
import { authority, inDays, pemOf } from '../../testing/authority.ts'
import { TestSite } from '../../testing/site.ts'
import { checkPolicy } from './check.ts'

let site: TestSite

beforeAll(async () => {
  site = await TestSite.make()
  for (const key of ['a', 'lab', 'lab2']) await site.key(key)
  await site.write('root.pem', pemOf(await authority('Root', { notAfter: inDays(400) })))
})
afterAll(() => site.remove())

/** The first line below `attestations` of the policy that {@link findings} writes for one signer of the rule. */
const FIRST = 22
const LAB = { type: 'evaluation', signers: [{ key: 'lab' }, { key: 'lab2' }] }
const BROAD = { certificate: { root: 'ca', san: { pattern: 'email:*' } } }

/** Severity and code, line after the first one, and message of each finding about a rule that requires these attestations. */
async function findings(attestations: object[], { revoked = {}, rule = {}, first = FIRST } = {}) {
  const keys = ['a', 'lab', 'lab2'].map((key) => [key, { publicKey: `${key}.pub` }])
  const trustRoots = { ...Object.fromEntries(keys), ca: { certificates: { roots: 'root.pem' } } } as object
  const rules = [{ name: 'all', match: { path: '**' }, signers: [{ key: 'a' }], ...rule, require: { attestations } }]
  const age = { issued: '2026-01-01T00:00:00Z', maxAge: 'P100Y' }
  const found = await checkPolicy(await site.policy({ version: 1, ...age, trustRoots, rules, revoked }))
  return found
    .filter(({ code }) => code !== 'ROOT_UNUSED')
    .map(({ severity, code, line = 0, message }) => [`${severity} ${code}`, line - first, message])
}

const saying = (words: string) => expect.stringContaining(words) as string

test('a condition that cannot be met is at its place, once', async () => {
  const where = [
    { field: 'evaluator', equals: 'a' },
    { field: 'evaluator', equals: 'b' },
    { field: 'result', equals: 'PASSED' },
    { field: 'result', equals: 'passed' },
    { field: 'dataset', oneOf: ['x', `sha256:${'a'.repeat(64)}`] },
  ]
  expect(await findings([LAB, { ...LAB, where }])).toEqual([
    [
      'error REQUIREMENT_UNMEETABLE',
      11,
      saying(
        'an evaluation, but nothing can meet this condition and those before it: the field "evaluator" equal to "b".',
      ),
    ],
    ['error REQUIREMENT_UNMEETABLE', 15, saying('but no result of an evaluation is "passed"')],
    ['warning CONDITION_MISSPELT', 17, saying('the field "dataset" has only digests')],
  ])
  // A value that is misspelt does not hide that nothing can meet the condition.
  const misspelt = [
    { field: 'dataset', equals: `sha256:${'b'.repeat(64)}` },
    { field: 'dataset', oneOf: ['x', `sha256:${'a'.repeat(64)}`] },
  ]
  expect((await findings([{ ...LAB, where: misspelt }])).map(([code, line]) => [code, line])).toEqual([
    ['warning CONDITION_MISSPELT', 7],
    ['error REQUIREMENT_UNMEETABLE', 7],
  ])
})

test('a signer of an attestation that accepts nearly anybody is at its place, and one of the rule is there once', async () => {
  const own = { type: 'evaluation', signers: [{ key: 'lab' }, BROAD] }
  expect(await findings([{ type: 'evaluation' }, own], { rule: { signers: [BROAD] }, first: 25 })).toEqual([
    ['warning SIGNER_BROAD', -6, saying('The pattern matches nearly everybody')],
    ['warning SIGNER_BROAD', 4, saying('The pattern matches nearly everybody')],
  ])
})

test('too few signers of an attestation are at their place, with their number', async () => {
  const required = [LAB, { ...LAB, threshold: 2 }, { type: 'evaluation', threshold: 2 }]
  expect(await findings(required, { revoked: { keys: [{ file: 'lab.pub' }] } })).toEqual([
    [
      'warning SIGNERS_REVOKED',
      4,
      saying('an evaluation by 2 signers, and the policy revokes 1 of the 2 that it names'),
    ],
    ['error REQUIREMENT_UNMEETABLE', 10, saying('but 2 signers have to make it, and the rule names 1.')],
  ])
  const all = { keys: [{ file: 'lab.pub' }, { file: 'lab2.pub' }] }
  expect(await findings([LAB], { revoked: all })).toEqual([
    [
      'warning SIGNERS_REVOKED',
      0,
      saying('an evaluation by a signer, and the policy revokes all of the 2 that it names'),
    ],
  ])
})
