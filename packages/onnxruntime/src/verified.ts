import type { OpenOptions } from '@modelseal/core'
import { openOptions } from '@modelseal/core/adapter'
import type { InferenceSession } from 'onnxruntime-node'
import { checkRuntime, createVerified, type OnnxRuntime } from './open-onnx.ts'
import { createWithOwnRuntime } from './own-runtime.ts'

/**
 * Returns `createSession`, which has the type of `InferenceSession.create` but loads a model only if its signature
 * satisfies the trust policy.
 *
 * It takes the path or the `file:`, `http:` or `https:` URL of a `.onnx` or `.ort` file, or of a signed directory with exactly
 * one such file. Buffers are refused, because their signer is unknown, and so are session options that would make the runtime
 * read other files. Verdicts are published on the `VERDICT_CHANNEL` of `@modelseal/core`.
 *
 * @param ort `onnxruntime-node`
 * @param given options for every load, read now: relative paths are resolved against the current working directory
 * @returns a function that rejects with a `ModelSealError`, as `loadVerifiedModel` does
 * @example
 * ```ts
 * import * as ort from 'onnxruntime-node'
 * const { createSession } = verified(ort, { policy: 'trust-policy.yaml' })
 * const session = await createSession('models/vad/silero_vad.onnx', { graphOptimizationLevel: 'all' })
 * ```
 */
export function verified<T extends OnnxRuntime>(
  ort: T,
  given?: OpenOptions,
): { createSession: T['InferenceSession']['create'] } {
  checkRuntime(ort)
  const options = openOptions(given)
  return {
    async createSession(source: unknown, sessionOptions?: unknown) {
      return (await createVerified(ort, source, options, sessionOptions)).session
    },
  }
}

/**
 * `InferenceSession.create` of onnxruntime-node for models whose signature satisfies the trust policy in
 * `MODELSEAL_POLICY` or in the nearest `modelseal.policy.yaml`.
 *
 * @throws {@link ModelSealError} as `loadVerifiedModel` does; `INVALID_ARGUMENT` for a buffer
 * @example
 * ```ts
 * const session = await createSession('models/vad/silero_vad.onnx')
 * ```
 */
export const createSession: typeof InferenceSession.create = async (source: unknown, sessionOptions?: unknown) =>
  // Reads the environment only now: an invalid value refuses the load, not the import.
  (await createWithOwnRuntime(source, undefined, sessionOptions)).session
