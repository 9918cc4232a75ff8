// What a service notices of verification: many small models loaded at once, requests that are answered while a large
// model is verified, and small models that are loaded meanwhile. Run after a build:
//   npm run bench:many
//   npm run bench:many -- --quick
import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto'
import { appendFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { openVerifiedModel } from '@modelseal/core'
import { keySigner, signModel } from '@modelseal/core/signing'
import { loadVerifiedModel } from '@modelseal/onnxruntime'
import { InferenceSession } from 'onnxruntime-node'
import { graph, message, model, node, value } from '../onnx-models.ts'

const MIB = 1024 * 1024
const UINT8 = 2
const INT64 = 7
/** Time between two samples of the event loop's delay, in milliseconds. */
const RESOLUTION = 1
/** File times must be older than this for a policy to be kept. */
const SETTLED = 100

const { values: given } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    models: { type: 'string' },
    'model-mib': { type: 'string', default: '2' },
    'at-once': { type: 'string', default: '8' },
    'large-mib': { type: 'string' },
    files: { type: 'string' },
    rounds: { type: 'string' },
    directory: { type: 'string', default: tmpdir() },
    json: { type: 'string' },
  },
})
const [models, largeMib, files, rounds] = [
  given.models ?? (given.quick ? '16' : '500'),
  given['large-mib'] ?? (given.quick ? '64' : '1024'),
  given.files ?? (given.quick ? '500' : '20000'),
  given.rounds ?? (given.quick ? '1' : '5'),
].map(Number)
const atOnce = Number(given['at-once'])
const session = { intraOpNumThreads: 1, interOpNumThreads: 1 }

const directory = await mkdtemp(join(given.directory, 'modelseal-bench-'))
try {
  const policy = await makePolicy()
  const results = {
    throughput: await throughput(policy),
    delays: await delays(policy),
    fairness: await fairness(policy),
  }
  if (given.json) await writeFile(given.json, JSON.stringify(results, undefined, 2))
} finally {
  await rm(directory, { recursive: true, force: true })
}

/** Loads all small models, plain, plain after a hash pass, and verified, in turns. */
async function throughput(policy) {
  const paths = await Promise.all(Array.from({ length: models }, (_, index) => smallModel(`small/${index}`)))
  await sleep(SETTLED)
  const ways = {
    plain: (path) => InferenceSession.create(path, session),
    'plain + hashing': async (path) => {
      createHash('sha256')
        .update(await readFile(path))
        .digest()
      return InferenceSession.create(path, session)
    },
    verified: async (path) => (await loadVerifiedModel(path, { policy, session })).session,
  }
  for (const load of Object.values(ways)) await loadAll(paths.slice(0, atOnce), load)
  const times = Object.fromEntries(Object.keys(ways).map((way) => [way, []]))
  for (let round = 0; round < rounds; round++)
    for (const [way, load] of Object.entries(ways)) times[way].push(await measured(() => loadAll(paths, load)))
  const ratios = times.verified.map((time, round) => time / times['plain + hashing'][round])
  console.log(
    `\n${models} models of ${given['model-mib']} MiB, ${atOnce} at once, on ${availableParallelism()} processors`,
  )
  for (const [way, all] of Object.entries(times)) console.log(`  ${way.padEnd(16)} ${ms(median(all))}`)
  console.log(`  verified / (plain + hashing), in pairs: ${median(ratios).toFixed(3)} (goal: 1.10)`)
  return { times, ratio: median(ratios) }
}

async function loadAll(paths, load) {
  const left = paths.values()
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (const path of left) await (await load(path)).release()
    }),
  )
}

/** How long the event loop is held up while a model is verified, and while nothing happens. */
async function delays(policy) {
  const large = await largeFile()
  const tree = await manyFiles()
  await sleep(SETTLED)
  const cases = {
    nothing: () => sleep(300),
    [`one file of ${largeMib} MiB`]: () => opened(large, policy),
    [`${files} files of 4 KiB`]: () => opened(tree, policy),
  }
  console.log(`\nDelay of the event loop`)
  const results = {}
  for (const [name, work] of Object.entries(cases)) {
    // Not the first: a service has compiled the code and started its threads.
    await work()
    const histogram = monitorEventLoopDelay({ resolution: RESOLUTION })
    histogram.enable()
    await sleep(20)
    histogram.reset()
    const times = []
    for (let round = 0; round < rounds; round++) times.push(await measured(work))
    histogram.disable()
    // The timer's own interval is not a delay.
    const [p50, p99, max] = [histogram.percentile(50), histogram.percentile(99), histogram.max].map((ns) =>
      Math.max(0, ns / 1e6 - RESOLUTION),
    )
    results[name] = { p50, p99, max, time: median(times) }
    console.log(
      `  ${name.padEnd(24)} p50 ${ms(p50)}, p99 ${ms(p99)} (goal: 20 ms), longest ${ms(max)}; verified in ${ms(median(times))}`,
    )
  }
  return results
}

/** How long a small model takes alone, and while a large one is verified. */
async function fairness(policy) {
  const small = join(directory, 'small/0')
  const large = join(directory, 'large')
  const alone = []
  for (let load = 0; load < 20 * rounds; load++) alone.push(await measured(() => opened(small, policy)))
  const beside = []
  for (let round = 0; round < rounds; round++) {
    let done = false
    const verified = opened(large, policy).finally(() => (done = true))
    while (!done) {
      const time = await measured(() => opened(small, policy))
      if (!done) beside.push(time)
    }
    await verified
  }
  console.log(`\nA model of ${given['model-mib']} MiB, verified`)
  console.log(`  alone                     median ${ms(median(alone))}, longest ${ms(Math.max(...alone))}`)
  if (beside.length > 0)
    console.log(`  beside one of ${largeMib} MiB    median ${ms(median(beside))}, longest ${ms(Math.max(...beside))}`)
  return { alone, beside }
}

async function opened(path, policy) {
  await (await openVerifiedModel(path, { policy })).close()
}

async function makePolicy() {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  await writeFile(join(directory, 'release.key'), privateKey.export({ type: 'pkcs8', format: 'pem' }))
  await writeFile(join(directory, 'release.pub'), publicKey.export({ type: 'spki', format: 'pem' }))
  const policy = join(directory, 'policy.yaml')
  await writeFile(
    policy,
    `version: 1
trustRoots: { release: { publicKey: release.pub } }
rules: [{ name: all, match: { path: '**' }, signers: [{ key: release }] }]
`,
  )
  return policy
}

async function sign(path) {
  await signModel(path, { signer: await keySigner({ privateKey: join(directory, 'release.key') }) })
}

/** A model that looks up one byte of its only tensor. */
async function smallModel(name) {
  const path = join(directory, name)
  await mkdir(path, { recursive: true })
  const bytes = randomBytes(Number(given['model-mib']) * MIB)
  const weights = message([1, bytes.length], [2, UINT8], [8, 'w'], [9, bytes])
  const file = join(path, 'model.onnx')
  await writeFile(
    file,
    model(
      graph({
        nodes: [node('Gather', ['w', 'i'], ['y'])],
        initializers: [weights],
        inputs: [value('i', 1, INT64)],
        outputs: [value('y', 1, UINT8)],
      }),
    ),
  )
  await sign(path)
  return file
}

async function largeFile() {
  const path = join(directory, 'large')
  await mkdir(path)
  for (let written = 0; written < largeMib; written += 16)
    await appendFile(join(path, 'weights.bin'), randomBytes(Math.min(16, largeMib - written) * MIB))
  await sign(path)
  return path
}

async function manyFiles() {
  const path = join(directory, 'tree')
  for (let index = 0; index < files; index++) {
    const parent = join(path, String(index % 100))
    if (index < 100) await mkdir(parent, { recursive: true })
    await writeFile(join(parent, `${index}.bin`), randomBytes(4096))
  }
  await sign(path)
  return path
}

async function measured(work) {
  const start = performance.now()
  await work()
  return performance.now() - start
}

function median(numbers) {
  return [...numbers].sort((a, b) => a - b)[numbers.length >> 1] ?? NaN
}

function ms(number) {
  return `${number.toFixed(number < 100 ? 1 : 0)} ms`
}
