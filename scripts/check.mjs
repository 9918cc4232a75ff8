// Runs all checks of the workspace, even after one has failed. The static checks run in parallel, and their output is
// printed in the order of the list. The test runner then runs alone and leaves its report in .cache/reports for
// scripts/count.mjs.
import { spawn } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { packAll } from './release/pack.mjs'

const REPORTS = '.cache/reports'
const TARBALLS = '.cache/tarballs'
for (const directory of [REPORTS, TARBALLS]) {
  rmSync(directory, { recursive: true, force: true })
  mkdirSync(directory, { recursive: true })
}

// A second run formats only files that have changed, and compiles these and what depends on them. The linter has no cache that is
// safe: its rules depend on types in other files.
const FORMATTED = ['--cache', '--cache-strategy', 'content', '--cache-location', '.cache/formatted']
const COMPILED = ['--incremental', '--tsBuildInfoFile', '.cache/types.tsbuildinfo']

const published = await packAll('.', TARBALLS)
const libraries = published.filter(({ directory }) => manifest(directory).exports)

const statically = [
  // In one process it takes more memory than Node.js allows by default.
  ['lint of packages', 'eslint', ['packages']],
  ['lint of everything else', 'eslint', ['.', '--ignore-pattern', 'packages/**']],
  ['types', 'tsc', ['-p', 'tsconfig.json', ...COMPILED]],
  ['types of the site', 'tsc', ['-p', 'docs/.vitepress']],
  ['formatting', 'prettier', ['--check', '--log-level', 'warn', ...FORMATTED, '.']],
  ...libraries.map(({ name, tarball }) => [`types as published, ${name}`, 'attw', [tarball, '--quiet']]),
  ...published.map(({ name, tarball }) => [`publint ${name}`, 'publint', ['run', '--strict', tarball]]),
]
const tests = [
  'tests',
  'vitest',
  ['run', '--reporter=./scripts/reporter.mjs', '--reporter=default', `--outputFile=${REPORTS}/vitest.json`],
]

const failed = [...(await runSideBySide(statically)), ...(await runAlone(tests))]

console.log('\nTensorFlow.js was tested as @tensorflow/tfjs; "npm run test:tfjs-node" tests with the native tfjs-node.')
console.log(
  'Programs were bundled with esbuild; "npm run test:bundlers" also tests Vite, Rollup, webpack and @vercel/nft.',
)
console.log(
  'Slow attacks, a model of 2 GiB, 200 loads in a row, and the slowest tests of the program and the adapters were skipped; "npm run test:attacks" runs them.',
)
console.log(failed.length === 0 ? '\nAll checks passed.' : `\nFailed: ${failed.join(', ')}.`)
process.exitCode = failed.length === 0 ? 0 : 1

/** Runs as many checks in parallel as there are processors. Returns the names of those that failed. */
async function runSideBySide(checks) {
  const waiting = checks.map((check, index) => ({ check, index }))
  const results = checks.map(() => Promise.withResolvers())
  const lane = async () => {
    for (let next = waiting.shift(); next; next = waiting.shift()) results[next.index].resolve(await run(next.check))
  }
  const lanes = Array.from({ length: availableParallelism() }, lane)
  const failed = []
  for (const [index, [what]] of checks.entries()) {
    const { passed, output, seconds } = await results[index].promise
    console.log(`\n== ${what} (${seconds} s)`)
    process.stdout.write(output)
    if (!passed) failed.push(what)
  }
  await Promise.all(lanes)
  return failed
}

async function runAlone([what, command, args]) {
  console.log(`\n== ${what}`)
  const { passed } = await run([what, command, args], 'inherit')
  return passed ? [] : [what]
}

function run([, command, args], stdio = ['inherit', 'pipe', 'pipe']) {
  const started = Date.now()
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio, shell: process.platform === 'win32' })
    const output = []
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => output.push(chunk))
    const end = (passed, output) => resolve({ passed, output, seconds: Math.round((Date.now() - started) / 1_000) })
    child.on('error', ({ message }) => end(false, `Cannot run ${command}: ${message}\n`))
    child.on('close', (status) => end(status === 0, Buffer.concat(output)))
  })
}

function manifest(name) {
  return JSON.parse(readFileSync(`packages/${name}/package.json`, 'utf8'))
}
