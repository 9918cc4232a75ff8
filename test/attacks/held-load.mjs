// Endlessly loads a model through copies, like a program that ignores signals, and reports when files arrive:
//   node held-load.mjs MODEL POLICY [thread]
import { writeSync } from 'node:fs'
import { isMainThread, Worker, workerData } from 'node:worker_threads'
import { openVerifiedModel } from '@modelseal/core'

const [model, policy, thread] = isMainThread ? process.argv.slice(2) : workerData
if (thread === undefined) {
  const arriving = (done) => done > 0 && writeSync(1, '.')
  for (;;) await load(arriving)
} else new Worker(new URL(import.meta.url), { workerData: [model, policy] })

async function load(onProgress) {
  const options = { policy, isolation: 'copy', onProgress }
  const opened = await openVerifiedModel(model, options, (reader) => reader.place(reader.files))
  opened.confirm()
  await opened[Symbol.asyncDispose]()
}
