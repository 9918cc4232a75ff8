import {
  ModelSealError,
  openVerifiedModel,
  referencedName,
  shown,
  type ModelReader,
  type OpenOptions,
  type Verdict,
} from '@modelseal/core'
import { env, InferenceSession } from 'onnxruntime-node'
import { externalDataLocations } from './external-data.ts'
import { checkTakesExternalData } from './runtime-version.ts'
import { checkedSessionOptions } from './session-options.ts'

export interface LoadOptions extends OpenOptions {
  /**
   * Handed to `InferenceSession.create()`. What would make the runtime read further files is
   * refused: `externalData`, and entries of `extra` that name files.
   */
  session?: InferenceSession.SessionOptions | undefined
}

export interface LoadedModel {
  session: InferenceSession
  /** Who signed the model, which rule of the policy accepted it, what was hashed. */
  verdict: Verdict
}

/**
 * Loads an ONNX model into onnxruntime-node, if its signature satisfies the trust policy. The
 * bytes that the runtime gets, those of external data included, are the ones that were hashed;
 * it opens no file itself.
 *
 * @param path of a `.onnx` file, or of a signed directory that holds exactly one
 * @throws {@link ModelSealError} what `openVerifiedModel` throws, before the runtime sees a byte:
 * `POLICY_NOT_FOUND`, `POLICY_NO_MATCH`, `BUNDLE_NOT_FOUND`, `SIGNER_NOT_TRUSTED`,
 * `SIGNATURE_INVALID`, `FILE_MISMATCH`, `FILE_MISSING`, `FILE_UNSIGNED` and others;
 * `INVALID_ARGUMENT` (options, or a directory without exactly one model), `MODEL_FORMAT`,
 * `PATH_ESCAPES`, `FILE_NOT_SIGNED` (external data); `RUNTIME_FAILED` (the verified model does not load)
 * @example
 * ```ts
 * const { session, verdict } = await loadVerifiedModel('models/vad/silero_vad.onnx', { policy: 'trust-policy.yaml' })
 * ```
 */
export async function loadVerifiedModel(path: string, options: LoadOptions = {}): Promise<LoadedModel> {
  if (typeof (path as unknown) !== 'string') {
    throw new ModelSealError('INVALID_ARGUMENT', 'The model is not given by its path.', {
      expected: 'a path',
      found: `a value of type ${typeof path}`,
    })
  }
  const { session: given, ...open } = options
  const sessionOptions = checkedSessionOptions(given)
  await using model = await openVerifiedModel(path, { ...open, format: 'onnx' }, gather)
  const { bytes, externalData } = model.gathered
  try {
    const session = await InferenceSession.create(bytes, { ...sessionOptions, externalData })
    return { session, verdict: model.verdict }
  } catch (cause) {
    throw runtimeFailed(path, model.verdict, cause)
  }
}

interface Gathered {
  bytes: Uint8Array<ArrayBuffer>
  externalData: { path: string; data: Uint8Array<ArrayBuffer> }[]
}

async function gather(reader: ModelReader): Promise<Gathered> {
  const entry = reader.entry ?? onlyModel(reader.files)
  const bytes = await reader.read(entry)
  const locations = externalDataLocations(bytes, entry)
  if (locations.length > 0) checkTakesExternalData(env.versions.node, entry)
  const externalData: Gathered['externalData'] = []
  for (const location of locations) {
    // The runtime finds the bytes by the location exactly as the model has it.
    externalData.push({ path: location, data: await reader.read(referencedName(entry, location)) })
  }
  return { bytes, externalData }
}

const SHOWN_MODELS = 10

function onlyModel(files: readonly string[]): string {
  const models = files.filter((name) => name.endsWith('.onnx'))
  const [only] = models
  if (only !== undefined && models.length === 1) return only
  const listed = models.slice(0, SHOWN_MODELS).map(shown)
  if (models.length > listed.length) listed.push(`${models.length - listed.length} more`)
  throw new ModelSealError('INVALID_ARGUMENT', 'The path is a directory, and does not say which file is the model.', {
    expected: 'exactly one signed file whose name ends in ".onnx"',
    found: listed.join(', ') || 'none',
    hint: 'Give the path of the file itself; the signature of the directory above it is found.',
  })
}

function runtimeFailed(path: string, verdict: Verdict, cause: unknown): ModelSealError {
  const error = new ModelSealError(
    'RUNTIME_FAILED',
    `The model ${shown(path)} was verified, but ONNX Runtime does not load it.`,
    {
      file: path,
      found: shown(cause instanceof Error ? cause.message : String(cause)),
      hint: 'Check that this version of onnxruntime-node supports the model, and the session options.',
      cause,
    },
  )
  error.verdict = verdict
  return error
}
