// A program that knows nothing of modelseal, and uses its model until it cannot, or its standard input ends:
// running.mjs HOW MODEL
import { isMainThread, Worker } from 'node:worker_threads'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'

const require = createRequire(import.meta.url)
/** Without onnxruntime-node in the other programs. */
const commonJs = { onnx: (model) => require('./running.cjs')(model) }

async function onnx(source) {
  const { InferenceSession, Tensor } = await import('onnxruntime-node')
  const session = await InferenceSession.create(source)
  const feeds = Object.fromEntries(session.inputNames.map((name) => [name, new Tensor('float32', [1, 2], [2])]))
  return () => session.run(feeds)
}

const ways = {
  onnx,
  bytes: (model) => onnx(readFileSync(model)),
  cjs: commonJs.onnx,
  async tf(model) {
    const tf = await import('@tensorflow/tfjs')
    tf.enableProdMode()
    const graph = await tf.loadGraphModel(pathToFileURL(model).href)
    return () => tf.tidy(() => graph.predict(tf.zeros([1, 256, 256, 3])))
  },
  async handler(model) {
    const tf = await import('@tensorflow/tfjs')
    tf.enableProdMode()
    const { modelTopology, weightsManifest } = JSON.parse(readFileSync(model, 'utf8'))
    const weightSpecs = weightsManifest.flatMap(({ weights }) => weights)
    const weightData = new Uint8Array(readFileSync(`${dirname(model)}/blazeface.bin`)).buffer
    const graph = await tf.loadGraphModel({ load: () => ({ modelTopology, weightSpecs, weightData }) })
    return () => tf.tidy(() => graph.predict(tf.zeros([1, 256, 256, 3])))
  },
  async transformers(model) {
    const { env, pipeline } = await import('@huggingface/transformers')
    env.localModelPath = dirname(model)
    env.allowRemoteModels = false
    const embed = await pipeline('feature-extraction', model.slice(dirname(model).length + 1))
    return () => embed('hello')
  },
  /** The program opens the model itself, and hands the bytes to the runtime. */
  async opened(model) {
    const { openVerifiedModel } = await import('@modelseal/core')
    const opened = await openVerifiedModel(model, { format: 'onnx', policy: process.env.PROGRAM_POLICY })
    const bytes = await opened.read('model.onnx')
    const run = await onnx(bytes)
    await opened.close()
    return run
  },
  thread(model) {
    const worker = new Worker(new URL(import.meta.url), { argv: ['onnx', model] })
    worker.on('exit', (code) => {
      console.log(`thread: ${code}`)
      process.exit(0)
    })
    return new Promise(() => setInterval(() => {}, 1_000))
  },
}

const [how, model] = process.argv.slice(2)
const run = await ways[how](model)
// In a thread, it is the process that ends.
let isOver = false
if (isMainThread) process.stdin.once('end', () => (isOver = true)).resume()
for (let count = 0; !isOver; count++) {
  try {
    await run()
  } catch (error) {
    console.log(error.code ?? error.message)
    process.exit(0)
  }
  if (count === 0) console.log('running')
  // Enough for others, if a run blocks the event loop.
  await sleep(how === 'tf' ? 1_000 : 20)
}
await run()
console.log('still running')
process.exit(0)
