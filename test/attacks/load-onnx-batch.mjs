// Usage: node load-onnx-batch.mjs JOBS FIRST
// Has the real runtime load models in turn, so that a tracer of this process sees which files it
// opens. Between loads, it tries to open a file whose name announces the next model.
import { openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { InferenceSession } from 'onnxruntime-node'

const [jobsPath, first] = process.argv.slice(2)
const { directory, jobs } = JSON.parse(readFileSync(jobsPath, 'utf8'))
process.chdir(directory)

const warm = { ...jobs[0].options }
await InferenceSession.create(new Uint8Array(4), warm).catch(() => {})

for (const [index, { path, inMemory, options }] of jobs.entries()) {
  if (index < Number(first)) continue
  const model = inMemory ? readFileSync(path) : path
  options.externalData = inMemory?.externalData.map((name) => ({
    path: name,
    data: readFileSync(join(inMemory.beside, name)),
  }))
  mark(`load/${index}`)
  let result = 'loaded'
  try {
    const session = await InferenceSession.create(model, options)
    await session.release()
  } catch (error) {
    result = error.message
  }
  mark('between')
  writeSync(1, `${JSON.stringify({ index, result })}\n`)
}

function mark(what) {
  try {
    openSync(`/modelseal-attack/${what}`)
  } catch {
    // It does not exist; the attempt to open it suffices.
  }
}
