import type { ModelSource, OpenOptions } from '@modelseal/core'
import { loadOptions, type LoadOutcome } from '@modelseal/core/adapter'
import { isUrl } from '@modelseal/core/any-realm'
import type { TensorFlow } from './open-artifacts.ts'
import { loadByTf } from './tf-load.ts'

export interface LoadOptions<T extends TensorFlow> extends OpenOptions {
  /** Options for tf's loader. Options that would redirect loading are refused. */
  load?: Parameters<T['loadGraphModel']>[1] | undefined
}

/**
 * `format` tells which of tf's classes `model` has, `decision` whether it was verified, and the verdict who signed it. If it was
 * verified, `attestations()` returns what was attested about it by attestations that satisfied the rule.
 *
 * @example
 * ```ts
 * const loaded = await loadVerifiedModel(tf, 'models/blazeface', { policy: 'trust-policy.yaml' })
 * if (loaded.decision === 'accepted') {
 *   const [evaluation] = loaded.attestations('evaluation')
 *   console.log(evaluation?.content.results, evaluation?.signer.description)
 * }
 * ```
 */
export type LoadedModel<T extends TensorFlow> = LoadOutcome &
  (
    | { format: 'graph-model'; model: Awaited<ReturnType<T['loadGraphModel']>> }
    | { format: 'layers-model'; model: Awaited<ReturnType<T['loadLayersModel']>> }
  )

/**
 * Loads a TensorFlow.js model if its signature satisfies the trust policy, and tells who signed it. `model.json` determines
 * whether it is a graph model or a layers model.
 *
 * If rules of the policy differ by format, set the option `format` to the one to load. Without it, the claim in `model.json` can
 * only select a rule that is then enforced (`FORMAT_UNPROVEN`). Over HTTP, nothing is read before the policy permits it.
 *
 * @param tf `@tensorflow/tfjs` or `@tensorflow/tfjs-node`
 * @param source path or URL of a `model.json` or of the signed directory that contains it (`file:`, `http:`, `https:`, or a scheme
 * that a package has registered; an HTTP URL of a directory ends with a slash); or a `ModelSource`
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
