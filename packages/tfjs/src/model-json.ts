import { setImmediate } from 'node:timers/promises'
import { ModelSealError, parseJsonInTurns, shown } from '@modelseal/core'
import type { io } from '@tensorflow/tfjs'

export type ModelFormat = 'graph-model' | 'layers-model'

/** What a `model.json` says, checked. */
export interface ModelJson {
  format: ModelFormat
  /** All but the weights themselves. */
  artifacts: io.ModelArtifacts
  /** Of all weights; none for a model without weights. */
  weightSpecs: readonly io.WeightsManifestEntry[]
  /** Files that hold the weights, in order; undefined for a model without weights. */
  weightFiles: WeightFile[] | undefined
  /** What they hold at least, by shapes and types. */
  weightBytes: number
}

/** A file that holds weights. */
export interface WeightFile {
  /** Relative to `model.json`. */
  path: string
  /** Of the group that it belongs to: what all its files hold together at most. */
  group: { readonly maxBytes: number }
}

/** Larger than any model.json, which holds no weights. */
export const MAX_MODEL_JSON_BYTES = 32 * 1024 * 1024
const BOUNDS = {
  /** Of all kinds; graphs of the largest models have some hundred thousand. */
  maxValues: 1_000_000,
  /** Layers within models within models; real ones nest about 20. */
  maxDepth: 128,
  /** Metadata may hold a vocabulary as one object. */
  maxKeys: 200_000,
  maxNames: 200_000,
}

/**
 * Reads a `model.json` (`io.ModelJSON` of TensorFlow.js), and lets other work of the process run every few milliseconds: under
 * a rule in the mode `audit` or `skip`, nobody has verified it.
 *
 * @param file its name, for messages
 * @throws {@link ModelSealError} `MODEL_FORMAT`, `JSON_INVALID`, `JSON_NOT_UTF8`,
 * `JSON_DUPLICATE_KEY`, `JSON_TOO_COMPLEX`
 */
export async function parseModelJson(bytes: Uint8Array, file: string): Promise<ModelJson> {
  checkModelJsonSize(bytes.length, file)
  const json = object(await parseJsonInTurns(bytes, { what: 'model file', file, ...BOUNDS }), file, 'the whole')
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
 * A file that can be no `model.json` is not read.
 *
 * @throws {@link ModelSealError} `MODEL_FORMAT`
 */
export function checkModelJsonSize(bytes: number, file: string): void {
  if (bytes > MAX_MODEL_JSON_BYTES)
    throw fault(file, 'its size', `at most ${MAX_MODEL_JSON_BYTES} bytes`, `${bytes} bytes`)
}

/**
 * Every value of every weight takes a byte at least, so that shapes cannot make tf count beyond
 * what there is.
 *
 * @throws {@link ModelSealError} `MODEL_FORMAT`
 */
export function checkWeightSizes({ weightSpecs }: ModelJson, weightData: readonly ArrayBuffer[], file: string): void {
  const bytes = weightData.reduce((sum, { byteLength }) => sum + byteLength, 0)
  const values = weightSpecs.reduce(
    // Written so that infinity times zero does not make it all vanish.
    (sum, { shape }) => sum + (shape.includes(0) ? 0 : shape.reduce((size, dimension) => size * dimension, 1)),
    0,
  )
  if (values > bytes) throw fault(file, 'weightsManifest', `weights within ${bytes} bytes`, `${values} values`)
}

/** Bytes of one value, by its type as it is stored; strings have any length. */
const VALUE_BYTES: Readonly<Record<string, number>> = {
  float32: 4,
  float16: 2,
  int32: 4,
  uint16: 2,
  uint8: 1,
  bool: 1,
  complex64: 8,
}

/** Weights that are strings are vocabularies: all of one group together have a few megabytes. */
const MAX_STRING_BYTES = 256 * 1024 * 1024
/** No type of TensorFlow has values that take more. */
const MAX_VALUE_BYTES = 16

function mostBytesOf(weights: readonly io.WeightsManifestEntry[]): number {
  const strings = weights.some(({ dtype }) => dtype === 'string') ? MAX_STRING_BYTES : 0
  return strings + bytesOf(weights, ({ dtype }) => (dtype === 'string' ? 0 : MAX_VALUE_BYTES))
}

/** @param unknown bytes of one value, where the type does not tell */
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

/** Fields that tf takes as they are. */
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

/** Files of old converters say no format; a graph has nodes, a Keras model a class or a configuration. */
function formatOf(format: unknown, topology: Record<string, unknown>, file: string): ModelFormat {
  if (format === 'graph-model' || format === 'layers-model') return format
  if (format === undefined || format === null) {
    if (Array.isArray(own(topology, 'node'))) return 'graph-model'
    if (Object.hasOwn(topology, 'model_config') || Object.hasOwn(topology, 'class_name')) return 'layers-model'
  }
  throw fault(file, 'format', '"graph-model" or "layers-model"', described(format))
}

/** Taken once, because tests replace it. */
const turnOfLoop = setImmediate
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
      if (typeof path !== 'string' || path === '') throw fault(file, `${at}.paths`, 'names of files', described(path))
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

/** Without prototypes: tf, too, reads the `quantization` that most weights do not have. */
function checkedSpec(value: unknown, file: string, at: string): io.WeightsManifestEntry {
  const spec = withoutPrototype(object(value, file, at))
  const { name, shape, dtype, quantization } = spec
  if (quantization !== undefined && quantization !== null)
    spec['quantization'] = withoutPrototype(object(quantization, file, `${at}.quantization`))
  if (typeof name !== 'string') throw fault(file, `${at}.name`, 'a name', described(name))
  if (typeof dtype !== 'string') throw fault(file, `${at}.dtype`, 'a type', described(dtype))
  for (const dimension of array(shape, file, `${at}.shape`)) {
    if (!Number.isSafeInteger(dimension) || (dimension as number) < 0)
      throw fault(file, `${at}.shape`, 'sizes of dimensions', described(dimension))
  }
  return spec as unknown as io.WeightsManifestEntry
}

/** A field of parsed JSON; nothing on `Object.prototype` stands in for one that is missing. */
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
  return new ModelSealError('MODEL_FORMAT', `The file ${shown(file)} is not a TensorFlow.js model: ${at} is wrong.`, {
    file,
    expected,
    found,
  })
}
