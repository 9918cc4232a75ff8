import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { attestationFields } from './schema.ts'

const SHA = `sha256:${'d'.repeat(64)}`
const REVIEW = 'https://example.org/review/v1'
const KEYS = [{ key: 'a' }, { key: 'b' }]

/** What is wrong with a requirement: the path and the message of each issue. */
function issues(given: object): string[] {
  const checked = attestationFields.attestations.check([given])
  return 'issues' in checked ? checked.issues.map(({ path, message }) => `${path.slice(1).join('.')}: ${message}`) : []
}
const ofCondition = (condition: object, type = 'evaluation') => issues({ type, where: [condition] })

describe('a requirement of attestations', () => {
  test.each([
    { type: 'evaluation' },
    { type: REVIEW },
    { type: 'urn:x:https://model_signing/signature/v1.0' },
    { type: 'model-card', signers: KEYS, threshold: 2, maxAge: '90d', where: [{ field: 'licence', equals: 'MIT' }] },
    { type: 'https://in-toto.io/attestation/test-result/v0.1', maxAge: '1d' },
  ])('may be %j', (given) => {
    expect(issues(given)).toEqual([])
  })

  test.each<[object, string]>([
    [{}, 'type: '],
    [{ type: '' }, 'type: expected text that is not empty'],
    [{ type: `urn:${'x'.repeat(2_048)}` }, 'type: '],
    [{ type: 'evaluatoin' }, 'type: expected evaluation, model-card, data-card'],
    [{ type: 'https://model_signing/signature/v1.0' }, 'type: expected no type of model signatures'],
    [{ type: 'HTTPS://model_signing/x' }, 'type: expected no type of model signatures'],
    [{ type: REVIEW, signers: [] }, 'signers: expected at least 1'],
    [{ type: REVIEW, signers: KEYS, threshold: 3 }, 'threshold: expected at most 2, the number of signers'],
    [{ type: REVIEW, threshold: 0 }, 'threshold: '],
    [{ type: REVIEW, threshold: 1.5 }, 'threshold: '],
    [{ type: 'evaluation', maxAge: 'long' }, 'maxAge: '],
    [{ type: REVIEW, maxAge: '1d' }, 'maxAge: expected no maximum age'],
    [{ type: REVIEW, where: [] }, 'where: '],
    [{ type: REVIEW, where: Array(65).fill({ field: 'a', exists: true }) }, 'where: '],
    [{ type: REVIEW, extra: 1 }, ': '],
  ])('may not be %j', (given, problem) => {
    expect(issues(given)[0]?.startsWith(problem)).toBe(true)
  })

  test('may have as many conditions and signers as there is room for', () => {
    expect(issues({ type: REVIEW, where: Array(64).fill({ field: 'a', exists: true }) })).toEqual([])
    expect(issues({ type: REVIEW, threshold: 5 })).toEqual([])
    expect(issues({ type: REVIEW, signers: KEYS, threshold: 2 })).toEqual([])
  })

  test('names the kind in place of a type that several kinds share', () => {
    const type = 'https://cyclonedx.org/bom'
    const instead = '; name the kind instead: model-card or data-card'
    expect(issues({ type, maxAge: '1d' })).toEqual([expect.stringContaining(instead)])
    expect(issues({ type, where: [{ metric: 'm', atLeast: 1 }] })).toEqual([
      `where.0.metric: expected a field: the metrics of this type are not known${instead}`,
    ])
    expect(issues({ type: REVIEW, maxAge: '1d' })[0]).not.toContain('instead')
  })

  test('says what was found, and what was probably meant', () => {
    const first = (given: object) => {
      const checked = attestationFields.attestations.check([given])
      return 'issues' in checked ? checked.issues[0] : undefined
    }
    expect(first({ type: REVIEW, signers: KEYS, threshold: 3 })).toMatchObject({ input: 3 })
    expect(first({ type: REVIEW, maxAge: '1d' })).toMatchObject({ input: '1d' })
    expect(first({ type: 'x' })).toMatchObject({ values: expect.arrayContaining(['evaluation']) as string[] })
    const field = { type: 'evaluation', where: [{ field: 'evaluater', exists: true }] }
    expect(first(field)).toMatchObject({
      input: 'evaluater',
      values: expect.arrayContaining(['evaluator']) as string[],
    })
    const metric = { type: 'provenance', where: [{ metric: 'accuracy', exists: true }] }
    expect(first(metric)).toMatchObject({ input: 'accuracy' })
  })

  test('is one of at most 64, of which there is at least one', () => {
    const count = (many: number) => 'value' in attestationFields.attestations.check(Array(many).fill({ type: REVIEW }))
    expect([0, 1, 64, 65].map(count)).toEqual([false, true, true, false])
    expect(attestationFields.attestations.check(undefined)).toEqual({ value: undefined })
  })
})

describe('a condition', () => {
  test.each([
    { field: 'evaluator', equals: 'lab' },
    { field: 'evaluator', oneOf: ['a', 1, true] },
    { field: 'evaluator', pattern: 'l*' },
    { field: 'evaluator', exists: true },
    { metric: 'accuracy', atLeast: 0.9, atMost: 1 },
    { metric: 'accuracy', dataset: SHA, slice: 'de', unit: '%', equals: 1 },
  ])('may be %j', (condition) => {
    expect(ofCondition(condition)).toEqual([])
  })

  test.each<[object, string]>([
    [{ equals: 1 }, 'where.0: expected either a field or a metric'],
    [{ field: 'evaluator', metric: 'm', equals: 1 }, 'where.0: expected either a field or a metric'],
    [{ field: 'evaluator' }, 'where.0: expected a comparison: equals, oneOf, atLeast, atMost, pattern, exists'],
    [{ metric: 'm', pattern: 'x' }, 'where.0.pattern: expected no pattern: metrics are numbers'],
    [{ field: 'evaluator', exists: true, dataset: SHA }, 'where.0.dataset: expected only together with a metric'],
    [{ field: 'evaluator', exists: true, slice: 'x' }, 'where.0.slice: expected only together with a metric'],
    [{ field: 'evaluator', exists: true, unit: 'x' }, 'where.0.unit: expected only together with a metric'],
    [
      { field: 'evaluator', exists: false },
      'where.0.exists: expected true: nothing can depend on the absence of a statement',
    ],
  ])('may not be %j', (condition, problem) => {
    expect(ofCondition(condition)).toEqual([problem])
  })

  test.each<[object, string]>([
    [{ field: '', exists: true }, 'field'],
    [{ field: 'x'.repeat(201), exists: true }, 'field'],
    [{ metric: '', exists: true }, 'metric'],
    [{ metric: 'x'.repeat(201), exists: true }, 'metric'],
    [{ metric: 'm', slice: '', exists: true }, 'slice'],
    [{ metric: 'm', slice: 'x'.repeat(201), exists: true }, 'slice'],
    [{ metric: 'm', unit: '', exists: true }, 'unit'],
    [{ metric: 'm', unit: 'x'.repeat(101), exists: true }, 'unit'],
    [{ metric: 'm', dataset: 'd'.repeat(64), exists: true }, 'dataset'],
    [{ metric: 'm', dataset: `x${SHA}`, exists: true }, 'dataset'],
    [{ metric: 'm', dataset: `${SHA}0`, exists: true }, 'dataset'],
    [{ metric: 'm', dataset: SHA.toUpperCase(), exists: true }, 'dataset'],
    [{ field: 'evaluator', equals: '' }, 'equals'],
    [{ field: 'evaluator', equals: 'x'.repeat(4_097) }, 'equals'],
    [{ field: 'evaluator', equals: ['x'] }, 'equals'],
    [{ field: 'evaluator', oneOf: [] }, 'oneOf'],
    [{ field: 'evaluator', atLeast: '1' }, 'atLeast'],
    [{ field: 'evaluator', atMost: '1' }, 'atMost'],
    [{ field: 'evaluator', pattern: '[' }, 'pattern'],
  ])('may not be %j either', (condition, field) => {
    expect(ofCondition(condition)[0]).toMatch(new RegExp(`^where\\.0\\.${field}`))
  })

  test('says which digest is expected', () => {
    expect(ofCondition({ metric: 'm', dataset: 'd'.repeat(64), exists: true })).toEqual([
      'where.0.dataset: expected the digest of the dataset: sha256: and 64 lowercase hex digits',
    ])
  })

  test.each(['', 'x'.repeat(201)])('is not about a field of any type with the name %.20j', (field) => {
    expect(ofCondition({ field, exists: true }, REVIEW)[0]).toMatch(/^where\.0\.field: expected (?:text that|at most)/)
  })

  test('may have the longest texts', () => {
    const long = { slice: 'x'.repeat(200), unit: 'x'.repeat(100), equals: 'x'.repeat(4_096) }
    expect(ofCondition({ metric: 'm'.repeat(200), ...long })).toEqual([])
    expect(ofCondition({ field: 'x'.repeat(200), exists: true }, REVIEW)).toEqual([])
  })

  test('is about what the kind has', () => {
    expect(ofCondition({ field: 'licence', exists: true })).toEqual([
      expect.stringMatching(/^where\.0\.field: expected a field of an evaluation: result, evaluator/),
    ])
    expect(ofCondition({ metric: 'm', atLeast: 1 }, 'provenance')).toEqual([
      'where.0.metric: expected a field: a provenance statement has no metrics',
    ])
    expect(ofCondition({ metric: 'm', atLeast: 1 }, REVIEW)).toEqual([
      'where.0.metric: expected a field: the metrics of this type are not known',
    ])
    expect(ofCondition({ field: 'anything.at.all', exists: true }, REVIEW)).toEqual([])
    expect(ofCondition({ metric: 'm', atLeast: 1 }, 'model-card')).toEqual([])
  })
})

test('the JSON Schema is the published one', () => {
  const published = JSON.parse(readFileSync(new URL('../../../policy.schema.json', import.meta.url), 'utf8')) as Json
  const rule = published['properties']?.['rules']?.['items'] as Json
  const required = rule['properties']?.['require']?.['properties'] as Json
  expect(JSON.parse(JSON.stringify(attestationFields.attestations.toJson()))).toEqual(required['attestations'])
})

interface Json {
  [name: string]: Json | undefined
}
