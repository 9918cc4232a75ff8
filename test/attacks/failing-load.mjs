// Loads a model as a runtime would that takes paths, in a process with limits of its own, and tells
// how it went and what it left:
//   node failing-load.mjs MODEL SIGNATURE POLICY ISOLATION
import { readdirSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { ModelSealError, openVerifiedModel } from '@modelseal/core'

const [model, signature, policy, isolation] = process.argv.slice(2)
const descriptors = () => readdirSync('/proc/self/fd').length
const outcome = { code: 'accepted', typed: true, handedOver: false }
const gather = async (reader) => {
  if (isolation === 'memory') return Promise.all(reader.files.map((name) => reader.read(name)))
  const { path } = await reader.place(reader.files)
  return reader.files.map((name) => readFileSync(path(name)))
}

async function load() {
  try {
    const opened = await openVerifiedModel(model, { signature, policy, isolation }, gather)
    opened.confirm()
    outcome.handedOver = opened.gathered.length > 0
    await opened[Symbol.asyncDispose]()
  } catch (error) {
    outcome.code = error.code
    outcome.typed = error instanceof ModelSealError
  }
}

await load() // what the first load opens for good, such as the pool, is no leak
const before = descriptors()
for (let i = 0; i < 3; i++) await load()
console.log(JSON.stringify({ ...outcome, leaked: descriptors() - before, left: readdirSync(tmpdir()) }))
