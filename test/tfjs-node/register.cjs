// A program that knows nothing of modelseal: register.cjs HOW MODEL…
const { pathToFileURL } = require('node:url')
const tf = require('@tensorflow/tfjs-node')

const ways = {
  saved: (model) => tf.node.loadSavedModel(model),
  graph: (model) => tf.loadGraphModel(pathToFileURL(model).href),
  backend: async (model) => tf.backend().loadSavedModelMetaGraph(model, 'serve'),
}

async function main() {
  const [how, ...models] = process.argv.slice(2)
  for (const model of models) {
    await ways[how](model).then(
      () => console.log('loaded'),
      (error) => console.log(error.code ?? error.message),
    )
  }
}

void main()
