// An unguarded program that starts a thread that loads a model:
//   node bare-thread.mjs MODEL WORKER_OPTIONS [IMPORTED [USER_ID [REMOVED]]]
// REMOVED: a variable that it removes from the environment that it passes on.
import { isMainThread, Worker, workerData } from 'node:worker_threads'

if (isMainThread) {
  const [model, options, imported, user, removed] = process.argv.slice(2)
  if (imported) await import(imported)
  if (user) process.setuid(Number(user))
  if (removed) delete process.env[removed]
  new Worker(new URL(import.meta.url), { ...JSON.parse(options), workerData: model })
} else {
  const { openVerifiedModel } = await import('@modelseal/core')
  try {
    const model = await openVerifiedModel(workerData)
    console.log(model.verdict.decision)
    await model.close()
  } catch (error) {
    console.log(`${error.code} ${error.message.split(' (')[0]}`)
  }
}
