import type { OpenOptions } from '@modelseal/core'
import { openOptions } from '@modelseal/core/adapter'
import { checkTensorFlow, type TensorFlow } from './open-artifacts.ts'
import { loadByTf, type TfLoad } from './tf-load.ts'

/** The types of tf's loaders; `node.loadSavedModel` only for tfjs-node. */
export type VerifiedLoaders<T extends TensorFlow> = Pick<T, 'loadGraphModel' | 'loadLayersModel'> &
  (T extends { node: { loadSavedModel: infer Load } } ? { loadSavedModel: Load } : unknown)

/**
 * Returns `loadGraphModel`, `loadLayersModel` and, for tfjs-node, `loadSavedModel`. They have the types of tf's loaders
 * but load a model only if its signature satisfies the trust policy. tf gets the bytes that were hashed and neither
 * fetches nor opens anything itself. A SavedModel, which TensorFlow loads from a directory, is copied into a private
 * directory while it is hashed.
 *
 * They take a path or a `file:`, `http:` or `https:` URL of a `model.json` or of the signed directory that contains it
 * (an HTTP URL of a directory ends with a slash), or a handler that `tf.io.http()` or tfjs-node's `tf.io.fileSystem()`
 * returned. Over HTTP, the bundle is fetched from next to the model, and then only files that it names; see `HttpOptions`
 * of `@modelseal/core` for limits and redirects. Other arguments are passed to tf. Load options that would redirect
 * loading are refused. Verdicts are published on the `VERDICT_CHANNEL` of `@modelseal/core`.
 *
 * @param tf `@tensorflow/tfjs` or `@tensorflow/tfjs-node`
 * @param given options for every load, read now: relative paths are resolved against the current working directory
 * @returns functions that reject with a `ModelSealError`: what `openVerifiedModel` throws, before
 * tf sees a byte, such as `POLICY_NO_MATCH`, `BUNDLE_NOT_FOUND`, `SIGNER_NOT_TRUSTED`,
 * `SIGNATURE_INVALID`, `FILE_MISMATCH`, `FILE_MISSING`, `FILE_UNSIGNED`, `HTTP_…`; `INVALID_ARGUMENT` (an
 * unsupported source, load options); `MODEL_FORMAT` and `JSON_…` (`model.json`), `PATH_ESCAPES`,
 * `FILE_NOT_SIGNED`, `FILE_TOO_LARGE` (weights, assets); `RUNTIME_FAILED` (tf cannot load the verified model)
 * @example
 * ```ts
 * import * as tf from '@tensorflow/tfjs-node'
 * const { loadGraphModel } = verified(tf, { policy: 'trust-policy.yaml' })
 * const model = await loadGraphModel('https://models.example/blazeface/model.json')
 * ```
 */
export function verified<T extends TensorFlow>(tf: T, given?: OpenOptions): VerifiedLoaders<T> {
  checkTensorFlow(tf)
  const options = openOptions(given)
  const loader =
    (name: TfLoad['loader']) =>
    async (...args: unknown[]) =>
      (await loadByTf(tf, name, options, args)).model
  const loaders = {
    loadGraphModel: loader('loadGraphModel'),
    loadLayersModel: loader('loadLayersModel'),
    loadSavedModel: loader('loadSavedModel'),
  }
  // They have the same parameters and results as the loaders of any version of tf.
  return loaders as unknown as VerifiedLoaders<T>
}
