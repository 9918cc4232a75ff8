import type { ModelSource, OpenOptions } from '@modelseal/core'
import { loadOptions, type LoadOutcome } from '@modelseal/core/adapter'
import type { InferenceSession } from 'onnxruntime-node'
import type { ModelEntry } from './open-onnx.ts'
import { createWithOwnRuntime } from './own-runtime.ts'

export interface LoadOptions extends OpenOptions {
  /**
   * Options for `InferenceSession.create()`. Options that would make the runtime read other files are
   * refused: `externalData`, and entries of `extra` that name files.
   */
  session?: InferenceSession.SessionOptions | undefined
}

/**
 * The session, who signed the model, which rule accepted it, and what was hashed; for a verified model, also what was attested about
 * it by attestations that satisfied the rule.
 *
 * @example
 * ```ts
 * const loaded = await loadVerifiedModel('models/vad/silero_vad.onnx', { policy: 'trust-policy.yaml' })
 * if (loaded.decision === 'accepted') {
 *   const [evaluation] = loaded.attestations('evaluation')
 *   console.log(evaluation?.content.results, evaluation?.signer.description)
 * }
 * ```
 */
export type LoadedModel = LoadOutcome & { session: InferenceSession }

/**
 * Loads an ONNX model into onnxruntime-node if its signature satisfies the trust policy. The runtime gets the
 * bytes that were hashed, external data included: as buffers, or by a path that only this user can change
 * (`isolation`).
 *
 * @param source path or URL of a `.onnx` or `.ort` file, or of a signed directory with exactly one such file (`file:`, `http:`,
 * `https:`, or a scheme that a package has registered); or a `ModelSource`; or a signed directory and the name of the file in it
 * @throws {@link ModelSealError} what `openVerifiedModel` throws, before the runtime sees a byte:
 * `POLICY_NOT_FOUND`, `POLICY_UNTRUSTED`, `POLICY_NO_MATCH`, `BUNDLE_NOT_FOUND`, `SIGNER_NOT_TRUSTED`,
 * `SIGNATURE_INVALID`, `FILE_MISMATCH`, `FILE_MISSING`, `FILE_UNSIGNED` and others;
 * `INVALID_ARGUMENT` (options, or a directory without exactly one model), `MODEL_FORMAT`,
 * `PATH_ESCAPES`, `FILE_NOT_SIGNED` (external data), `ISOLATION_REFUSED`, `COPY_FAILED`;
 * `RUNTIME_FAILED` (the runtime cannot load the verified model); `FILE_CHANGED` (a file was written to during the
 * load; the session is released)
 * @example
 * ```ts
 * const { session, verdict } = await loadVerifiedModel('models/vad/silero_vad.onnx', { policy: 'trust-policy.yaml' })
 * ```
 */
export async function loadVerifiedModel(
  source: string | URL | ModelSource | ModelEntry,
  options?: LoadOptions,
): Promise<LoadedModel> {
  const { session, ...open } = loadOptions(options, ['session'])
  return createWithOwnRuntime(source, open, session)
}
