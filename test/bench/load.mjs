// Compares a verified load with a plain load, and with a plain load after a separate hash pass: time and
// peak memory. Each measurement runs in a separate process, in turns, so that other load on the machine
// affects all alike. The files are in the page cache. Run after a build:
//   npm run bench:load
//   npm run bench:load -- --only external,tfjs --mib 256 --rounds 1 --json load.json
import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { makeModels } from './load-models.mjs'

const { values: given } = parseArgs({
  options: {
    only: { type: 'string', default: 'external,embedded,tfjs' },
    mib: { type: 'string', default: '1024' },
    'tfjs-mib': { type: 'string', default: '200' },
    rounds: { type: 'string', default: '3' },
    directory: { type: 'string', default: tmpdir() },
    json: { type: 'string' },
  },
})
const PLAIN = 'plain'
const HASHED = 'plain + hash pass'
const ONNX_WAYS = [PLAIN, HASHED, 'in-place', 'copy', 'memory', 'auto']
const WAYS = { external: ONNX_WAYS, embedded: ONNX_WAYS, tfjs: [PLAIN, HASHED, 'memory'] }

const directory = await mkdtemp(join(given.directory, 'modelseal-bench-'))
try {
  const kinds = given.only.split(',')
  const models = await makeModels(directory, kinds, { mib: Number(given.mib), tfjsMib: Number(given['tfjs-mib']) })
  const results = []
  for (const { kind, title, path } of models) {
    const runs = WAYS[kind].map((way) => ({ way, measured: [] }))
    for (let round = 0; round < Number(given.rounds); round++) {
      for (const { way, measured } of runs) measured.push(await load(kind, way, path, models.policy))
    }
    const summary = runs.map(({ way, measured }) => ({ way, ...best(measured) }))
    results.push({ kind, title, ways: relative(summary) })
    print(title, results.at(-1).ways)
  }
  if (given.json) await writeFile(given.json, JSON.stringify(results, undefined, 2))
  else console.log(JSON.stringify(results))
} finally {
  await rm(directory, { recursive: true, force: true })
}

/** One load in a separate process whose memory is sampled. */
async function load(kind, way, path, policy) {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'load-once.mjs'), kind, way, path, policy], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('exit', (code) => (code === 0 ? resolve() : reject(new Error(`${kind}, ${way}: exit code ${code}`))))
  })
  let output = ''
  child.stdout.on('data', (chunk) => (output += chunk))
  let anonymous = 0
  const watch = setInterval(async () => (anonymous = Math.max(anonymous, await privateBytes(child.pid))), 5)
  await exited.finally(() => clearInterval(watch))
  const { ms, before, after } = JSON.parse(output.trim().split('\n').at(-1))
  return { ms, anonymous: Math.max(anonymous, after.anonymous), idle: before.anonymous, resident: after.peak }
}

/** Memory of the process without mapped files, which are in the system's page cache. */
async function privateBytes(pid) {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')
  return ['RssAnon', 'RssShmem'].reduce(
    (sum, field) => sum + 1024 * Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0),
    0,
  )
}

/** The shortest time, which other load disturbed least, and the highest memory, because samples can miss a peak. */
function best(measured) {
  const all = (field) => measured.map((one) => one[field])
  const most = (field) => Math.max(...all(field))
  return { ms: Math.min(...all('ms')), anonymous: most('anonymous'), idle: most('idle'), resident: most('resident') }
}

function relative(summary) {
  const [plain, hashed] = [PLAIN, HASHED].map((name) => summary.find(({ way }) => way === name).ms)
  return summary.map((one) => ({ ...one, toPlain: one.ms / plain, toHashed: one.ms / hashed }))
}

function print(title, ways) {
  console.log(`\n${title}; the best of ${given.rounds}`)
  console.log('                       time   to plain   to plain + hash   peak private   peak resident')
  for (const { way, ms, toPlain, toHashed, anonymous, resident } of ways) {
    const cells = [
      `${ms.toFixed(0)} ms`.padStart(9),
      toPlain.toFixed(2).padStart(11),
      toHashed.toFixed(2).padStart(18),
      megabytes(anonymous).padStart(15),
      megabytes(resident).padStart(16),
    ]
    console.log(way.padEnd(18) + cells.join(''))
  }
}

function megabytes(bytes) {
  return `${(bytes / 1e6).toFixed(0)} MB`
}
