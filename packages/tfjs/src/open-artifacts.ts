import { basename } from 'node:path'
import { ModelSealError, type ModelReader } from '@modelseal/core'
import {
  onlyModel,
  outcomeOf,
  referencedName,
  runtimeFailed,
  shown,
  type LoadOutcome,
  type Opening,
  type RuntimeFailure,
} from '@modelseal/core/adapter'
import type { io } from '@tensorflow/tfjs'
import { kindOf, propertyOf } from '@modelseal/core/any-realm'
import { claimedFormat } from './claimed-format.ts'
import { withRequest } from './load-options.ts'
import {
  checkModelJsonSize,
  checkWeightSizes,
  MAX_MODEL_JSON_BYTES,
  parseModelJson,
  type ModelFormat,
} from './model-json.ts'
import type { TfLoad } from './tf-load.ts'
import { keepTfModel } from './revocable.ts'
import { FractionReport } from './fraction-report.ts'

/** The part of `@tensorflow/tfjs` and `@tensorflow/tfjs-node` that this package uses. */
export interface TensorFlow {
  loadGraphModel: (...args: never[]) => Promise<unknown>
  loadLayersModel: (...args: never[]) => Promise<unknown>
  io?: {
    http?: (path: string) => unknown
    /** tfjs-node only. */
    fileSystem?: (path: string) => unknown
  }
  /** tfjs-node only. */
  node?: { loadSavedModel?: (...args: never[]) => Promise<unknown> }
}

/** @throws {@link ModelSealError} `INVALID_ARGUMENT` if it is not TensorFlow.js */
export function checkTensorFlow(tf: unknown): asserts tf is TensorFlow {
  const isObject = (typeof tf === 'object' && tf !== null) || typeof tf === 'function'
  const node = isObject ? propertyOf(tf, 'node') : undefined
  const loaders = isObject ? [propertyOf(tf, 'loadGraphModel'), propertyOf(tf, 'loadLayersModel')] : []
  if (typeof node === 'object' && node !== null) loaders.push(propertyOf(node, 'loadSavedModel'))
  // @modelseal/register passes each loader separately.
  if (loaders.some((loader) => typeof loader === 'function')) return
  throw new ModelSealError('INVALID_ARGUMENT', 'Invalid first argument: it is not TensorFlow.js.', {
    expected: 'the module @tensorflow/tfjs or @tensorflow/tfjs-node',
    found: kindOf(tf),
    hint: 'Import it with `import * as tf from "@tensorflow/tfjs"` and pass that module.',
  })
}

/** A verified model in the form that tf accepts. */
interface OpenedArtifacts {
  outcome: LoadOutcome
  /** Keeps watching what tf created. */
  keep: (model: unknown) => void
  gathered: { format: ModelFormat; artifacts: io.ModelArtifacts }
  /** The checked options of the caller for tf. */
  loadOptions: object
}

/**
 * Verifies a model and reads everything for tf. Reads the files that `model.json` names only through the signature.
 *
 * @throws {@link ModelSealError} see {@link verified}
 */
export async function openArtifacts(
  { source, loader, options: given, loadOptions }: TfLoad,
  open: Opening,
): Promise<OpenedArtifacts> {
  const weightPaths = new Map<string, string>()
  const options = withRequest(given, loadOptions, weightPaths)
  const either = { oneOf: EITHER, claimed: async () => policyFormat(await claimedFormat(source)) }
  const format = options.format ?? either
  const report = new FractionReport(options.onProgress, loadOptions.onProgress)
  const model = await open(source, { ...options, onProgress: report.onProgress, format }, (reader) =>
    gather(reader, { source, loader, report, weightPaths }),
  )
  // Everything for tf is now in memory.
  await model.close()
  return {
    outcome: outcomeOf(model),
    keep: (created) => keepTfModel(model, created),
    gathered: model.gathered,
    loadOptions: loadOptions.tf,
  }
}

/** @throws {@link ModelSealError} `RUNTIME_FAILED`, `MODEL_REVOKED` */
export async function handOver(
  tf: TensorFlow,
  loader: 'loadGraphModel' | 'loadLayersModel',
  { outcome, keep, gathered, loadOptions }: OpenedArtifacts,
  further: readonly unknown[],
): Promise<unknown> {
  const handler: io.IOHandler = { load: () => Promise.resolve(gathered.artifacts) }
  let model: unknown
  try {
    model = await tf[loader](...([handler, loadOptions, ...further] as never[]))
  } catch (cause) {
    throw runtimeFailed(cause, outcome.verdict, tensorFlow(loader))
  }
  keep(model)
  return model
}

/** The names of the formats in policies. */
const POLICY_FORMATS = { 'graph-model': 'tfjs-graph', 'layers-model': 'tfjs-layers' } as const
const EITHER = Object.values(POLICY_FORMATS)

function policyFormat(format: ModelFormat | undefined): (typeof EITHER)[number] | undefined {
  return format && POLICY_FORMATS[format]
}

/** tf's loaders for models with a `model.json`. */
const LOADERS = { 'graph-model': 'loadGraphModel', 'layers-model': 'loadLayersModel' } as const

interface Gathering extends Pick<TfLoad, 'source' | 'loader'> {
  report: FractionReport
  weightPaths: Map<string, string>
}

async function gather(
  reader: ModelReader,
  { source, loader, report, weightPaths }: Gathering,
): Promise<OpenedArtifacts['gathered']> {
  const entry = reader.entry ?? modelJsonAmong(reader.files)
  if (basename(entry) === SAVED_MODEL) throw savedModel('the file is its graph')
  checkModelJsonSize(reader.size(entry), entry)
  const [bytes = new Uint8Array()] = await reader.readAll([{ name: entry, maxBytes: MAX_MODEL_JSON_BYTES }])
  const json = await parseModelJson(bytes, entry)
  if (loader !== undefined && loader !== LOADERS[json.format]) throw otherLoader(source, loader, json.format)
  // The rule was chosen for one format or for any. These bytes tell the actual one.
  reader.loads(POLICY_FORMATS[json.format])
  report.expect(bytes.length + json.weightBytes)
  if (json.weightFiles === undefined) return json

  // A file that is named several times is read once, for the first group that names it.
  const groups = new Map<string, { readonly maxBytes: number }>()
  const names = json.weightFiles.map(({ path, group }) => {
    const name = referencedName(entry, path)
    if (!groups.has(name)) groups.set(name, group)
    if (!weightPaths.has(name)) weightPaths.set(name, path)
    return name
  })
  const requests = [...groups].map(([name, together]) => ({ name, together }))
  const buffers = await reader.readAll(requests)
  const byName = new Map(requests.map(({ name }, index) => [name, buffers[index]?.buffer ?? new ArrayBuffer(0)]))
  const weightData = names.map((name) => byName.get(name) ?? new ArrayBuffer(0))
  checkWeightSizes(json, weightData, entry)
  const [only] = weightData
  return {
    format: json.format,
    // tf accepts separate files and reads the weights from them. Joining the files would copy them.
    artifacts: { ...json.artifacts, weightData: only !== undefined && weightData.length === 1 ? only : weightData },
  }
}

function otherLoader(source: TfLoad['source'], loader: string, format: ModelFormat): ModelSealError {
  const path = typeof source === 'string' ? source : (source.place.url ?? source.place.path)
  return new ModelSealError(
    'MODEL_FORMAT',
    `Cannot load the model ${shown(path)} with ${loader}(): it is a ${format}.`,
    {
      file: path,
      expected: format === 'graph-model' ? 'a layers-model' : 'a graph-model',
      found: `a ${format}`,
      hint: `Load it with ${LOADERS[format]}().`,
    },
  )
}

/** The model file in a directory: `model.json` or else the only JSON file. */
function modelJsonAmong(files: readonly string[]): string {
  if (files.includes(SAVED_MODEL) && !files.includes('model.json'))
    throw savedModel('the directory has no "model.json"')
  return onlyModel(files, ['model.json', '.json'])
}

const SAVED_MODEL = 'saved_model.pb'

function savedModel(reason: string): ModelSealError {
  return new ModelSealError('MODEL_FORMAT', `Cannot load a SavedModel with this loader: ${reason}.`, {
    hint: 'Load its directory with tf.node.loadSavedModel() of tfjs-node.',
  })
}

export function tensorFlow(loader: string): RuntimeFailure {
  return {
    runtime: `TensorFlow.js (${loader})`,
    hint: 'Check that the model is for this loader and that this version of TensorFlow.js supports it.',
  }
}
