// A program that knows nothing of modelseal: released.mjs MODEL. It releases a session from a path and one from bytes, and keeps another.
import { readFileSync } from 'node:fs'
import { InferenceSession } from 'onnxruntime-node'

const [model] = process.argv.slice(2)
for (const source of [model, readFileSync(model)]) {
  const session = await InferenceSession.create(source)
  await session.release()
}
globalThis.kept = await InferenceSession.create(model)
