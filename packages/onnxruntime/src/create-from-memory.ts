import { ModelSealError, type OpenOptions } from '@modelseal/core'
import { judgeMemory, openOptions, shown } from '@modelseal/core/adapter'
import { isUint8Array, kindOf } from '@modelseal/core/any-realm'
import type { InferenceSession } from 'onnxruntime-node'
import { bytesInMemory, inTurns } from '@modelseal/core/formats'
import { formatOf } from './model-format.ts'
import { referencesOf } from './model-files.ts'
import { checkRuntime, createSessionIn, keepSession, type OnnxRuntime } from './open-onnx.ts'
import { checkedSessionOptions, optionsCopy, sessionOptionsFor } from './session-options.ts'

/**
 * Creates a session from bytes without a path if a rule of the policy allows models from memory. The
 * runtime gets the hashed copy of the bytes and nothing else. If a digest of the bytes is revoked later, the session is released as the caller wants.
 *
 * @throws {@link ModelSealError} what `judgeMemory` throws; `FILE_NOT_SIGNED` if the model has weights in
 * other files; `INVALID_ARGUMENT`, `MODEL_FORMAT`; `MODEL_REVOKED` if they were revoked meanwhile
 */
export async function createFromMemory(
  ort: OnnxRuntime,
  given: Uint8Array,
  givenSessionOptions: unknown,
  options: Pick<OpenOptions, 'policy' | 'audit' | 'onRevoked'>,
): Promise<InferenceSession> {
  checkRuntime(ort)
  if (!isUint8Array(given)) {
    throw new ModelSealError('INVALID_ARGUMENT', 'Cannot load the model: it was not passed as bytes.', {
      expected: 'a Uint8Array',
      found: kindOf(given),
    })
  }
  const bytes = new Uint8Array(given)
  const sessionOptions = optionsCopy(givenSessionOptions)
  // First decide whether the bytes may be loaded at all.
  const judged = await judgeMemory(bytes, { ...openOptions(options), format: 'onnx' })
  try {
    const checked = checkedSessionOptions(sessionOptions)
    // A tolerated model may be anything: files that it names are not found, because the folder does not exist.
    if (judged.decision !== 'tolerated') await checkSelfContained(bytes)
    const model = { bytes, format: formatOf(bytesInMemory(bytes)), externalData: [] }
    return await keepSession(judged, await createSessionIn(ort, model, sessionOptionsFor(model, checked)))
  } finally {
    judged.close()
  }
}

async function checkSelfContained(bytes: Uint8Array): Promise<void> {
  const { locations, elsewhere } = await inTurns(referencesOf(bytesInMemory(bytes), 'memory'))
  if (locations.length === 0 && !elsewhere) return
  const found = locations.map(shown).join(', ')
  throw new ModelSealError('FILE_NOT_SIGNED', 'Cannot load the model from memory: it has weights in other files.', {
    file: locations[0],
    expected: 'a model that contains its weights',
    found: found === '' ? 'an external tensor' : `external data in ${found}`,
    hint: 'Load the model by its path.',
  })
}
