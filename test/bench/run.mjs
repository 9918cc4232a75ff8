// Compares hashing, signing and verifying with other programs, alternately in one run:
//   npm run bench -- [--case NAME]... [--size 256MiB] [--rounds 5] [--output DIRECTORY] [--list]
// Data goes to .cache/bench, results (table.txt, results.json, chart.svg) to .cache/bench/results.
import { mkdirSync, writeFileSync } from 'node:fs'
import { availableParallelism, cpus, release } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { CASES } from './cases.mjs'
import { chartOf } from './chart.mjs'
import { data, parseSize, sizeText } from './data.mjs'
import { busy, measure } from './measure.mjs'
import { tableOf } from './table.mjs'
import { tools } from './tools.mjs'

const { values: options } = parseArgs({
  options: {
    case: { type: 'string', multiple: true },
    size: { type: 'string', default: '2GiB' },
    rounds: { type: 'string', default: '5' },
    output: { type: 'string', default: join(data, 'results') },
    list: { type: 'boolean' },
  },
})
if (options.list) {
  for (const { name, title } of CASES) console.log(`${name.padEnd(20)} ${title}`)
  process.exit()
}
const unknown = (options.case ?? []).filter((name) => !CASES.some((one) => one.name === name))
if (unknown.length > 0) throw new Error(`There is no case ${unknown.join(', ')}; see --list.`)

const size = parseSize(options.size)
const rounds = Number(options.rounds)
const machine = {
  processor: `${cpus()[0]?.model.trim()}, ${availableParallelism()} available`,
  system: `${process.platform} ${release()}`,
  node: process.version,
  tools: Object.fromEntries(
    Object.entries(tools).map(([name, tool]) => [name, tool?.version ?? 'not on this machine']),
  ),
  date: new Date().toISOString(),
}
const heading = `${sizeText(size)} of data in the large cases, ${rounds} rounds; ${machine.processor}; Node ${machine.node}`
const results = []
mkdirSync(options.output, { recursive: true })
console.log(`${heading}\n`)
for (const one of CASES) {
  if (options.case && !options.case.includes(one.name)) continue
  console.error(`${one.name} ...`)
  const { contestants, targets } = await one.prepare(size)
  const disturbed = await busy()
  const measured = await measure(contestants, one.rounds ? Math.min(one.rounds, rounds) : rounds)
  const judged = targets.map((target) => ({ text: target.text, ...target.judge(measured) }))
  results.push({ name: one.name, title: one.title, busy: disturbed, contestants: measured, targets: judged })
  console.log(tableOf(results.slice(-1)))
  // After each case, so that a failing case does not lose the results of the others.
  write('table.txt', `${heading}\n\n${tableOf(results)}`)
  write('results.json', `${JSON.stringify({ machine, size, rounds, results }, null, 2)}\n`)
  write('chart.svg', chartOf(heading, results))
}
console.error(`Written to ${options.output}`)

function write(name, text) {
  writeFileSync(join(options.output, name), text)
}
