import { judgeMemory, ModelSealError, openOptions, shown, type OpenOptions } from '@modelseal/core'
import { isUint8Array, kindOf } from '@modelseal/core/any-realm'
import type { InferenceSession } from 'onnxruntime-node'
import { bytesInMemory, inTurns } from '@modelseal/core/formats'
import { formatOf } from './model-format.ts'
import { referencesOf } from './model-files.ts'
import { checkRuntime, createSessionIn, type OnnxRuntime } from './open-onnx.ts'
import { checkedSessionOptions, optionsCopy, sessionOptionsFor } from './session-options.ts'

/**
 * Creates a session from bytes without a path, where a rule of the policy about memory allows it. The
 * runtime gets a copy that was hashed, and nothing besides.
 *
 * @throws {@link ModelSealError} what `judgeMemory` throws; `FILE_NOT_SIGNED` for bytes that have weights in
 * other files; `INVALID_ARGUMENT`, `MODEL_FORMAT`
 */
export async function createFromMemory(
  ort: OnnxRuntime,
  given: Uint8Array,
  givenSessionOptions: unknown,
  options: Pick<OpenOptions, 'policy' | 'audit'>,
): Promise<InferenceSession> {
  checkRuntime(ort)
  if (!isUint8Array(given)) {
    throw new ModelSealError('INVALID_ARGUMENT', 'The model is not given as its bytes.', {
      expected: 'a Uint8Array',
      found: kindOf(given),
    })
  }
  const bytes = new Uint8Array(given)
  const sessionOptions = optionsCopy(givenSessionOptions)
  // Whether the bytes may be loaded at all comes before how.
  const { decision } = await judgeMemory(bytes, { ...openOptions(options), format: 'onnx' })
  const checked = checkedSessionOptions(sessionOptions)
  // Loaded unverified, it may be whatever it is: what it names is not found in the folder that does not exist.
  if (decision !== 'tolerated') await checkSelfContained(bytes)
  const model = { bytes, format: formatOf(bytesInMemory(bytes)), externalData: [] }
  return createSessionIn(ort, model, sessionOptionsFor(model, checked))
}

async function checkSelfContained(bytes: Uint8Array): Promise<void> {
  const { locations, elsewhere } = await inTurns(referencesOf(bytesInMemory(bytes), 'memory'))
  if (locations.length === 0 && !elsewhere) return
  const found = locations.map(shown).join(', ')
  throw new ModelSealError('FILE_NOT_SIGNED', 'The model is given from memory, and has weights in other files.', {
    file: locations[0],
    expected: 'a model that holds its weights itself',
    found: found === '' ? 'a tensor that is external' : `external data in ${found}`,
    hint: 'Load it by its path.',
  })
}
