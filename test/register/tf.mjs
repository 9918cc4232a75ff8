// A program that knows nothing of modelseal: tf.mjs HOW MODEL…
import { pathToFileURL } from 'node:url'
import * as tf from '@tensorflow/tfjs'

tf.enableProdMode()
const ways = {
  graph: (model) => tf.loadGraphModel(pathToFileURL(model).href),
  layers: (model) => tf.loadLayersModel(pathToFileURL(model).href),
  handler: () => tf.loadGraphModel({ load: () => Promise.resolve({}) }),
  'layers-handler': () => tf.loadLayersModel({ load: () => Promise.resolve({}) }),
  class: () => new tf.GraphModel({ load: () => Promise.resolve({}) }).load(),
  'class-sync': () => new tf.GraphModel('').loadSync({}),
  sync: () => tf.loadGraphModelSync([{}, new ArrayBuffer(1)]),
  json: () => tf.models.modelFromJSON({}),
}

const [how, ...models] = process.argv.slice(2)
for (const model of models) {
  try {
    const { inputs } = await ways[how](model)
    console.log(`loaded ${inputs.map(({ shape }) => shape)}`)
  } catch (error) {
    console.log(error.code ?? error.message)
  }
}
