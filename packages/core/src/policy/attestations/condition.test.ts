import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { evaluation } from '../../attestation/kinds/evaluation.ts'
import { kindOfStatement, readPredicate } from '../../attestation/kinds/kinds.ts'
import { attestationSteps } from '../../attestation/statement.ts'
import { atOnce } from '../../source/turns.ts'
import { isCaseless } from './caseless.ts'
import { compileCondition, type ReadAttestation } from './condition.ts'
import type { ConditionText } from './schema.ts'

const SHA = 'd'.repeat(64)
const OTHER = 'e'.repeat(64)

function readStatement(statement: object, change = (text: string) => text): ReadAttestation {
  const text = change(
    JSON.stringify({ _type: 'https://in-toto.io/Statement/v1', subject: [{ digest: { sha256: SHA } }], ...statement }),
  )
  const parsed = atOnce(attestationSteps(Buffer.from(text)))
  const kind = kindOfStatement(parsed)
  return { statement: parsed, kind, predicate: kind && readPredicate(kind, parsed) }
}

/** An evaluation with these results. @param change of its text, before it is parsed */
function evaluated(results: object[], change?: (text: string) => string): ReadAttestation {
  const predicate = {
    result: 'PASSED',
    configuration: [],
    'urn:modelseal:evaluation:0.1': { evaluatedOn: '2026-11-01T00:00:00Z', evaluator: 'lab', results },
  }
  return readStatement({ predicateType: evaluation.types[0], predicate }, change)
}

/** An attestation of a type that is not known. */
const other = (predicate: object, change?: (text: string) => string) =>
  readStatement({ predicateType: 'https://example.org/review/v1', predicate }, change)

const isMet = (text: ConditionText, attestation: ReadAttestation) =>
  compileCondition(text).unmet(attestation) === undefined

describe('a condition about a metric', () => {
  const results = [
    { metric: 'accuracy', value: 0.92, dataset: { name: 'test', digest: { sha256: SHA } } },
    { metric: 'accuracy', value: 0.5, slice: 'noisy', dataset: { name: 'test', digest: { sha256: SHA } } },
    { metric: 'latency', value: 12, unit: 'ms' },
  ]
  test.each([
    ['at the limit', { metric: 'accuracy', atLeast: 0.92 }, true],
    ['at the upper limit', { metric: 'accuracy', atMost: 0.92 }, true],
    ['below the limit', { metric: 'accuracy', atLeast: 0.9200001 }, false],
    ['above the upper limit', { metric: 'accuracy', atMost: 0.9199999 }, false],
    ['between both', { metric: 'accuracy', atLeast: 0.9, atMost: 1 }, true],
    ['of the dataset', { metric: 'accuracy', dataset: `sha256:${SHA}`, atLeast: 0.9 }, true],
    ['of another dataset', { metric: 'accuracy', dataset: `sha256:${OTHER}`, atLeast: 0 }, false],
    ['of a slice', { metric: 'accuracy', slice: 'noisy', atLeast: 0.5 }, true],
    ['of another slice', { metric: 'accuracy', slice: 'clean', atLeast: 0 }, false],
    ['that nobody measured', { metric: 'recall', exists: true }, false],
    ['that was measured', { metric: 'accuracy', exists: true }, true],
    ['in its unit', { metric: 'latency', unit: 'ms', atMost: 20 }, true],
    ['without its unit', { metric: 'latency', atMost: 20 }, false],
    ['in another unit', { metric: 'latency', unit: 's', atMost: 20 }, false],
    ['of a name in another case', { metric: 'Accuracy', atLeast: 0 }, false],
    ['that has to equal it', { metric: 'accuracy', equals: 0.92 }, true],
    ['that has to equal text', { metric: 'accuracy', equals: '0.92' }, false],
    ['that has to be one of several', { metric: 'accuracy', oneOf: [1, 0.92] }, true],
  ] as [string, ConditionText, boolean][])('%s', (_, condition, met) => {
    expect(isMet(condition, evaluated(results))).toBe(met)
  })

  test('has to be met by every measurement that it concerns', () => {
    const two = ['a', 'b'].map((name, index) => ({ metric: 'accuracy', value: 0.9 + index / 100, dataset: { name } }))
    expect(isMet({ metric: 'accuracy', atLeast: 0.9 }, evaluated(two))).toBe(true)
    expect(isMet({ metric: 'accuracy', atLeast: 0.91 }, evaluated(two))).toBe(false)
  })

  test('is not met by a number that no program reads as it is written', () => {
    const long = (text: string) => text.replace('0.92', '0.91999999999999999999999')
    const only = [{ metric: 'accuracy', value: 0.92 }]
    expect(isMet({ metric: 'accuracy', atLeast: 0.92 }, evaluated(only))).toBe(true)
    expect(isMet({ metric: 'accuracy', atLeast: 0.92 }, evaluated(only, long))).toBe(false)
    expect(isMet({ metric: 'accuracy', atLeast: 0 }, evaluated(only, long))).toBe(false)
    expect(isMet({ metric: 'accuracy', exists: true }, evaluated(only, long))).toBe(true)
  })

  test('says what was found', () => {
    const { unmet, written } = compileCondition({ metric: 'accuracy', dataset: `sha256:${SHA}`, atLeast: 0.95 })
    expect(written).toBe(`the metric "accuracy" with the dataset sha256:${SHA} of at least 0.95`)
    expect(unmet(evaluated(results))).toBe('0.92')
  })

  test.each([
    [{ metric: 'latency', atMost: 20 }, 'no such value, but values in "ms"'],
    [
      { metric: 'accuracy', dataset: `sha256:${OTHER}`, atLeast: 0 },
      `no such value, but values with the dataset sha256:${SHA}; with the dataset sha256:${SHA} for the slice "noisy"`,
    ],
    [
      { metric: 'accuracy', slice: 'clean', atLeast: 0 },
      `no such value, but values with the dataset sha256:${SHA}; with the dataset sha256:${SHA} for the slice "noisy"`,
    ],
    [{ metric: 'f1', unit: '%', atLeast: 0 }, 'no such value, but values without dataset, slice and unit'],
    [{ metric: 'Accuracy', exists: true as const }, 'no such metric, but "accuracy", "latency", "f1"'],
  ])('says which values there are in place of %j', (text, found) => {
    expect(compileCondition(text).unmet(evaluated([...results, { metric: 'f1', value: 1 }]))).toBe(found)
  })

  test('says no more than a few of many values', () => {
    const many = Array.from({ length: 9 }, (_, index) => ({ metric: `m${index}`, value: 1 }))
    expect(compileCondition({ metric: 'x', exists: true }).unmet(evaluated(many))).toBe(
      'no such metric, but "m0", "m1", "m2", "m3", "m4" and 4 more',
    )
  })
})

describe('a condition about a field', () => {
  test.each([
    ['of the kind', { field: 'evaluator', equals: 'lab' }, true],
    ['in another case', { field: 'evaluator', equals: 'Lab' }, false],
    ['by a pattern', { field: 'evaluator', pattern: 'l*' }, true],
    ['by a pattern that must match all of it', { field: 'evaluator', pattern: 'l' }, false],
    ['that is empty', { field: 'url', exists: true }, false],
    ['that the kind does not have', { field: 'configuration', exists: true }, false],
    ['of all objects', { field: 'constructor', exists: true }, false],
  ] as [string, ConditionText, boolean][])('%s', (_, condition, met) => {
    expect(isMet(condition, evaluated([{ metric: 'accuracy', value: 1 }]))).toBe(met)
  })

  const review = {
    approved: true,
    by: { name: 'Ann', level: 3 },
    areas: ['safety', 'law'],
    notes: [{ text: 'ok' }, { text: 'fine' }],
    some: [{ ok: true }, {}],
    nulls: ['ok', null],
    mixed: ['ok', { b: 'bad' }],
    many: Array(1_001).fill(1),
  }
  test.each([
    ['true', { field: 'approved', equals: true }, true],
    ['true as text', { field: 'approved', equals: 'true' }, false],
    ['below another', { field: 'by.name', equals: 'Ann' }, true],
    ['with a number', { field: 'by.level', atLeast: 3 }, true],
    ['with a number that is too small', { field: 'by.level', atLeast: 3.0000001 }, false],
    ['of a list, all of which are allowed', { field: 'areas', oneOf: ['safety', 'law', 'ethics'] }, true],
    ['of a list, one of which is not allowed', { field: 'areas', oneOf: ['safety', 'ethics'] }, false],
    ['in a list of objects', { field: 'notes.text', exists: true }, true],
    ['that is an object', { field: 'by', exists: true }, false],
    ['of all objects', { field: 'constructor.name', exists: true }, false],
    ['of all lists', { field: 'areas.length', exists: true }, false],
    ['that is missing', { field: 'by.email', exists: true }, false],
    ['that one item of a list lacks', { field: 'some.ok', equals: true }, false],
    ['that is null in a list', { field: 'nulls', exists: true }, false],
    ['that is an object in a list', { field: 'mixed', equals: 'ok' }, false],
    ['with too many values', { field: 'many', atLeast: 0 }, false],
  ] as [string, ConditionText, boolean][])('of a type that is not known: %s', (_, condition, met) => {
    expect(isMet(condition, other(review))).toBe(met)
  })
})

describe('values that cannot be read meet no condition:', () => {
  const card = (licenses: object[], metrics: object[] = []) =>
    readStatement({
      predicateType: 'https://cyclonedx.org/bom',
      predicate: {
        bomFormat: 'CycloneDX',
        specVersion: '1.7',
        metadata: {
          component: {
            type: 'machine-learning-model',
            name: 'vad',
            licenses,
            modelCard: { quantitativeAnalysis: { performanceMetrics: metrics } },
          },
        },
      },
    })
  const accuracy = (value: string) => ({ type: 'accuracy', value })

  test.each([
    [[accuracy('0.95')], true],
    [[accuracy('0.95'), accuracy('0.40 ')], false],
    [[accuracy('0.95'), accuracy('12%')], false],
    [[accuracy('0.95'), accuracy('0.9500000000000000055511151231257827')], false],
  ])('metrics of a card %j', (metrics, met) => {
    expect(isMet({ metric: 'accuracy', atLeast: 0.9 }, card([], metrics))).toBe(met)
  })

  test.each([
    [[{ license: { id: 'MIT' } }], true],
    [[{ license: { id: 'MIT' } }, { license: { url: 'https://proprietary.example' } }], false],
    [[{ license: { id: 'MIT' } }, {}], false],
  ])('licences of a card %j', (licences, met) => {
    expect(isMet({ field: 'licence', equals: 'mit' }, card(licences))).toBe(met)
  })

  test.each([
    ['MIT', { equals: 'mit' }, true],
    ['mit', { equals: 'MIT' }, true],
    ['Apache-2.0', { oneOf: ['MIT', 'APACHE-2.0'] }, true],
    ['Apache-2.0', { pattern: 'APACHE-*' }, true],
    ['Apache-2.0', { equals: 'Apache-2' }, false],
  ])('the licence %s is compared without regard to case with %j', (id, comparison, met) => {
    const text = { field: 'licence', ...comparison }
    for (const license of [{ id }, { name: id }]) {
      expect(compileCondition(text, isCaseless(text, 'model-card')).unmet(card([{ license }])) === undefined).toBe(met)
    }
    expect(isCaseless(text, 'https://cyclonedx.org/bom')).toBe(true)
    expect(isCaseless(text, 'https://example.org/review/v1')).toBe(false)
    expect(isCaseless({ field: 'name' }, 'model-card')).toBe(false)
  })

  test('letters that only look alike are no licence', () => {
    const kelvin = compileCondition({ field: 'licence', equals: '\u212a' }, true)
    expect(kelvin.unmet(card([{ license: { name: 'K' } }]))).toBe('"K"')
  })

  test('a document about a dataset is no model card, whatever else it lists', () => {
    const predicate = {
      bomFormat: 'CycloneDX',
      specVersion: '1.7',
      metadata: { component: { type: 'data', name: 'd', licenses: [{ license: { id: 'CC-BY-NC-4.0' } }] } },
      components: [
        { type: 'machine-learning-model', name: 'm', licenses: [{ license: { id: 'MIT' } }], modelCard: {} },
      ],
    }
    expect(readStatement({ predicateType: 'https://cyclonedx.org/bom', predicate }).kind?.name).toBe('data-card')
  })

  const git = (uri: string | undefined, digest: object) => ({ ...(uri === undefined ? {} : { uri }), digest })
  test.each([
    ['commit', git('git+https://a.example', { gitCommit: 'c1' }), git('git+https://b.example', { sha1: 'x' })],
    ['source', git('git+https://a.example', { gitCommit: 'c1' }), git(undefined, { gitCommit: 'c2' })],
  ])('the %s of one of several sources', (field, first, second) => {
    const built = (...resolvedDependencies: object[]) =>
      readStatement({
        predicateType: 'https://slsa.dev/provenance/v1',
        predicate: {
          buildDefinition: { buildType: 'https://a.example/build', externalParameters: {}, resolvedDependencies },
          runDetails: { builder: { id: 'https://a.example' } },
        },
      })
    const wanted = { field, pattern: '**' }
    expect(isMet(wanted, built(first))).toBe(true)
    expect(isMet(wanted, built(first, second))).toBe(false)
  })
})

test('agrees with a second evaluation written apart', () => {
  const scalar = fc.oneof(
    fc.constantFrom('a', 'b', '1', '0.5'),
    fc.constantFrom(0, 1, 0.5, -2, 1e-7, 100),
    fc.boolean(),
  )
  const value = fc.oneof(scalar, fc.array(scalar, { maxLength: 3 }))
  const comparison = fc.record(
    {
      equals: scalar,
      oneOf: fc.array(scalar, { minLength: 1, maxLength: 3 }),
      atLeast: fc.constantFrom(0, 0.5, 1),
      atMost: fc.constantFrom(0, 0.5, 1),
      exists: fc.constant(true as const),
    },
    { requiredKeys: [] },
  )
  fc.assert(
    fc.property(fc.option(value, { nil: undefined }), comparison, (found, wanted) => {
      fc.pre(Object.keys(wanted).length > 0)
      const values = found === undefined ? [] : [found].flat()
      // Numbers this short are compared alike as doubles.
      const meets = (one: unknown) =>
        (wanted.equals === undefined || one === wanted.equals) &&
        (wanted.oneOf === undefined || wanted.oneOf.includes(one as never)) &&
        (wanted.atLeast === undefined || (typeof one === 'number' && one >= wanted.atLeast)) &&
        (wanted.atMost === undefined || (typeof one === 'number' && one <= wanted.atMost))
      const expected = values.length > 0 && values.every(meets)
      expect(isMet({ field: 'x', ...wanted }, other(found === undefined ? {} : { x: found }))).toBe(expected)
    }),
  )
})
