// What users wait for beside the plain way: the first load of a process, further loads, loads by receipt, imports, the
// command line, copies, and the memory of an idle service. Every pair is measured in turns. Run after a build:
//   npm run bench:latency
//   npm run bench:latency -- --quick
//   npm run bench:latency -- --only copied --directory /dev/shm
//   npm run bench:latency -- --chart docs/explanation/latency.svg
import { execFile } from 'node:child_process'
import { constants, copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs, promisify } from 'node:util'
import { chartOf } from './chart.mjs'
import { median } from './measure.mjs'
import { signByMethods } from '../support/signed-by-methods.ts'
import { makeModels } from './load-models.mjs'

const { values: given } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    mib: { type: 'string' },
    rounds: { type: 'string' },
    directory: { type: 'string', default: tmpdir() },
    json: { type: 'string' },
    chart: { type: 'string' },
    only: { type: 'string', default: '' },
  },
})
const mib = Number(given.mib ?? (given.quick ? 16 : 1024))
const rounds = Number(given.rounds ?? (given.quick ? 1 : 11))
/** The only row that is not a time. */
const MEMORY = 'memory of an idle service, MB'
const ONCE = join(import.meta.dirname, 'latency-once.mjs')
const PROGRAM = join(import.meta.dirname, '../../packages/cli/bin/modelseal.cjs')

const directory = await mkdtemp(join(given.directory, 'modelseal-bench-'))
const env = { ...process.env, XDG_CACHE_HOME: join(directory, 'caches'), MODELSEAL_POLICY: undefined }
// Copies are made on the file system of the model.
env.TMPDIR = directory
try {
  await signByMethods(directory)
  const small = join(directory, 'by-key/model.onnx')
  const policy = join(directory, 'modelseal.policy.yaml')
  const others = join(directory, 'large')
  await mkdir(others)
  const [large] = await makeModels(others, ['external'], { mib })
  const hashing = join(others, 'policy.yaml')
  const receipts = join(others, 'receipts.yaml')
  const text = await readFile(hashing, 'utf8')
  await writeFile(receipts, text.replace('signers:', 'require: { receipts: allow }, signers:'))

  const once = (...args) => inProcess(ONCE, args)
  const command = (...args) => timed([PROGRAM, 'verify', ...args])
  const node = () => timed(['--eval', '0'])
  const verifyKey = ['key', join(directory, 'by-key'), '--signature', join(directory, 'by-key/model.sig')]
  verifyKey.push('--public-key', join(directory, 'release.pub'))
  const byMethod = (method) => () => command(join(directory, `by-${method}`), '--policy', policy)
  const furtherBy = (method) => () => once('verified-again', join(directory, `by-${method}/model.onnx`), policy)
  const weights = large.path.replace('model.onnx', 'weights.bin')
  const rows = [
    ['first load in a process, 2.3 MB', () => once('plain', small), () => once('verified', small, policy)],
    ['further load, policy by path', () => once('plain-again', small), () => once('verified-again', small, policy)],
    ['further load, by certificate', () => once('plain-again', small), furtherBy('certificate')],
    ['further load, keyless', () => once('plain-again', small), furtherBy('sigstore')],
    ['further load, policy watched', () => once('plain-again', small), () => once('watched-again', small, policy)],
    [
      `${mib} MiB by receipt, new process`,
      () => once('plain', large.path),
      () => once('verified', large.path, receipts),
    ],
    [
      `${mib} MiB by receipt, further load`,
      () => once('plain-again', large.path),
      () => once('verified-again', large.path, receipts),
    ],
    ['import @modelseal/core', () => once('nothing'), () => once('import', '@modelseal/core')],
    [
      'import @modelseal/onnxruntime / onnxruntime-node',
      () => once('import', 'onnxruntime-node'),
      () => once('import', '@modelseal/onnxruntime'),
    ],
    ['modelseal verify key', node, () => command(...verifyKey)],
    ['modelseal verify --policy, by key', node, byMethod('key')],
    ['modelseal verify --policy, by certificate', node, byMethod('certificate')],
    ['modelseal verify --policy, keyless', node, byMethod('sigstore')],
    [
      `${mib} MiB in one file / hashing alone`,
      () => once('hash', weights),
      () => once('open', join(others, 'external'), hashing),
    ],
    [`${mib} MiB copied / cp`, () => once('cp', weights), () => once('copied', large.path, hashing)],
    [MEMORY, () => once('plain-idle', small), () => once('verified-idle', small, policy)],
  ]
  if (await clones(weights)) {
    const clone = [() => once('reflink', weights), () => once('copied', large.path, hashing)]
    rows.push([`${mib} MiB copied / cp --reflink=always`, ...clone])
  } else console.log(`No row beside cp --reflink=always: the file system of ${given.directory} cannot clone files.`)
  console.log(`${'ms; medians of ' + rounds}`.padEnd(50) + '  plain   verified   difference   ratio')
  const results = []
  for (const [name, plain, verified] of rows)
    if (name.includes(given.only)) results.push(await row(name, plain, verified))
  if (given.json) await writeFile(given.json, JSON.stringify(results, undefined, 2))
  const times = results.filter(({ name }) => name !== MEMORY)
  if (given.chart) await writeFile(given.chart, chartOf('Medians, and the spread of all rounds', times.map(charted)))
} finally {
  await rm(directory, { recursive: true, force: true })
}

async function row(name, plain, verified) {
  const times = { plain: [], verified: [] }
  // The first round fills the page cache, and writes the receipt, which is not used before it is two seconds old.
  await verified()
  if (name.includes('receipt')) await sleep(2_500)
  for (let round = 0; round < rounds; round++) {
    times.plain.push(await plain())
    times.verified.push(await verified())
  }
  const difference = median(times.verified.map((time, round) => time - times.plain[round]))
  const ratio = median(times.verified.map((time, round) => time / times.plain[round]))
  const [without, measured] = [median(times.plain), median(times.verified)]
  const cells = [without.toFixed(1).padStart(7), measured.toFixed(1).padStart(11), difference.toFixed(1).padStart(13)]
  console.log(name.padEnd(50) + cells.join('') + (without > 1 ? ratio.toFixed(2) : '').padStart(8))
  return { name, ...times, difference, ratio }
}

/** Whether the file system of a file can share its blocks with a copy. */
async function clones(file) {
  const copy = `${file}.clone`
  try {
    await copyFile(file, copy, constants.COPYFILE_FICLONE_FORCE)
    return true
  } catch {
    return false
  } finally {
    await rm(copy, { force: true })
  }
}

/** What the program in a process of its own measures of itself. */
async function inProcess(file, args) {
  const { stdout } = await promisify(execFile)(process.execPath, [file, ...args], { env })
  return Number(stdout.trim().split('\n').at(-1))
}

/** The whole process, from outside. */
async function timed(args) {
  const start = performance.now()
  await promisify(execFile)(process.execPath, args, { env })
  return performance.now() - start
}

function charted({ name, plain, verified }) {
  const seconds = (times) => times.map((time) => time / 1000)
  const contestants = [
    { name: 'plain', ours: false, seconds: seconds(plain) },
    { name: 'modelseal', ours: true, seconds: seconds(verified) },
  ]
  return { title: name, contestants }
}
