// A program that knows nothing of modelseal: onnx.mjs HOW MODEL…
import { readFileSync } from 'node:fs'
import { InferenceSession } from 'onnxruntime-node'

const ways = {
  path: (model) => InferenceSession.create(model),
  options: (model) => InferenceSession.create(model, { graphOptimizationLevel: 'basic', externalData: [] }),
  bytes: (model) => InferenceSession.create(readFileSync(model), {}),
  buffer: (model) => InferenceSession.create(new Uint8Array(readFileSync(model)).buffer),
  range: (model) => {
    const bytes = new Uint8Array(readFileSync(model))
    const larger = new Uint8Array(bytes.length + 10)
    larger.set(bytes, 5)
    return InferenceSession.create(larger.buffer, 5, bytes.length)
  },
  'wrong-option': (model) => InferenceSession.create(model, { graphOptimizationLevel: 'wrong' }),
  nonsense: () => InferenceSession.create(5),
}

const [how, ...models] = process.argv.slice(2)
for (const model of models) {
  await ways[how](model).then(
    ({ inputNames }) => console.log(`loaded ${inputNames}`),
    (error) => console.log(error.code ?? error.message),
  )
}
