// Hashing in a process that runs already, watched by progress and an abort signal or not. Prints its own time.
import { digestModel } from '@modelseal/core/signing'

const [model, watched] = process.argv.slice(2)
const options = watched ? { signal: new AbortController().signal, onProgress: () => {} } : {}
await digestModel(model, options)
const started = performance.now()
await digestModel(model, options)
console.log(JSON.stringify({ seconds: (performance.now() - started) / 1000 }))
