import { isUrl } from '@modelseal/core/any-realm'
import { loadOptions, type OpenOptions, type Verdict } from '@modelseal/core'
import type { TensorFlow } from './open-artifacts.ts'
import { loadByTf } from './tf-load.ts'

export interface LoadOptions<T extends TensorFlow> extends OpenOptions {
  /** Handed to tf's own loader; options that would redirect loading are refused. */
  load?: Parameters<T['loadGraphModel']>[1] | undefined
}

/** `format` tells which of tf's classes `model` is. */
export type LoadedModel<T extends TensorFlow> = {
  /** Who signed the model, which rule of the policy accepted it, what was hashed. */
  verdict: Verdict
} & (
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
 * @param path path, or `file:`, `http:` or `https:` URL, of a `model.json` or of the signed directory that
 * holds it (an HTTP URL with a slash at the end)
 * @throws {@link ModelSealError} as the functions of {@link verified} do
 * @example
 * ```ts
 * const { model, verdict } = await loadVerifiedModel(tf, 'models/blazeface', { policy: 'trust-policy.yaml' })
 * ```
 */
export async function loadVerifiedModel<T extends TensorFlow>(
  tf: T,
  path: string | URL,
  options?: LoadOptions<T>,
): Promise<LoadedModel<T>> {
  const { load, ...open } = loadOptions(options, ['load'])
  return (await loadByTf(tf, undefined, open, [isUrl(path) ? path.href : path, load])) as LoadedModel<T>
}
