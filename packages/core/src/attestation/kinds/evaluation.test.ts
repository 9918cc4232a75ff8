import { readFile } from 'node:fs/promises'
import { describe, expect, test, vi } from 'vitest'
import { readAttestationInput } from '../input.ts'
import {
  evaluation,
  EVALUATION_EXTENSION,
  evaluationJsonSchema,
  evaluationPredicateJsonSchema,
  makeEvaluation,
  type Evaluation,
  type EvaluationResult,
} from './evaluation.ts'
import { faultsIn } from './kind.ts'

const GLUE = { name: 'glue', digest: { sha256: 'a'.repeat(64) } }
const input = {
  results: [
    { metric: 'accuracy', value: 0.94, dataset: GLUE, slice: 'de', comparator: '>=', threshold: 0.92, sampleSize: 200 },
    { metric: 'latency', value: 12.5, unit: 'ms', comparator: '<', threshold: 12.5 },
    { metric: 'f1', value: 0.9, dataset: { digest: { sha256: 'b'.repeat(64) } } },
  ],
  evaluatedOn: '2026-11-01T00:00:00Z',
  evaluator: 'evaluation team',
  url: 'https://ci.example/runs/7',
}

const read = (predicate: object): Evaluation =>
  evaluation.read(predicate as Record<string, unknown>, faultsIn('ATTESTATION_MALFORMED', 'Cannot read', undefined))
const made = () => structuredClone(makeEvaluation(input)) as Record<string, Record<string, unknown[]>>

test('writes an in-toto test result with the measurements in an extension', () => {
  const { results, evaluatedOn, evaluator, url } = input
  expect(makeEvaluation(input)).toEqual({
    result: 'FAILED',
    configuration: [GLUE, { digest: { sha256: 'b'.repeat(64) } }],
    url,
    passedTests: ['accuracy on glue (de)'],
    failedTests: ['latency'],
    [EVALUATION_EXTENSION]: { evaluatedOn, evaluator, results },
  })
})

test('reads its fields, its time and its measurements', () => {
  const value = read(made())
  expect(evaluation.statedAt(value)).toBe(input.evaluatedOn)
  expect(Object.fromEntries(Object.entries(evaluation.fields).map(([name, of]) => [name, of(value)]))).toEqual({
    result: ['FAILED'],
    evaluator: ['evaluation team'],
    url: [input.url],
    'passed-tests': ['accuracy on glue (de)'],
    'warned-tests': [],
    'failed-tests': ['latency'],
    metric: ['accuracy', 'latency', 'f1'],
    dataset: [`sha256:${'a'.repeat(64)}`, `sha256:${'b'.repeat(64)}`],
  })
  expect(evaluation.measurements?.(value)).toEqual([
    { metric: 'accuracy', value: 0.94, dataset: { name: 'glue', sha256: 'a'.repeat(64) }, slice: 'de' },
    { metric: 'latency', value: 12.5, unit: 'ms' },
    { metric: 'f1', value: 0.9, dataset: { sha256: 'b'.repeat(64) } },
  ])
})

test('reads a test result by others as an evaluation without measurements, and ignores fields that it does not know', () => {
  const value = read({ result: 'WARNED', configuration: [], url: null, 'https://example.com/more': 1 })
  expect(value).toEqual({
    result: 'WARNED',
    configuration: [],
    passedTests: [],
    warnedTests: [],
    failedTests: [],
    results: [],
  })
  expect(evaluation.measurements?.(value)).toEqual([])
  expect(evaluation.statedAt(value)).toBeUndefined()
})

/** The file with other values in its first result. */
const withResult = (changes: Partial<Record<keyof EvaluationResult, unknown>>) => {
  const [first, ...others] = input.results
  return { ...input, results: [{ ...first, ...changes }, ...others] }
}

const MALFORMED: [what: string, file: object, field: string, expected?: string][] = [
  ['a number in quotes', withResult({ value: '0.94' }), 'results[0].value'],
  ['a number that JSON cannot hold', withResult({ value: Infinity }), 'results[0].value'],
  ['an unknown field', withResult({ score: 1 } as never), 'results[0].score'],
  [
    'an uppercase digest',
    withResult({ dataset: { digest: { sha256: 'A'.repeat(64) } } }),
    'results[0].dataset.digest.sha256',
  ],
  ['a dataset without name and digest', withResult({ dataset: {} }), 'results[0].dataset', 'a name, a digest, or both'],
  ['a comparator without a threshold', withResult({ threshold: undefined }), 'results[0].threshold'],
  ['a threshold without a comparator', withResult({ comparator: undefined }), 'results[0].comparator'],
  ['an unknown comparator', withResult({ comparator: '==' }), 'results[0].comparator'],
  ['half a sample', withResult({ sampleSize: 0.5 }), 'results[0].sampleSize'],
  ['no sample', withResult({ sampleSize: 0 }), 'results[0].sampleSize'],
  ['no results', { ...input, results: [] }, 'results'],
  ['too many results', { ...input, results: Array(1_001).fill(input.results[0]) }, 'results'],
  [
    'two values for one measurement',
    {
      ...input,
      results: [
        { metric: 'a', value: 1 },
        { metric: 'a', value: 2 },
      ],
    },
    'results[1].value',
    'one value for each measurement',
  ],
  ['a missing time', { ...input, evaluatedOn: undefined }, 'evaluatedOn'],
  ['a date without a time zone', { ...input, evaluatedOn: '2026-11-01' }, 'evaluatedOn'],
  ['a misspelt field', { ...input, evaluatedOn: undefined, evaluateOn: '2026-11-01T00:00:00Z' }, 'evaluateOn'],
]

describe('a file and a predicate are refused for', () => {
  test.each(MALFORMED)('%s', (_, file, field, expected) => {
    const details = expected === undefined ? {} : { expected }
    expect(() => makeEvaluation(file, 'evaluation.json')).toThrow(
      expect.objectContaining({
        code: 'ATTESTATION_INPUT',
        file: 'evaluation.json',
        message: expect.stringContaining(`"${field}" is `) as string,
        ...details,
      }),
    )
    const measured = Object.fromEntries(Object.entries(file).filter(([name]) => name !== 'url'))
    expect(() => read({ result: 'FAILED', configuration: [], [EVALUATION_EXTENSION]: measured })).toThrow(
      expect.objectContaining({
        code: 'ATTESTATION_MALFORMED',
        message: expect.stringContaining(`"${EVALUATION_EXTENSION}.${field}" is `) as string,
        ...details,
      }),
    )
  })
})

test('refuses a file about the future, and one that is not an object', () => {
  expect(() => makeEvaluation({ ...input, evaluatedOn: '2999-01-01T00:00:00Z' })).toThrow(
    expect.objectContaining({
      code: 'ATTESTATION_INPUT',
      expected: 'a time that is not in the future',
      message: expect.stringContaining('"evaluatedOn"') as string,
    }),
  )
  expect(() => makeEvaluation([])).toThrow(
    expect.objectContaining({
      code: 'ATTESTATION_INPUT',
      message: expect.stringContaining('its content is invalid') as string,
    }),
  )
})

describe('refuses a predicate that contradicts its own thresholds', () => {
  test.each<[what: string, change: (predicate: ReturnType<typeof made>) => object, field: string, expected: string]>([
    [
      'as passed',
      (predicate) => ({ ...predicate, result: 'PASSED', failedTests: [] }),
      'result',
      'FAILED, because the test "latency" failed',
    ],
    [
      'as passed, by its failed tests',
      () => ({ result: 'PASSED', configuration: [], failedTests: ['x'] }),
      'result',
      'FAILED, because the test "x" failed',
    ],
    [
      'by a passed test',
      (predicate) => ({ ...predicate, passedTests: ['latency'] }),
      'passedTests[0]',
      'a passed test',
    ],
  ])('%s', (_, change, field, expected) => {
    expect(() => read(change(made()))).toThrow(
      expect.objectContaining({
        code: 'ATTESTATION_MALFORMED',
        message: expect.stringContaining(`"${field}" is `) as string,
        expected,
      }),
    )
  })
})

test.each<[value: number, comparator: string, threshold: number, result: string]>([
  [0.3, '>=', 0.3, 'PASSED'],
  [0.1 + 0.2, '<=', 0.3, 'FAILED'],
  [0.2, '>=', 0.3, 'FAILED'],
  [0.3, '<=', 0.3, 'PASSED'],
  [0.2, '<=', 0.3, 'PASSED'],
  [0.3, '<', 0.3, 'FAILED'],
  [0.3, '>', 0.3, 'FAILED'],
  [1e-7, '<', 0.0000002, 'PASSED'],
  [-1, '<', -0.5, 'PASSED'],
  [1e300, '>', 1e-300, 'PASSED'],
])('a value of %s that has to be %s %s is %s', (value, comparator, threshold, result) => {
  const file = { ...input, results: [{ metric: 'm', value, comparator, threshold }] }
  expect(makeEvaluation(file)).toMatchObject({ result })
})

test('a dataset may have only a name or only a digest, which then names the test', () => {
  const limit = { value: 1, comparator: '>=', threshold: 0 }
  const digest = { sha256: 'b'.repeat(64) }
  const results = [
    { metric: 'a', ...limit, dataset: { name: 'glue' } },
    { metric: 'b', ...limit, dataset: { digest } },
  ]
  expect(makeEvaluation({ ...input, results })).toMatchObject({
    configuration: [{ digest }],
    passedTests: ['a on glue', `b on sha256:${digest.sha256}`],
    failedTests: [],
  })
})

test('the time of an evaluation may be now', () => {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.parse(input.evaluatedOn) })
  try {
    expect(makeEvaluation(input)).toMatchObject({ [EVALUATION_EXTENSION]: { evaluatedOn: input.evaluatedOn } })
  } finally {
    vi.useRealTimers()
  }
})

test('a test result by others may have passed without naming any test', () => {
  expect(read({ result: 'PASSED', configuration: [] })).toMatchObject({ result: 'PASSED', failedTests: [] })
})

test('names an unknown field once, and says what to do about it', () => {
  expect(() => makeEvaluation(withResult({ score: 1 } as never), 'evaluation.json')).toThrow(
    'Cannot make an evaluation from "evaluation.json": "results[0].score" is not a known field. Correct its name, or remove the field.',
  )
})

test('reads the file strictly', () => {
  const of = (text: string) => () => readAttestationInput(Buffer.from(text), 'evaluation.json')
  expect(of('{"value": 0.94}')()).toEqual({ value: 0.94 })
  expect(of('{"value": 0.9999999999999999999999}')).toThrow(expect.objectContaining({ code: 'ATTESTATION_INPUT' }))
  expect(of('{"value": 1e999}')).toThrow(expect.objectContaining({ code: 'ATTESTATION_INPUT' }))
  expect(of('{"value": 1, "value": 2}')).toThrow(expect.objectContaining({ code: 'JSON_DUPLICATE_KEY' }))
  expect(of(`"${'x'.repeat(5 * 1024 * 1024)}"`)).toThrow(expect.objectContaining({ code: 'ATTESTATION_INPUT' }))
})

test.each([
  ['evaluation.schema.json', evaluationJsonSchema()],
  ['evaluation-predicate.schema.json', evaluationPredicateJsonSchema()],
])('%s is current: written by "node scripts/write-statement-schemas.mjs"', async (name, schema) => {
  const committed: unknown = JSON.parse(await readFile(new URL(`../../../${name}`, import.meta.url), 'utf8'))
  expect(committed).toEqual(schema)
})

test('the schemas accept what is made and read, and refuse what is not', async () => {
  const { Ajv2020 } = await import('ajv/dist/2020.js')
  const ajv = new Ajv2020({ strict: false, validateFormats: false })
  const [isInput, isPredicate] = [ajv.compile(evaluationJsonSchema()), ajv.compile(evaluationPredicateJsonSchema())]
  expect([isInput(input), isPredicate(makeEvaluation(input))]).toEqual([true, true])
  const [number, together] = [withResult({ value: '1' }), withResult({ threshold: undefined })]
  for (const wrong of [number, together].map((file) => JSON.parse(JSON.stringify(file)) as typeof input)) {
    expect(isInput(wrong)).toBe(false)
    expect(isPredicate({ result: 'PASSED', configuration: [], [EVALUATION_EXTENSION]: wrong })).toBe(false)
  }
})
