import { ModelSealError, type ModelReader } from '@modelseal/core'
import { outcomeOf, runtimeFailed, shown, withVerdict, type Opening } from '@modelseal/core/adapter'
import { inTurns, withBytesOfFile } from '@modelseal/core/formats'
import { tensorFlow } from './open-artifacts.ts'
import { keepTfModel } from './revocable.ts'
import { savedModelAssets } from './saved-model-assets.ts'
import type { LoadedByTf, TfLoad } from './tf-load.ts'

const GRAPH = 'saved_model.pb'
/** A split graph, which TensorFlow may prefer, but whose assets are not read here. */
const SPLIT_GRAPH = 'saved_model.cpb'

/**
 * Verifies a SavedModel and has tfjs-node load it from private copies of its signed files, which are then removed.
 * TensorFlow takes a directory and reads the variables and assets in it on its own.
 *
 * @throws {@link ModelSealError} see {@link verified}
 */
export async function loadSavedModel({ tf, source, options, further }: TfLoad, open: Opening): Promise<LoadedByTf> {
  const load = tf.node?.loadSavedModel
  if (!load) {
    throw new ModelSealError('INVALID_ARGUMENT', 'Cannot load a SavedModel with this TensorFlow.js.', {
      expected: '@tensorflow/tfjs-node',
      hint: 'Pass tfjs-node to verified(), or convert the model to a graph model.',
    })
  }
  const { isolation = 'auto' } = options
  const placed = { ...options, isolation: isolation === 'auto' ? ('copy' as const) : isolation }
  const opened = await open(source, placed, place)
  try {
    let model: unknown
    try {
      model = await load(...([opened.gathered, ...further] as never[]))
    } catch (cause) {
      throw runtimeFailed(cause, opened.verdict, tensorFlow('loadSavedModel'))
    }
    try {
      opened.confirm()
    } catch (error) {
      ;(model as { dispose?: () => void } | undefined)?.dispose?.()
      throw error instanceof ModelSealError ? withVerdict(error, opened.verdict) : error
    }
    keepTfModel(opened, model)
    return { model, ...outcomeOf(opened) }
  } finally {
    await opened.close()
  }
}

/** @returns the directory for TensorFlow to load */
async function place(reader: ModelReader): Promise<string> {
  const { entry, files } = reader
  if (entry !== undefined) {
    throw new ModelSealError('INVALID_ARGUMENT', 'Cannot load the SavedModel: the path is not that of its directory.', {
      file: entry,
      hint: 'Give the signed directory that contains "saved_model.pb".',
    })
  }
  if (!files.includes(GRAPH) || files.includes(SPLIT_GRAPH)) {
    throw new ModelSealError('MODEL_FORMAT', 'Cannot load the signed directory as a SavedModel.', {
      expected: `a signed ${shown(GRAPH)} and no ${shown(SPLIT_GRAPH)}`,
      found: files.includes(GRAPH) ? shown(SPLIT_GRAPH) : `no ${shown(GRAPH)}`,
      hint: files.includes('model.json')
        ? 'It has a "model.json": load it with loadGraphModel() or loadLayersModel().'
        : undefined,
    })
  }
  checkGraphSize(reader.size(GRAPH))
  const placed = await reader.place(files)
  const scan = withBytesOfFile(placed.path(GRAPH), GRAPH, (source) => savedModelAssets(source, GRAPH))
  checkAssets(await inTurns(scan, reader.signal), files)
  return placed.directory
}

/** The limit of protobuf. */
const MAX_GRAPH_BYTES = 2 ** 31 - 1

/** A file too large for a SavedModel must not be copied. */
function checkGraphSize(size: number): void {
  if (size <= MAX_GRAPH_BYTES) return
  throw new ModelSealError('FILE_TOO_LARGE', `Cannot load the SavedModel: ${shown(GRAPH)} is too large.`, {
    file: GRAPH,
    expected: `at most ${MAX_GRAPH_BYTES} bytes`,
    found: `${size} bytes`,
    hint: 'Save the model with its weights in variables, not as constants of the graph.',
  })
}

/** Assets must be signed files, which rules out names that lead outside `assets`. */
function checkAssets(assets: readonly string[], files: readonly string[]): void {
  const signed = new Set(files)
  for (const asset of assets) {
    if (signed.has(`assets/${asset}`)) continue
    throw new ModelSealError(
      'FILE_NOT_SIGNED',
      `Cannot load the SavedModel: its asset ${shown(asset)} is not signed.`,
      {
        file: GRAPH,
        expected: 'names of signed files below "assets"',
        found: shown(asset),
        hint: 'Do not load this model. Ask its publisher for a version in which all assets are signed.',
      },
    )
  }
}
