// The same in CommonJS: onnx.cjs MODEL…
const { InferenceSession } = require('onnxruntime-node')

async function main() {
  for (const model of process.argv.slice(2)) {
    await InferenceSession.create(model).then(
      ({ inputNames }) => console.log(`loaded ${inputNames}`),
      (error) => console.log(error.code ?? error.message),
    )
  }
}

// Otherwise, a worker of node:cluster stays connected and keeps running.
void main().then(() => process.connected && process.disconnect())
