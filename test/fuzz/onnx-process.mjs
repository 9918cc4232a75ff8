// Loads models with ONNX Runtime, and answers with the message of each refusal.
import { createRequire } from 'node:module'

const require = createRequire(new URL('../../packages/onnxruntime/package.json', import.meta.url))
const { InferenceSession } = require('onnxruntime-node')

process.on('message', ({ path }) => {
  InferenceSession.create(path, { logSeverityLevel: 4 }).then(
    async (session) => {
      await session.release()
      process.send({})
    },
    (error) => process.send({ refused: String(error?.message ?? error) }),
  )
})
process.on('disconnect', () => process.exit())
