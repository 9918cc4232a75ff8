import { shown } from '../../errors.ts'
import * as s from '../../schema/define.ts'
import { timeSchema } from '../../schema/time.ts'
import { compareDecimals, decimalOfNumber } from '../decimal.ts'
import { cannotMake, readAttestationInput } from '../input.ts'
import { defineKind, faultsIn, readBy, type Measurement } from './kind.ts'
import {
  defined,
  digestsOf,
  boundedList,
  boundedName,
  resourceSchema,
  sha256Schema,
  unique,
  boundedUri,
} from './values.ts'
import type { ResourceDescriptor } from './values.ts'

/**
 * Evaluations are written as test results (in-toto test-result v0.1, https://in-toto.io/attestation/test-result/v0.1), with the
 * measurements in an extension field, as the parsing rules of in-toto allow. Any verifier can then see whether the tests passed.
 *
 * The eval-result predicate that is proposed for models (in-toto/attestation#565) is not used: it has thresholds but no measured value,
 * which a policy needs if it sets its own threshold; it requires private commitments; and it is a draft.
 */
const TYPE = 'https://in-toto.io/attestation/test-result/v0.1'

/** The field of the predicate that has the measurements. */
export const EVALUATION_EXTENSION = 'urn:modelseal:evaluation:0.1'

const datasetSchema = s
  .strictObject({
    name: boundedName.optional(),
    digest: s.strictObject({ sha256: sha256Schema }).optional().describe('Of a signed dataset: its root digest.'),
  })
  .refine(({ name, digest }) => name !== undefined || digest !== undefined, 'expected a name, a digest, or both')

const resultSchema = s
  .strictObject({
    metric: boundedName.describe('What was measured, such as accuracy.'),
    value: s.number(),
    unit: boundedName.optional(),
    dataset: datasetSchema.optional(),
    slice: boundedName.optional().describe('The part of the dataset, such as a language.'),
    comparator: s.oneOf(['>=', '>', '<=', '<']).optional().describe('How the value has to compare with the threshold.'),
    threshold: s.number().optional(),
    sampleSize: s.int().min(1).optional().describe('Number of samples.'),
  })
  .together('comparator', 'threshold')

const measured = {
  evaluatedOn: timeSchema.describe('When the model was evaluated: RFC 3339, with a time zone.'),
  evaluator: boundedName.optional().describe('Who evaluated the model, or with which program.'),
  results: boundedList(resultSchema)
    .min(1)
    .withCheck((results, report) => {
      const path = contradiction(results)
      if (path) report({ path, input: results[path[0]]?.value, message: 'expected one value for each measurement' })
    }),
}

const inputSchema = s.strictObject({
  $schema: s.string().optional().describe('For editors.'),
  ...measured,
  url: boundedUri.optional().describe('Where the evaluation can be looked at.'),
})

const testsSchema = boundedList(s.string().max(4_096))

const predicateSchema = s
  .openObject({
    result: s.oneOf(['PASSED', 'WARNED', 'FAILED']),
    configuration: boundedList(resourceSchema),
    url: boundedUri.optional(),
    passedTests: testsSchema.optional(),
    warnedTests: testsSchema.optional(),
    failedTests: testsSchema.optional(),
    [EVALUATION_EXTENSION]: s.strictObject(measured).optional(),
  })
  .withCheck(({ result, passedTests = [], failedTests = [], ...others }, report) => {
    const missed = new Set((others[EVALUATION_EXTENSION]?.results ?? []).filter(misses).map(testOf))
    const [first = failedTests[0]] = missed
    if (result === 'PASSED' && first !== undefined)
      report({ path: ['result'], input: result, message: `expected FAILED, because the test ${shown(first)} failed` })
    const index = passedTests.findIndex((test) => missed.has(test))
    if (index >= 0)
      report({ path: ['passedTests', index], input: passedTests[index], message: 'expected a passed test' })
  })

/** What was measured once. */
export interface EvaluationResult {
  /** What was measured, such as `accuracy`. */
  metric: string
  /** In the unit, if there is one. */
  value: number
  unit?: string
  /** `sha256` is 64 lowercase hex digits; for a signed dataset, its root digest. */
  dataset?: { name?: string; digest?: { sha256: string } }
  /** The part of the dataset, such as a language. */
  slice?: string
  /** How `value` has to compare with `threshold`. Both are there, or neither. */
  comparator?: '>=' | '>' | '<=' | '<'
  threshold?: number
  /** Number of samples. */
  sampleSize?: number
}

/** What an evaluation says about a model: an in-toto test result, with measurements. */
export interface Evaluation {
  /** Never `PASSED` if a result missed its own threshold. */
  result: 'PASSED' | 'WARNED' | 'FAILED'
  /** What it was evaluated with; for evaluations made by modelseal, the datasets. */
  configuration: readonly ResourceDescriptor[]
  url?: string
  /** For evaluations made by modelseal: `METRIC on DATASET (SLICE)`. */
  passedTests: readonly string[]
  warnedTests: readonly string[]
  failedTests: readonly string[]
  /** RFC 3339. */
  evaluatedOn?: string
  evaluator?: string
  /** Empty for test results by others. */
  results: readonly EvaluationResult[]
}

export const evaluation = defineKind<Evaluation>({
  name: 'evaluation',
  what: 'an evaluation',
  types: [TYPE],
  read(predicate, fault) {
    const { [EVALUATION_EXTENSION]: measurements, ...result } = readBy(predicateSchema, predicate, fault)
    return { passedTests: [], warnedTests: [], failedTests: [], results: [], ...result, ...measurements }
  },
  make: ({ bytes, file }) => makeEvaluation(readAttestationInput(bytes, file), file),
  statedAt: ({ evaluatedOn }) => evaluatedOn,
  fields: {
    result: ({ result }) => [result],
    evaluator: ({ evaluator }) => unique([evaluator]),
    url: ({ url }) => unique([url]),
    'passed-tests': ({ passedTests }) => passedTests,
    'warned-tests': ({ warnedTests }) => warnedTests,
    'failed-tests': ({ failedTests }) => failedTests,
    metric: ({ results }) => unique(results.map(({ metric }) => metric)),
    dataset: ({ results }) => digestsOf(results.map(({ dataset }) => dataset?.digest?.sha256)),
  },
  hasFailed: ({ result }) => result === 'FAILED',
  measurements: ({ results }) => results.map(measurementOf),
})

function measurementOf({ metric, value, unit, dataset, slice }: EvaluationResult): Measurement {
  const measuredOn = dataset && defined({ name: dataset.name, sha256: dataset.digest?.sha256 })
  return { metric, value, ...defined({ unit, dataset: measuredOn, slice }) }
}

/**
 * Makes the predicate of an evaluation from its file: results, when they were measured, and optionally by whom and where to look at
 * them. The time is required, because policies limit the age of evaluations by it.
 *
 * @param json the content of the file, parsed
 * @throws {@link ModelSealError} `ATTESTATION_INPUT` for a field that is missing, unknown or of the wrong kind, and for a time in the future
 *
 * @example
 * ```ts
 * makeEvaluation({ results: [{ metric: 'accuracy', value: 0.94 }], evaluatedOn: '2026-11-01T00:00:00Z' })
 * ```
 */
export function makeEvaluation(json: unknown, file?: string): object {
  const fault = faultsIn('ATTESTATION_INPUT', cannotMake('an evaluation', file), file)
  const { evaluatedOn, evaluator, results, url } = readBy(inputSchema, json, fault)
  if (Date.parse(evaluatedOn) > Date.now()) throw fault('evaluatedOn', 'a time that is not in the future', evaluatedOn)
  const tests = results.filter(({ threshold }) => threshold !== undefined)
  const failed = new Set(tests.filter(misses).map(testOf))
  return {
    result: failed.size > 0 ? 'FAILED' : 'PASSED',
    configuration: configurationOf(results),
    ...defined({ url }),
    passedTests: unique(tests.map(testOf)).filter((test) => !failed.has(test)),
    failedTests: [...failed],
    [EVALUATION_EXTENSION]: { evaluatedOn, ...defined({ evaluator }), results },
  }
}

/** The datasets. A resource descriptor needs a digest. */
function configurationOf(results: readonly EvaluationResult[]): ResourceDescriptor[] {
  const datasets = new Map<string, ResourceDescriptor>()
  for (const { dataset } of results)
    if (dataset?.digest)
      datasets.set(`${dataset.digest.sha256} ${dataset.name}`, { ...dataset, digest: dataset.digest })
  return [...datasets.values()]
}

/** The name of a result in the lists of tests. */
function testOf({ metric, dataset, slice }: EvaluationResult): string {
  const on = dataset && (dataset.name ?? `sha256:${dataset.digest?.sha256}`)
  return `${metric}${on === undefined ? '' : ` on ${on}`}${slice === undefined ? '' : ` (${slice})`}`
}

const MEETS: Readonly<Record<string, (difference: number) => boolean>> = {
  '>=': (difference) => difference >= 0,
  '>': (difference) => difference > 0,
  '<=': (difference) => difference <= 0,
  '<': (difference) => difference < 0,
}

/** Whether a result does not reach its own threshold. */
function misses({ value, comparator, threshold }: EvaluationResult): boolean {
  if (comparator === undefined || threshold === undefined) return false
  const [measuredValue, limit] = [decimalOfNumber(value), decimalOfNumber(threshold)]
  return !measuredValue || !limit || MEETS[comparator]?.(compareDecimals(measuredValue, limit)) !== true
}

/** The path of the first value that differs from an earlier value of the same measurement. */
function contradiction(results: readonly EvaluationResult[]): [index: number, name: string] | undefined {
  const values = new Map<string, number>()
  for (const [index, { metric, value, unit, dataset, slice }] of results.entries()) {
    const measurement = JSON.stringify([metric, unit, dataset?.name, dataset?.digest?.sha256, slice])
    if ((values.get(measurement) ?? value) !== value) return [index, 'value']
    values.set(measurement, value)
  }
  return undefined
}

const DIALECT = 'https://json-schema.org/draft/2020-12/schema'

/** The JSON Schema of the files that evaluations are made from. */
export function evaluationJsonSchema(): object {
  return { $schema: DIALECT, ...inputSchema.toJson(), title: 'modelseal evaluation' }
}

/** The JSON Schema of the predicate of evaluations. */
export function evaluationPredicateJsonSchema(): object {
  return {
    $schema: DIALECT,
    ...predicateSchema.toJson(),
    title: 'in-toto test result with the measurements of a model',
  }
}
