import { ModelSealError, type ModelReader } from '@modelseal/core'
import { outcomeOf, runtimeFailed, shown, type Opening } from '@modelseal/core/adapter'
import { inTurns, withBytesOfFile } from '@modelseal/core/formats'
import { tensorFlow } from './open-artifacts.ts'
import { savedModelAssets } from './saved-model-assets.ts'
import type { LoadedByTf, TfLoad } from './tf-load.ts'

const GRAPH = 'saved_model.pb'
/** A graph in several parts, which TensorFlow may prefer: its assets are not read here. */
const SPLIT_GRAPH = 'saved_model.cpb'

/**
 * Verifies a SavedModel and has tfjs-node load it from private copies of its signed files, which are
 * removed again: TensorFlow takes a directory, and reads the variables and assets in it by itself.
 *
 * @throws {@link ModelSealError} see {@link verified}
 */
export async function loadSavedModel({ tf, source, options, further }: TfLoad, open: Opening): Promise<LoadedByTf> {
  const load = tf.node?.loadSavedModel
  if (!load) {
    throw new ModelSealError('INVALID_ARGUMENT', 'This TensorFlow.js cannot load a SavedModel.', {
      expected: '@tensorflow/tfjs-node',
      hint: 'Give tfjs-node to verified(), or convert the model to a graph model.',
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
    opened.confirm()
    return { model, ...outcomeOf(opened) }
  } finally {
    await opened.close()
  }
}

/** @returns the directory that TensorFlow is to load */
async function place(reader: ModelReader): Promise<string> {
  const { entry, files } = reader
  if (entry !== undefined) {
    throw new ModelSealError('INVALID_ARGUMENT', 'A SavedModel is loaded by the path of its directory.', {
      file: entry,
      hint: 'Give the signed directory that holds "saved_model.pb".',
    })
  }
  if (!files.includes(GRAPH) || files.includes(SPLIT_GRAPH)) {
    throw new ModelSealError('MODEL_FORMAT', 'The signed directory is not a SavedModel that can be checked.', {
      expected: `a signed ${shown(GRAPH)}, and no ${shown(SPLIT_GRAPH)}`,
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

/** Protobuf cannot be longer. */
const MAX_GRAPH_BYTES = 2 ** 31 - 1

/** What cannot be a SavedModel is not copied. */
function checkGraphSize(size: number): void {
  if (size <= MAX_GRAPH_BYTES) return
  throw new ModelSealError('FILE_TOO_LARGE', `Cannot load the SavedModel: ${shown(GRAPH)} is too large.`, {
    file: GRAPH,
    expected: `at most ${MAX_GRAPH_BYTES} bytes`,
    found: `${size} bytes`,
    hint: 'Save the model with its weights in variables, not as constants of the graph.',
  })
}

/** An asset is a signed file: a name that leads out of `assets` is none. */
function checkAssets(assets: readonly string[], files: readonly string[]): void {
  const signed = new Set(files)
  for (const asset of assets) {
    if (signed.has(`assets/${asset}`)) continue
    throw new ModelSealError(
      'FILE_NOT_SIGNED',
      `The SavedModel names the asset ${shown(asset)}, which nobody signed.`,
      {
        file: GRAPH,
        expected: 'names of signed files below "assets"',
        found: shown(asset),
        hint: 'Do not load this model; ask its publisher for one whose files lie together.',
      },
    )
  }
}
