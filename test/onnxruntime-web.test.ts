import { createRequire } from 'node:module'
import { join } from 'node:path'
import { createVerified } from '@modelseal/onnxruntime/any-runtime'
import type * as OnnxRuntimeWeb from 'onnxruntime-node'
import { afterAll, describe, expect, test } from 'vitest'
import { addingModel, floats } from './onnx-models.ts'
import { flipBit, Workspace } from './signed-models.ts'

// The copy that another package of these tests depends on.
const require = createRequire(createRequire(import.meta.url).resolve('@ricky0123/vad-web'))
const ort = require('onnxruntime-web') as typeof OnnxRuntimeWeb
const workspace = new Workspace()
const { policy } = workspace
afterAll(() => workspace[Symbol.dispose]())

describe('onnxruntime-web in Node.js gets verified external data', () => {
  test.each([
    ['w.bin', 'w.bin'],
    ['./w.bin', 'w.bin'],
    ['data//w.bin', 'data/w.bin'],
  ])('under the name %s', async (location, name) => {
    const files = { 'model.onnx': addingModel(location), [name]: floats(10, 20) }
    const model = await workspace.sign(location.replaceAll('/', '_'), files)
    for (const isolation of ['auto', 'memory'] as const) {
      const { session } = await createVerified(ort, model, { policy, isolation }, {})
      const { y } = await session.run({ x: new ort.Tensor('float32', [1, 2], [2]) })
      expect([...(y?.data as Float32Array)]).toEqual([11, 22])
      await session.release()
    }
    flipBit(join(model, name))
    const loading = createVerified(ort, model, { policy }, {})
    await expect(loading).rejects.toMatchObject({ code: 'FILE_MISMATCH' })
  })
})
