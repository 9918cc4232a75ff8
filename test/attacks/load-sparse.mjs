// Loads a model in a separate process, so that its memory can be measured:
//   node load-sparse.mjs RUNTIME PATH POLICY OPTIONS
// RUNTIME is "onnx-files" (what ONNX Runtime would get), "tfjs" or "tfjs-node"; OPTIONS is JSON, for openVerifiedModel().
import { statSync } from 'node:fs'
import { ModelSealError, openVerifiedModel } from '@modelseal/core'

const [runtime, path, policy, given] = process.argv.slice(2)
const options = { ...JSON.parse(given), policy }

const loaders = {
  async 'onnx-files'() {
    const { gatherOnnx } = await import('@modelseal/onnxruntime/model-files')
    const model = await openVerifiedModel(path, options, (reader) => gatherOnnx(reader, 'model.onnx'))
    try {
      const { externalData, files } = model.gathered
      if (externalData) return { kept: externalData.map(({ data }) => data.buffer.byteLength) }
      return { copied: 512 * statSync(files.path('weights.bin')).blocks, isolation: files.isolation }
    } finally {
      await model[Symbol.asyncDispose]()
    }
  },
  async tfjs() {
    const { verified } = await import('@modelseal/tfjs')
    const tf = {
      loadGraphModel: () => Promise.resolve({}),
      loadLayersModel: async (handler) => ({ kept: [(await handler.load()).weightData.byteLength] }),
    }
    return verified(tf, options).loadLayersModel(path)
  },
  async 'tfjs-node'() {
    const { verified } = await import('@modelseal/tfjs')
    const node = { loadSavedModel: () => Promise.resolve({}) }
    return verified({ node }, options).loadSavedModel(path)
  },
}

let outcome
try {
  outcome = { code: 'loaded', ...(await loaders[runtime]()) }
} catch (error) {
  outcome = { code: error instanceof ModelSealError ? error.code : String(error) }
}
console.log(JSON.stringify({ ...outcome, memory: process.resourceUsage().maxRSS * 1024 }))
process.exit()
