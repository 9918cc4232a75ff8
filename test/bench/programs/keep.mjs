// A file into memory: verified as a load does (isolation `memory`), or read and then hashed, in a process
// that has done so with a small one before. Prints its own time.
import { hash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { openVerifiedModel } from '@modelseal/core'

const [small, file, policy] = process.argv.slice(2)
await load(small)
const started = performance.now()
await load(file)
console.log(JSON.stringify({ seconds: (performance.now() - started) / 1000 }))

async function load(path) {
  if (policy === undefined) hash('sha256', readFileSync(path))
  else await openVerifiedModel(path, { policy, isolation: 'memory' }, ({ entry, read }) => read(entry))
}
