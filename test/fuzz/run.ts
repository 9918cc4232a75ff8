// npm run fuzz -- [TARGET …] [--seconds N] [--seed N]: generates inputs for code that reads what others wrote, guided by what they
// execute, and checks what that code promises. Without targets: all of them. An input that breaks a promise stays in
// .cache/fuzz/findings; once it is mended, it belongs in test/fuzz/found.
import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { runTarget, type Outcome } from './run-target.ts'
import { removeScratch } from './scratch.ts'
import { TARGETS } from './targets.ts'

const ROOT = join(import.meta.dirname, '../..')
const WORK = join(ROOT, '.cache/fuzz')

const all = [...TARGETS.keys()]
const { values, positionals } = given()
const unknown = positionals.filter((name) => !all.includes(name))
const seconds = Number(values.seconds)
const seed = Number(values.seed ?? Date.now() % 2 ** 31)
if (unknown.length > 0 || !(seconds > 0) || !Number.isInteger(seed)) usage()

process.once('exit', removeScratch)
const results: { name: string; outcome: Outcome }[] = []
const waiting = positionals.length > 0 ? positionals : all
await Promise.all(Array.from({ length: availableParallelism() }, runWaiting))
writeReport()
process.exitCode = results.some(({ outcome }) => outcome.finding !== undefined) ? 1 : 0

function given() {
  try {
    const options = { seconds: { type: 'string', default: '10' }, seed: { type: 'string' } } as const
    return parseArgs({ allowPositionals: true, options })
  } catch {
    return usage()
  }
}

function usage(): never {
  console.error(`Usage: npm run fuzz -- [TARGET …] [--seconds N] [--seed N]\nTargets: ${all.join(', ')}`)
  process.exit(2)
}

/** Runs one target after another, as long as there are some. */
async function runWaiting(): Promise<void> {
  for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
    const outcome = await runTarget(fileOf(name), { seconds, seed, corpus: join(WORK, 'corpus', name) })
    results.push({ name, outcome })
    print(name, outcome)
  }
}

function fileOf(name: string): string {
  return TARGETS.get(name) ?? ''
}

function print(name: string, { executions = 0, corpus = 0, reached = 0, finding }: Outcome): void {
  const rate = Math.round(executions / seconds)
  console.log(`${name.padEnd(16)} ${executions} inputs (${rate} a second), ${corpus} kept, ${reached} places reached`)
  if (finding === undefined) return
  const path = join(
    WORK,
    'findings',
    `${name}-${createHash('sha256').update(finding.input).digest('hex').slice(0, 16)}`,
  )
  mkdirSync(join(WORK, 'findings'), { recursive: true })
  writeFileSync(path, finding.input)
  console.log(`FOUND by seed ${seed}, ${finding.input.length} bytes in ${path}:\n${finding.error.replace(/^/gm, '  ')}`)
}

/** A report in the form that scripts/count.mjs adds up: each target is a test. */
function writeReport(): void {
  const testResults = results.map(({ name, outcome: { finding } }) => ({
    name: fileOf(name),
    status: finding === undefined ? 'passed' : 'failed',
    assertionResults: [
      {
        status: finding === undefined ? 'passed' : 'failed',
        fullName: `${name} keeps its promises`,
        failureMessages: finding === undefined ? [] : [finding.error],
      },
    ],
  }))
  const numFailedTests = testResults.filter(({ status }) => status === 'failed').length
  mkdirSync(join(ROOT, '.cache/reports'), { recursive: true })
  const report = { numPassedTests: testResults.length - numFailedTests, numFailedTests, testResults }
  writeFileSync(join(ROOT, '.cache/reports/fuzz.json'), JSON.stringify(report))
}
