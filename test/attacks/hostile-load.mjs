// Loads models in turn, and reports the outcome and cost of each:
//   node hostile-load.mjs LOADS
// LOADS is JSON: a list of { model, adapter, options }. The option "abortAfter" is in milliseconds.
import { ModelSealError, openVerifiedModel } from '@modelseal/core'
import { placeOnnx } from '@modelseal/onnxruntime/model-files'
import { loadVerifiedModel } from '@modelseal/tfjs'

const loaded = () => Promise.resolve({})
const tf = { loadGraphModel: loaded, loadLayersModel: loaded }
const LOADERS = {
  core: (model, options) => openVerifiedModel(model, options),
  onnx: (model, { entry = 'model.onnx', ...options }) =>
    openVerifiedModel(model, options, (reader) => placeOnnx(reader, entry)),
  tfjs: (model, options) => loadVerifiedModel(tf, model, options),
}

/** CPU time of this thread in milliseconds, to which other processes add nothing. */
function computed() {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}

/** The longest time that the event loop was blocked. */
let longest = 0
let last = 0
let measuring = false
function turn() {
  const now = computed()
  longest = Math.max(longest, now - last)
  last = now
  if (measuring) setImmediate(turn)
}

async function outcomeOf({ model, adapter, options: { abortAfter, ...options } }) {
  const signal = abortAfter === undefined ? undefined : AbortSignal.timeout(abortAfter)
  try {
    const { verdict } = await LOADERS[adapter](model, { ...options, signal })
    return verdict.decision
  } catch (error) {
    return error instanceof ModelSealError ? error.code : String(error.stack)
  }
}

async function measured(load) {
  longest = 0
  last = computed()
  measuring = true
  turn()
  const outcome = await outcomeOf(load)
  measuring = false
  turn()
  return { outcome, longest }
}

const results = []
for (const load of JSON.parse(process.argv[2])) results.push(await measured(load))
console.log(JSON.stringify({ results, memory: process.resourceUsage().maxRSS / 1024 }))
process.exit(0)
