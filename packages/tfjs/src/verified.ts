import type { OpenOptions } from '@modelseal/core'
import { openOptions } from '@modelseal/core/adapter'
import { checkTensorFlow, type TensorFlow } from './open-artifacts.ts'
import { loadByTf, type TfLoad } from './tf-load.ts'

/** tf's own loaders, by their types; of a SavedModel only where tf is tfjs-node. */
export type VerifiedLoaders<T extends TensorFlow> = Pick<T, 'loadGraphModel' | 'loadLayersModel'> &
  (T extends { node: { loadSavedModel: infer Load } } ? { loadSavedModel: Load } : unknown)

/**
 * Gives `loadGraphModel`, `loadLayersModel` and, of tfjs-node, `loadSavedModel` with the signatures of
 * tf's own, that load a model only if its signature satisfies the trust policy. tf gets the bytes that
 * were hashed, and fetches or opens nothing itself; a SavedModel, which TensorFlow loads from a
 * directory, is copied into a private one while it is hashed.
 *
 * They take a path, a `file:`, `http:` or `https:` URL, of a `model.json` or of the signed directory that
 * holds it (an HTTP URL with a slash at the end), or a handler that `tf.io.http()` or tfjs-node's
 * `tf.io.fileSystem()` made. Over HTTP the bundle is fetched from beside the model, and then only files
 * that it names; see `HttpOptions` of `@modelseal/core` for limits and redirects. Further arguments go
 * to tf; load options that would redirect loading are refused. Verdicts are published on the
 * `VERDICT_CHANNEL` of `@modelseal/core`.
 *
 * @param tf `@tensorflow/tfjs` or `@tensorflow/tfjs-node`
 * @param given options of every load, as they are now: relative paths are those of the present working directory
 * @returns functions that reject with a `ModelSealError`: what `openVerifiedModel` throws, before
 * tf sees a byte, such as `POLICY_NO_MATCH`, `BUNDLE_NOT_FOUND`, `SIGNER_NOT_TRUSTED`,
 * `SIGNATURE_INVALID`, `FILE_MISMATCH`, `FILE_MISSING`, `FILE_UNSIGNED`, `HTTP_…`; `INVALID_ARGUMENT` (a
 * place of no known kind, load options); `MODEL_FORMAT` and `JSON_…` (`model.json`), `PATH_ESCAPES`,
 * `FILE_NOT_SIGNED`, `FILE_TOO_LARGE` (weights, assets); `RUNTIME_FAILED` (tf does not load the verified model)
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
  // They take and give what tf's own do, whatever its version.
  return loaders as unknown as VerifiedLoaders<T>
}
