import { ModelSealError, shown } from '@modelseal/core'

/**
 * Refuses a runtime that would not take external data from memory: onnxruntime-node 1.20 ignores
 * the option without a word, and reads the working directory instead.
 *
 * @param version of onnxruntime-node, such as `1.21.0`
 * @throws {@link ModelSealError} `RUNTIME_FAILED`
 */
export function checkTakesExternalData(version: string | undefined, file: string): void {
  const [major = 0, minor = 0] = (version ?? '').split('.').map((part) => Number.parseInt(part, 10) || 0)
  if (major > 1 || (major === 1 && minor >= 21)) return
  throw new ModelSealError(
    'RUNTIME_FAILED',
    `The model ${shown(file)} has external data, which this ONNX Runtime cannot be given.`,
    {
      file,
      expected: 'onnxruntime-node 1.21 or later',
      found: shown(version ?? 'an unknown version'),
      hint: 'Update onnxruntime-node.',
    },
  )
}
