// Compares strict parsing of a manifest with plain JSON.parse. Run by hand:
//   node test/bench/json.mjs [files]
import { hash } from 'node:crypto'
import { parseStrictJson } from '../../packages/core/src/bundle/json.ts'

const files = Number(process.argv[2] ?? 100_000)
const resources = Array.from({ length: files }, (_, i) => ({
  name: `checkpoints/step-${i % 97}/layers/model-${String(i).padStart(7, '0')}.safetensors`,
  digest: hash('sha256', String(i)),
  algorithm: 'sha256',
}))
const statement = { _type: 'https://in-toto.io/Statement/v1', predicate: { resources } }

for (const [how, space] of [
  ['compact', undefined],
  ['indented', 2],
]) {
  const bytes = Buffer.from(JSON.stringify(statement, undefined, space))
  const plain = () => JSON.parse(bytes.toString('utf8'))
  const strict = () => parseStrictJson(bytes, { what: 'statement', maxValues: 8_000_000 })
  const times = { plain: [], strict: [] }
  // Alternating, so that both run under the same conditions.
  for (let round = 0; round < 15; round++) {
    times.plain.push(timed(plain))
    times.strict.push(timed(strict))
  }
  const [a, b] = [median(times.plain), median(times.strict)]
  console.log(
    `${how}: ${files} files, ${(bytes.length / 1e6).toFixed(1)} MB: JSON.parse ${a.toFixed(1)} ms, ` +
      `strict ${b.toFixed(1)} ms, ratio ${(b / a).toFixed(2)}`,
  )
}

function timed(work) {
  const start = performance.now()
  work()
  return performance.now() - start
}

function median(times) {
  return times.toSorted((a, b) => a - b)[times.length >> 1]
}
