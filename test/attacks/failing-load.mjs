// Loads a model like a runtime that takes paths, in a process with its own limits, and reports the
// outcome and what it left behind:
//   node failing-load.mjs MODEL SIGNATURE POLICY ISOLATION
import { readdirSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { setTimeout } from 'node:timers/promises'
import { ModelSealError, openVerifiedModel } from '@modelseal/core'

const [model, signature, policy, isolation] = process.argv.slice(2)
/** Threads release what they hold soon after an error. */
const descriptors = () => setTimeout(200).then(() => readdirSync('/proc/self/fd').length)
const gather = async (reader) => {
  if (isolation === 'memory') return Promise.all(reader.files.map((name) => reader.read(name)))
  const { path } = await reader.place(reader.files)
  return reader.files.map((name) => readFileSync(path(name)))
}

async function load() {
  const outcome = { code: 'accepted', typed: true, handedOver: false }
  try {
    const opened = await openVerifiedModel(model, { signature, policy, isolation }, gather)
    opened.confirm()
    outcome.handedOver = opened.gathered.length > 0
    await opened[Symbol.asyncDispose]()
  } catch (error) {
    outcome.code = error.code
    outcome.typed = error instanceof ModelSealError
  }
  return outcome
}

const outcomes = [await load()] // what the first load opens permanently, such as the pool, is not a leak
const before = await descriptors()
for (let i = 0; i < 3; i++) outcomes.push(await load())
// Near the limit, one load may succeed and the next fail.
const outcome = outcomes.find(({ code }) => code !== 'accepted') ?? outcomes[0]
console.log(JSON.stringify({ ...outcome, leaked: (await descriptors()) - before, left: readdirSync(tmpdir()) }))
