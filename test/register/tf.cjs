// The same in CommonJS: tf.cjs MODEL…
const { pathToFileURL } = require('node:url')
const tf = require('@tensorflow/tfjs')

tf.enableProdMode()
async function main() {
  for (const model of process.argv.slice(2)) {
    try {
      const { inputs } = await tf.loadGraphModel(pathToFileURL(model).href)
      console.log(`loaded ${inputs.map(({ shape }) => shape)}`)
    } catch (error) {
      console.log(error.code ?? error.message)
    }
  }
}

void main()
