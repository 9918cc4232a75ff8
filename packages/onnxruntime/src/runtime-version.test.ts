import { expect, test } from 'vitest'
import { checkTakesExternalData } from './runtime-version.ts'

test.each(['1.21.0', '1.30.0', '2.0.0', '1.22.0-dev.20250101'])('accepts onnxruntime-node %s', (version) => {
  expect(() => checkTakesExternalData({ node: version }, 'model.onnx')).not.toThrow()
})

test.each(['1.20.1', '1.9.0', '0.30.0', '', 'latest', undefined])(
  'refuses onnxruntime-node %s, which would read external data from the working directory',
  (version) => {
    expect(() => checkTakesExternalData({ node: version }, 'model.onnx')).toThrow(
      expect.objectContaining({ code: 'RUNTIME_FAILED' }),
    )
  },
)
