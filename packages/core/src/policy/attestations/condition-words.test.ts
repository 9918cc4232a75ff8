import { describe, expect, test } from 'vitest'
import { evaluation } from '../../attestation/kinds/evaluation.ts'
import { kindOfStatement, readPredicate } from '../../attestation/kinds/kinds.ts'
import { attestationSteps } from '../../attestation/statement.ts'
import { atOnce } from '../../source/turns.ts'
import { compileComparison, compileCondition, type ReadAttestation } from './condition.ts'
import type { ConditionText } from './schema.ts'

const SHA = 'd'.repeat(64)

function readStatement(predicateType: string, predicate: object, change = (text: string) => text): ReadAttestation {
  const subject = [{ digest: { sha256: SHA } }]
  const text = JSON.stringify({ _type: 'https://in-toto.io/Statement/v1', subject, predicateType, predicate })
  const statement = atOnce(attestationSteps(Buffer.from(change(text))))
  const kind = kindOfStatement(statement)
  return { statement, kind, predicate: kind && readPredicate(kind, statement) }
}

/** Of a type that is not known. */
const other = (predicate: object, change?: (text: string) => string) =>
  readStatement('https://example.org/review/v1', predicate, change)
const evaluated = (results: object[]) =>
  readStatement(evaluation.types[0], {
    result: 'PASSED',
    configuration: [],
    'urn:modelseal:evaluation:0.1': { evaluatedOn: '2026-11-01T00:00:00Z', evaluator: 'lab', results },
  })
const provenance = readStatement('https://slsa.dev/provenance/v1', {
  buildDefinition: { buildType: 'https://a.example/build', externalParameters: {}, resolvedDependencies: [] },
  runDetails: { builder: { id: 'https://a.example' } },
})
const unmet = (text: ConditionText, attestation: ReadAttestation) => compileCondition(text).unmet(attestation)

describe('a condition is written in words:', () => {
  test.each<[ConditionText, string]>([
    [{ field: 'a.b', equals: 'x' }, 'the field "a.b" equal to "x"'],
    [{ field: 'a', equals: true }, 'the field "a" equal to true'],
    [{ field: 'a', exists: true }, 'the field "a" with a value'],
    [{ field: 'a', oneOf: ['x', 1] }, 'the field "a" among "x" or 1'],
    [{ field: 'a', pattern: 'x*' }, 'the field "a" that matches "x*"'],
    [{ metric: 'm', atLeast: 1, atMost: 2 }, 'the metric "m" of at least 1 and of at most 2'],
    [{ metric: 'm', slice: 's', unit: 'ms', atMost: 2 }, 'the metric "m" for the slice "s" in "ms" of at most 2'],
    [
      { metric: 'm', dataset: `sha256:${SHA}`, exists: true },
      `the metric "m" with the dataset sha256:${SHA} with a value`,
    ],
  ])('%j', (text, written) => {
    expect(compileCondition(text)).toMatchObject({ written, field: text.field })
  })
})

describe('a condition that is not met says', () => {
  test.each<[string, ConditionText, ReadAttestation, string]>([
    ['that there is no such field', { field: 'a', exists: true }, other({}), 'no such value'],
    ['so of a field that is null', { field: 'a.b', exists: true }, other({ a: null }), 'no such value'],
    ['so of a kind', { field: 'url', exists: true }, evaluated([{ metric: 'm', value: 1 }]), 'no such value'],
    ['that there are no metrics', { metric: 'm', atLeast: 0 }, provenance, 'no metrics'],
    ['so of a type that is not known', { metric: 'm', atLeast: 0 }, other({ m: 1 }), 'no metrics'],
    ['what an item of a list lacks', { field: 'a.b', equals: 1 }, other({ a: [{ b: 1 }, {}] }), '1, nothing'],
    ['which lists have lists in them', { field: 'a', equals: 2 }, other({ a: [[1, 2], ['x']] }), '1, 2, "x"'],
    ['which text there is', { field: 'a', equals: 1 }, other({ a: '1' }), '"1"'],
    ['five values at most', { field: 'a', equals: 0 }, other({ a: [1, 2, 3, 4, 5] }), '1, 2, 3, 4, 5'],
    [
      'how many more there are',
      { field: 'a', equals: 0 },
      other({ a: [1, 2, 3, 4, 5, 6] }),
      '1, 2, 3, 4, 5 and 1 more',
    ],
    ['that there are too many', { field: 'a', equals: 0 }, other({ a: Array(1_001).fill(0) }), 'more than 1000 values'],
    [
      'that there are values without a dataset only',
      { metric: 'm', dataset: `sha256:${SHA}`, atLeast: 0 },
      evaluated([{ metric: 'm', value: 1 }]),
      'no such value, but values without dataset, slice and unit',
    ],
    [
      'of which dataset there are values',
      { metric: 'm', unit: 's', atLeast: 0 },
      evaluated([{ metric: 'm', value: 1, dataset: { name: 'test' } }]),
      'no such value, but values with the dataset "test"',
    ],
  ])('%s', (_, text, attestation, found) => {
    expect(unmet(text, attestation)).toBe(found)
  })

  test('which number has too many digits', () => {
    const long = other({ a: 1 }, (text) => text.replace('"a":1', '"a":0.91999999999999999999999'))
    for (const text of [{ equals: 1 }, { oneOf: ['x', 1] }, { oneOf: [1] }, { atLeast: 0 }, { atMost: 2 }])
      expect(unmet({ field: 'a', ...text }, long)).toBe(
        'the number "0.91999999999999999999999", which has too many digits to be compared',
      )
    expect(unmet({ field: 'a', equals: 'x' }, long)).toBe('0.92')
    expect(unmet({ field: 'a', exists: true }, long)).toBeUndefined()
  })
})

test('as many values as there may be are compared', () => {
  expect(unmet({ field: 'a', equals: 0 }, other({ a: Array(1_000).fill(0) }))).toBeUndefined()
})

describe('a comparison', () => {
  test.each<[object, boolean]>([
    [{ equals: 1 }, true],
    [{ oneOf: [1, 'x'] }, true],
    [{ oneOf: ['x', 'y'] }, false],
    [{ atLeast: 1 }, true],
    [{ atMost: 1 }, true],
    [{ equals: 'x', pattern: 'x' }, false],
    [{ exists: true }, false],
  ])('with %j is of numbers: %s', (text, isNumeric) => {
    expect(compileComparison(text).isNumeric).toBe(isNumeric)
  })

  test('with a number or a limit beyond any decimal is never met', () => {
    expect(compileComparison({ atLeast: 1 }).holds(Infinity)).toBe(false)
    expect(compileComparison({ atLeast: -Infinity }).holds(1)).toBe(false)
    expect(compileComparison({ equals: 1 }).holds(NaN)).toBe(false)
    expect(compileComparison({ equals: 1 }).holds(1)).toBe(true)
  })

  test('with a pattern is of text only', () => {
    const { holds } = compileComparison({ pattern: '*' })
    expect([holds('x'), holds(1), holds(true)]).toEqual([true, false, false])
  })
})
