// A program that knows nothing of modelseal and loads models by their URLs: hubs.mjs URL…
import * as tf from '@tensorflow/tfjs'
import { InferenceSession } from 'onnxruntime-node'

for (const url of process.argv.slice(2)) {
  const load = url.endsWith('.json')
    ? tf.loadGraphModel(url).then(({ inputNodes }) => inputNodes)
    : InferenceSession.create(url).then(({ inputNames }) => inputNames)
  await load.then(
    (inputs) => console.log(`loaded ${inputs}`),
    (error) => console.log(error.code ?? error.message),
  )
}
