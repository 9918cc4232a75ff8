// A file into memory: verified as a load does (isolation `memory`), or read and then hashed. Prints its own time.
import { hash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { openVerifiedModel } from '@modelseal/core'

const [file, policy, signature] = process.argv.slice(2)
const started = performance.now()
if (policy === undefined) {
  hash('sha256', readFileSync(file))
} else {
  await openVerifiedModel(file, { policy, signature, isolation: 'memory' }, ({ entry, read }) => read(entry))
}
console.log(JSON.stringify({ seconds: (performance.now() - started) / 1000 }))
