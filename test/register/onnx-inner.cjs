// Bypasses the class through an internal file of the package: onnx-inner.cjs MODEL
const { dirname, join } = require('node:path')

const { onnxruntimeBackend } = require(join(dirname(require.resolve('onnxruntime-node')), 'backend.js'))
onnxruntimeBackend.createInferenceSessionHandler(process.argv[2], {}).then(
  () => console.log('loaded'),
  (error) => console.log(error.code ?? error.message),
)
