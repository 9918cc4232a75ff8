import { openVerifiedModel, type ModelSource, type OpenOptions } from '@modelseal/core'
import { installedGuard, openOptions, type LoadOutcome, type Opening } from '@modelseal/core/adapter'
import { absolutePath } from '@modelseal/core/environment'
import { checkedLoadOptions, type CheckedLoadOptions } from './load-options.ts'
import { loadSavedModel } from './load-saved-model.ts'
import type { ModelFormat } from './model-json.ts'
import { isHttp, modelPlace } from './model-place.ts'
import { checkTensorFlow, handOver, openArtifacts, type TensorFlow } from './open-artifacts.ts'

/** What to load, as it was when the call was made. */
export interface TfLoad {
  tf: TensorFlow
  /** Undefined if `model.json` selects one of the first two. */
  loader: 'loadGraphModel' | 'loadLayersModel' | 'loadSavedModel' | undefined
  /** An absolute path, a URL, or a source. */
  source: string | ModelSource
  options: OpenOptions
  loadOptions: CheckedLoadOptions
  /** Arguments after the load options or, for a SavedModel, after the path. */
  further: readonly unknown[]
}

export type LoadedByTf = LoadOutcome & {
  model: unknown
  /** Set for models with a `model.json`. */
  format?: ModelFormat
}

/**
 * Verifies a model and has tf load the verified bytes.
 *
 * @param args the arguments for tf's loader
 * @throws {@link ModelSealError} see `verified`
 */
export async function loadByTf(
  tf: TensorFlow,
  loader: TfLoad['loader'],
  options: OpenOptions,
  args: readonly unknown[],
): Promise<LoadedByTf> {
  const load = tfLoad(tf, loader, options, args)
  const guarded = installedGuard()?.adapters['tfjs'] as ((load: TfLoad) => Promise<LoadedByTf>) | undefined
  return guarded ? guarded(load) : loadOpened(load, openVerifiedModel)
}

/** Reads the arguments of a load immediately. */
export function tfLoad(
  tf: TensorFlow,
  loader: TfLoad['loader'],
  options: OpenOptions,
  [given, ...rest]: readonly unknown[],
): TfLoad {
  checkTensorFlow(tf)
  const { source: named, handlerOptions } = modelPlace(given, tf)
  const source = typeof named !== 'string' || isHttp(named) ? named : absolutePath(named)
  const read = { tf, loader, source, options: openOptions(options) }
  if (loader === 'loadSavedModel') return { ...read, loadOptions: { tf: {} }, further: rest }
  const [ofCall, ...further] = rest
  return { ...read, loadOptions: checkedLoadOptions(merged(handlerOptions, ofCall), isHttp(source)), further }
}

/** Like {@link loadByTf}, for callers that judge the model in another way. */
export async function loadOpened(given: TfLoad, open: Opening): Promise<LoadedByTf> {
  const { tf, loader, further } = given
  const load = { ...given, options: { ...given.options, ...formatOf(loader) } }
  if (loader === 'loadSavedModel') return loadSavedModel(load, open)
  const opened = await openArtifacts(load, open)
  const { format } = opened.gathered
  const own = loader ?? (format === 'graph-model' ? 'loadGraphModel' : 'loadLayersModel')
  return { model: await handOver(tf, own, opened, further), ...opened.outcome, format }
}

/** Formats for rules of the policy that match by format. */
const FORMATS = {
  loadGraphModel: 'tfjs-graph',
  loadLayersModel: 'tfjs-layers',
  loadSavedModel: 'saved-model',
} as const

function formatOf(loader: TfLoad['loader']): Pick<OpenOptions, 'format'> {
  return loader === undefined ? {} : { format: FORMATS[loader] }
}

/** Merges the options of a handler with those of the call. */
function merged(ofHandler: unknown, ofCall: unknown): unknown {
  if (typeof ofHandler !== 'object' || (typeof ofCall !== 'object' && ofCall !== undefined)) return ofCall
  return { ...ofHandler, ...ofCall }
}
