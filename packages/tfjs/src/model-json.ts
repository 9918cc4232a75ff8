import { scheduler } from 'node:timers/promises'
import { ModelSealError } from '@modelseal/core'
import { parseJsonInTurns, shown } from '@modelseal/core/adapter'
import type { io } from '@tensorflow/tfjs'

export type ModelFormat = 'graph-model' | 'layers-model'

/** The checked content of a `model.json`. */
interface ModelJson {
  format: ModelFormat
  /** Everything except the weights themselves. */
  artifacts: io.ModelArtifacts
  /** The specifications of all weights; empty for a model without weights. */
  weightSpecs: readonly io.WeightsManifestEntry[]
  /** The files that contain the weights, in order; undefined for a model without weights. */
  weightFiles: WeightFile[] | undefined
  /** Their minimum size in bytes, by shapes and types. */
  weightBytes: number
}

/** A file that contains weights. */
interface WeightFile {
  /** Path relative to `model.json`. */
  path: string
  /** The group of the file, with the maximum total size of its files in bytes. */
  group: { readonly maxBytes: number }
}

/** Larger than any model.json, which contains no weights. */
export const MAX_MODEL_JSON_BYTES = 32 * 1024 * 1024
const HINT = 'TensorFlow.js loads the model.json of a model. Check that this is the path of one.'
const BOUNDS = {
  /** The graphs of the largest models have some hundred thousand values. */
  maxValues: 1_000_000,
  /** Layers in models in models: real ones have a depth of about 20. */
  maxDepth: 128,
  /** Metadata may contain a vocabulary as one object. */
  maxKeys: 200_000,
  maxNames: 200_000,
}

/**
 * Reads a `model.json` (`io.ModelJSON` of TensorFlow.js). Yields to the event loop every few milliseconds, because the file is
 * unverified under a rule in the mode `audit` or `skip`.
 *
 * @param file its name, for messages
 * @throws {@link ModelSealError} `MODEL_FORMAT`, `JSON_INVALID`, `JSON_NOT_UTF8`,
 * `JSON_DUPLICATE_KEY`, `JSON_TOO_COMPLEX`
 */
export async function parseModelJson(bytes: Uint8Array, file: string): Promise<ModelJson> {
  checkModelJsonSize(bytes.length, file)
  const bounds = { what: `model file ${shown(file)}`, file, hint: HINT, ...BOUNDS }
  const json = object(await parseJsonInTurns(bytes, bounds), file, 'the top level')
  const modelTopology = object(own(json, 'modelTopology'), file, 'modelTopology')
  const artifacts: io.ModelArtifacts = { ...carriedOver(json), modelTopology }
  const weightsManifest = own(json, 'weightsManifest')
  const groups = weightsManifest === undefined ? undefined : await weightGroups(weightsManifest, file)
  const weightSpecs = groups?.flatMap(({ weights }) => weights) ?? []
  if (groups) artifacts.weightSpecs = weightSpecs
  return {
    format: formatOf(own(json, 'format'), modelTopology, file),
    artifacts,
    weightSpecs,
    weightFiles: groups?.flatMap(({ paths, weights }) => {
      const group = { maxBytes: mostBytesOf(weights) }
      return paths.map((path) => ({ path, group }))
    }),
    weightBytes: bytesOf(weightSpecs, () => 0),
  }
}

/**
 * Refuses a file that is too large for a `model.json` before it is read.
 *
 * @throws {@link ModelSealError} `MODEL_FORMAT`
 */
export function checkModelJsonSize(bytes: number, file: string): void {
  if (bytes > MAX_MODEL_JSON_BYTES)
    throw fault(file, 'its size', `at most ${MAX_MODEL_JSON_BYTES} bytes`, `${bytes} bytes`)
}

/**
 * Checks that every value of every weight has at least one byte, so that shapes cannot make tf count beyond the data.
 *
 * @throws {@link ModelSealError} `MODEL_FORMAT`
 */
export function checkWeightSizes({ weightSpecs }: ModelJson, weightData: readonly ArrayBuffer[], file: string): void {
  const bytes = weightData.reduce((sum, { byteLength }) => sum + byteLength, 0)
  const values = weightSpecs.reduce(
    // Avoids multiplying infinity by zero, which would turn the sum into NaN.
    (sum, { shape }) => sum + (shape.includes(0) ? 0 : shape.reduce((size, dimension) => size * dimension, 1)),
    0,
  )
  if (values > bytes) throw fault(file, 'weightsManifest', `weights within ${bytes} bytes`, `${values} values`)
}

/** Bytes of one value by its stored type. Strings have any length. */
const VALUE_BYTES: Readonly<Record<string, number>> = {
  float32: 4,
  float16: 2,
  int32: 4,
  uint16: 2,
  uint8: 1,
  bool: 1,
  complex64: 8,
}

/** Maximum size of strings in one group. They are vocabularies of a few megabytes. */
const MAX_STRING_BYTES = 256 * 1024 * 1024
/** Maximum size of one value of any TensorFlow type. */
const MAX_VALUE_BYTES = 16

function mostBytesOf(weights: readonly io.WeightsManifestEntry[]): number {
  const strings = weights.some(({ dtype }) => dtype === 'string') ? MAX_STRING_BYTES : 0
  return strings + bytesOf(weights, ({ dtype }) => (dtype === 'string' ? 0 : MAX_VALUE_BYTES))
}

/** @param unknown bytes of one value if the type does not determine them */
function bytesOf(
  weights: readonly io.WeightsManifestEntry[],
  unknown: (weight: io.WeightsManifestEntry) => number,
): number {
  return weights.reduce((sum, weight) => {
    const { shape, dtype, quantization } = weight
    if (shape.includes(0)) return sum
    const type: string = quantization?.dtype ?? dtype
    const bytes = (Object.hasOwn(VALUE_BYTES, type) ? VALUE_BYTES[type] : undefined) ?? unknown(weight)
    return sum + shape.reduce((size, dimension) => size * dimension, bytes)
  }, 0)
}

/** Fields that are passed to tf unchanged. */
const CARRIED_OVER = [
  'format',
  'generatedBy',
  'convertedBy',
  'signature',
  'userDefinedMetadata',
  'modelInitializer',
  'initializerSignature',
  'trainingConfig',
] as const satisfies (keyof io.ModelArtifacts)[]

function carriedOver(json: Record<string, unknown>): io.ModelArtifacts {
  return Object.fromEntries(
    CARRIED_OVER.flatMap((field) => {
      const value = own(json, field)
      return value === undefined || value === null ? [] : [[field, value]]
    }),
  )
}

/** Files of old converters do not state the format. A graph has nodes, a Keras model has a class or a configuration. */
function formatOf(format: unknown, topology: Record<string, unknown>, file: string): ModelFormat {
  if (format === 'graph-model' || format === 'layers-model') return format
  if (format === undefined || format === null) {
    if (Array.isArray(own(topology, 'node'))) return 'graph-model'
    if (Object.hasOwn(topology, 'model_config') || Object.hasOwn(topology, 'class_name')) return 'layers-model'
  }
  throw fault(file, 'format', '"graph-model" or "layers-model"', described(format))
}

/** Tests replace the other functions that wait for a turn. */
const turnOfLoop = scheduler.yield.bind(scheduler)
/** Items that are checked between two turns of the event loop. */
const ITEMS_AT_ONCE = 5_000

async function weightGroups(value: unknown, file: string): Promise<io.WeightsManifestConfig> {
  let items = 0
  const checkEach = async (list: unknown[], check: (item: unknown) => void) => {
    for (const item of list) {
      check(item)
      if (++items % ITEMS_AT_ONCE === 0) await turnOfLoop()
    }
  }
  const groups: io.WeightsManifestConfig = []
  for (const [index, item] of array(value, file, 'weightsManifest').entries()) {
    const at = `weightsManifest[${index}]`
    const group = object(item, file, at)
    const paths: string[] = []
    await checkEach(array(own(group, 'paths'), file, `${at}.paths`), (path) => {
      if (typeof path !== 'string' || path === '') throw fault(file, `${at}.paths`, 'file names', described(path))
      paths.push(path)
    })
    const weights: io.WeightsManifestEntry[] = []
    await checkEach(array(own(group, 'weights'), file, `${at}.weights`), (weight) =>
      weights.push(checkedSpec(weight, file, `${at}.weights`)),
    )
    groups.push({ paths, weights })
  }
  return groups
}

/** Removes prototypes, because tf also reads `quantization`, which most weights do not have. */
function checkedSpec(value: unknown, file: string, at: string): io.WeightsManifestEntry {
  const spec = withoutPrototype(object(value, file, at))
  const { name, shape, dtype, quantization } = spec
  if (quantization !== undefined && quantization !== null)
    spec['quantization'] = withoutPrototype(object(quantization, file, `${at}.quantization`))
  if (typeof name !== 'string') throw fault(file, `${at}.name`, 'a name', described(name))
  if (typeof dtype !== 'string') throw fault(file, `${at}.dtype`, 'a type', described(dtype))
  for (const dimension of array(shape, file, `${at}.shape`)) {
    if (!Number.isSafeInteger(dimension) || (dimension as number) < 0)
      throw fault(file, `${at}.shape`, 'dimensions (integers from 0)', described(dimension))
  }
  return spec as unknown as io.WeightsManifestEntry
}

/** An own field of parsed JSON, so that nothing on `Object.prototype` counts as one. */
function own(json: Record<string, unknown>, field: string): unknown {
  return Object.hasOwn(json, field) ? json[field] : undefined
}

function withoutPrototype(json: Record<string, unknown>): Record<string, unknown> {
  return Object.assign(Object.create(null) as Record<string, unknown>, json)
}

function object(value: unknown, file: string, at: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  throw fault(file, at, 'an object', described(value))
}

function array(value: unknown, file: string, at: string): unknown[] {
  if (Array.isArray(value)) return value as unknown[]
  throw fault(file, at, 'an array', described(value))
}

function described(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (Array.isArray(value)) return 'an array'
  if (typeof value === 'object' && value !== null) return 'an object'
  return shown(typeof value === 'string' ? value : JSON.stringify(value))
}

function fault(file: string, at: string, expected: string, found: string): ModelSealError {
  return new ModelSealError('MODEL_FORMAT', `Cannot read the TensorFlow.js model ${shown(file)}: ${at} is invalid.`, {
    file,
    expected,
    found,
  })
}
