import { isUrl } from '@modelseal/core/any-realm'
import type { LoadOutcome, ModelSource, OpenOptions } from '@modelseal/core'
import { loadOptions } from '@modelseal/core/adapter'
import type { TensorFlow } from './open-artifacts.ts'
import { loadByTf } from './tf-load.ts'

export interface LoadOptions<T extends TensorFlow> extends OpenOptions {
  /** Handed to tf's own loader; options that would redirect loading are refused. */
  load?: Parameters<T['loadGraphModel']>[1] | undefined
}

/** `format` tells which of tf's classes `model` is, and `decision` whether it was verified; the verdict says who signed it. */
export type LoadedModel<T extends TensorFlow> = LoadOutcome &
  (
    | { format: 'graph-model'; model: Awaited<ReturnType<T['loadGraphModel']>> }
    | { format: 'layers-model'; model: Awaited<ReturnType<T['loadLayersModel']>> }
  )

/**
 * Loads a TensorFlow.js model, a graph model or a layers model as its `model.json` says, if its
 * signature satisfies the trust policy; and tells who signed it.
 *
 * @param tf `@tensorflow/tfjs` or `@tensorflow/tfjs-node`
 * Where rules of the policy differ by format, the option `format` says which one is loaded. Without it, what `model.json`
 * claims can only pick a rule that is then enforced (`FORMAT_UNPROVEN`); behind HTTP nothing is read before the policy was
 * asked.
 *
 * @param source path, or URL (`file:`, `http:`, `https:`, or of a scheme that a package has entered), of a `model.json` or of the
 * signed directory that holds it (an HTTP URL with a slash at the end); or a `ModelSource` of such
 * @throws {@link ModelSealError} as the functions of {@link verified} do
 * @example
 * ```ts
 * const { model, verdict } = await loadVerifiedModel(tf, 'models/blazeface', { policy: 'trust-policy.yaml' })
 * ```
 */
export async function loadVerifiedModel<T extends TensorFlow>(
  tf: T,
  source: string | URL | ModelSource,
  options?: LoadOptions<T>,
): Promise<LoadedModel<T>> {
  const { load, ...open } = loadOptions(options, ['load'])
  return (await loadByTf(tf, undefined, open, [isUrl(source) ? source.href : source, load])) as LoadedModel<T>
}
