import type { OpenOptions } from '@modelseal/core'
import { handOver, openArtifacts, type TensorFlow } from './open-artifacts.ts'

/**
 * Gives `loadGraphModel` and `loadLayersModel` with the signatures of tf's own, that load a model
 * only if its signature satisfies the trust policy. tf gets the bytes that were hashed, and opens
 * no file itself.
 *
 * They take a path or a `file://` URL, of a `model.json` or of the signed directory that holds it.
 * Further arguments go to tf; load options that would redirect loading are refused. Verdicts are
 * published on the `VERDICT_CHANNEL` of `@modelseal/core`.
 *
 * @param tf `@tensorflow/tfjs` or `@tensorflow/tfjs-node`
 * @returns functions that reject with a `ModelSealError`: what `openVerifiedModel` throws, before
 * tf sees a byte, such as `POLICY_NO_MATCH`, `BUNDLE_NOT_FOUND`, `SIGNER_NOT_TRUSTED`,
 * `SIGNATURE_INVALID`, `FILE_MISMATCH`, `FILE_MISSING`, `FILE_UNSIGNED`; `INVALID_ARGUMENT` (no
 * local path, load options); `MODEL_FORMAT` and `JSON_…` (`model.json`), `PATH_ESCAPES`,
 * `FILE_NOT_SIGNED` (weights); `RUNTIME_FAILED` (tf does not load the verified model)
 * @example
 * ```ts
 * import * as tf from '@tensorflow/tfjs-node'
 * const { loadGraphModel } = verified(tf, { policy: 'trust-policy.yaml' })
 * const model = await loadGraphModel('file://models/blazeface/model.json')
 * ```
 */
export function verified<T extends TensorFlow>(
  tf: T,
  options: OpenOptions = {},
): Pick<T, 'loadGraphModel' | 'loadLayersModel'> {
  const loader =
    (name: 'loadGraphModel' | 'loadLayersModel') =>
    async (source: unknown, loadOptions?: unknown, ...further: unknown[]) => {
      await using model = await openArtifacts(source, { ...options, format: FORMATS[name] }, loadOptions)
      return await handOver(tf, name, model, further)
    }
  // Both take and give what tf's own do, whatever its version.
  return { loadGraphModel: loader('loadGraphModel'), loadLayersModel: loader('loadLayersModel') }
}

/** For rules of the policy that match by format. */
const FORMATS = { loadGraphModel: 'tfjs-graph', loadLayersModel: 'tfjs-layers' } as const
