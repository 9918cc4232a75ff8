// Signs one large model in shards of 64 MiB, and many small ones, with workers on this machine beside one process. Each hashes in one thread, and
// two processors should be idle. Run after a build:
//   npm run bench:fleet
//   npm run bench:fleet -- --mib 256 --models 200 --rounds 1
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { generateKeyPairSync, randomFillSync } from 'node:crypto'
import { appendFile, mkdir, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { parseArgs, promisify } from 'node:util'
import { configureHashing } from '@modelseal/core'
import { keySigner, signModel } from '@modelseal/core/signing'
import { fleetStatus, newWorkerKey, signCatalogue } from '@modelseal/fleet'
import { setupFleet } from '../fleet/setup.mjs'
import { median } from './measure.mjs'

const MIB = 1024 * 1024
const PROGRAM = join(import.meta.dirname, '../../packages/cli/bin/modelseal.cjs')
const { values: given } = parseArgs({
  options: {
    mib: { type: 'string', default: '4096' },
    models: { type: 'string', default: '100000' },
    rounds: { type: 'string', default: '3' },
    directory: { type: 'string', default: tmpdir() },
  },
})
const [mib, models, rounds] = [given.mib, given.models, given.rounds].map(Number)

setupFleet()
const root = await mkdtemp(join(given.directory, 'modelseal-bench-'))
process.env.MODELSEAL_CACHE = join(root, 'cache')
const children = []
try {
  configureHashing({ maxThreads: 1 })
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  await writeFile(join(root, 'key'), privateKey.export({ type: 'pkcs8', format: 'pem' }))
  const signer = await keySigner({ privateKey: join(root, 'key') })
  const url = await startRedis()
  for (const name of ['one', 'two']) await addWorker(name)

  await writeLarge(join(root, 'large/model'))
  const shardSize = 64 * MIB
  const alone = () => signModel(join(root, 'large/model'), { signer, shardSize, signature: join(root, 'alone.sig') })
  const fleet = async (catalogue) => {
    await rm(join(root, 'results'), { recursive: true, force: true })
    const options = { queue: url, workers: join(root, 'workers'), results: join(root, 'results'), again: true }
    const run = await signCatalogue(join(root, catalogue), { ...options, signer, shardSize })
    for await (const outcome of run) if ('error' in outcome) throw outcome.error
    return run.counts
  }
  // Fills the cache of the system.
  await alone()
  for (const [index, name] of ['one', 'two'].entries()) {
    await startWorker(name, url)
    await fleet('large')
    await compare(`${index + 1} worker(s)`, alone, () => fleet('large'))
  }
  console.log(`Two processes that only hash: ${(await hashingBound()).toFixed(2)} x one, which bounds two workers.`)

  await writeSmall(join(root, 'small'))
  const before = await fleetStatus(url)
  let [most, mostRedis] = [0, 0]
  let isDone = false
  const watching = (async () => {
    while (!isDone) {
      most = Math.max(most, process.memoryUsage.rss())
      mostRedis = Math.max(mostRedis, (await fleetStatus(url)).redisBytes)
      await setTimeout(500)
    }
  })()
  const all = await measured(() => fleet('small'))
  isDone = true
  await watching
  const each = (seconds) => `${((1_000 * seconds) / models).toFixed(2)} ms`
  console.log(`${models} small models, a job each: ${all.took.toFixed(1)} s, ${each(all.took)} a job`)
  console.log(
    `processor time of a job: coordinator ${each(all.own)}, workers ${each(all.workers)}, Redis ${each(all.redis)}`,
  )
  console.log(
    `memory: coordinator ${megabytes(most)}, Redis ${megabytes(mostRedis)} (${megabytes(before.redisBytes)} before)`,
  )
} finally {
  for (const child of children) child.kill('SIGKILL')
  await setTimeout(100)
  await rm(root, { recursive: true, force: true, maxRetries: 5 })
}

async function startRedis() {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  const args = ['--bind', '127.0.0.1', '--port', String(port), '--save', '', '--dir', root]
  children.push(spawn('redis-server', args, { stdio: 'ignore' }))
  return `redis://127.0.0.1:${port}`
}

async function addWorker(name) {
  const line = newWorkerKey(name)
  await writeFile(join(root, `${name}.secret`), line, { mode: 0o600 })
  await appendFile(join(root, 'workers'), await readFile(join(root, `${name}.secret`)), { mode: 0o600 })
}

async function startWorker(name, url) {
  const args = ['fleet', 'worker', '--queue', url, '--secret-file', join(root, `${name}.secret`), '--root', root]
  const options = ['--max-workers', '1', '--concurrency', '2']
  children.push(spawn(process.execPath, [PROGRAM, ...args, ...options], { stdio: 'ignore' }))
  while (!(await fleetStatus(url)).workers.includes(name)) await setTimeout(100)
}

async function writeLarge(directory) {
  await mkdir(directory, { recursive: true })
  const file = await open(join(directory, 'weights.bin'), 'w')
  const block = randomFillSync(Buffer.alloc(16 * MIB))
  for (let written = 0; written < mib; written += 16) await file.write(block)
  await file.close()
}

async function writeSmall(directory) {
  for (let index = 0; index < models; index++) {
    const model = join(directory, `model-${index}`)
    await mkdir(model, { recursive: true })
    await writeFile(join(model, 'config.json'), JSON.stringify({ index }))
    await writeFile(join(model, 'weights.bin'), randomFillSync(Buffer.alloc(4_096)))
  }
}

/** Alternates, so that both run under the same conditions. Processor times tell more than the clock if the machine has other things to do. */
async function compare(name, alone, fleet) {
  const rows = []
  for (let round = 0; round < rounds; round++) rows.push([await measured(alone), await measured(fleet)])
  const [base, took] = [0, 1].map((column) => median(rows.map((row) => row[column].took)))
  const faster = median(rows.map(([one, other]) => one.took / other.took))
  console.log(`one process:  ${rate(base)}`)
  console.log(`${name}:  ${rate(took)}, ${faster.toFixed(2)} x`)
  const more = median(rows.map(([one, other]) => total(other) / total(one) - 1))
  const [own, workers, redis] = ['own', 'workers', 'redis'].map((part) => median(rows.map(([, row]) => row[part])))
  const parts = `workers ${workers.toFixed(2)} s, coordinator ${own.toFixed(2)} s, Redis ${redis.toFixed(2)} s`
  const before = median(rows.map(([one]) => total(one)))
  console.log(`processor time: ${before.toFixed(2)} s in one process; ${parts}: ${(100 * more).toFixed(1)} % more`)
}

/** How much faster two processes hash than one. Two processors of a virtual machine may be one core, which does this no faster for both. */
async function hashingBound() {
  // Less would be over before the second process has begun.
  const amount = Math.max(mib, 1024)
  const ratios = []
  for (let round = 0; round < rounds; round++) {
    const alone = await hashOnly(amount)
    const both = await Promise.all([hashOnly(amount / 2), hashOnly(amount / 2)])
    ratios.push(alone / Math.max(...both))
  }
  return median(ratios)
}

/** In seconds. */
async function hashOnly(amount) {
  const program = join(import.meta.dirname, 'programs/hash-only.mjs')
  return Number((await promisify(execFile)(process.execPath, [program, String(amount)])).stdout)
}

/** How long it took, and the processor time of this process, of the workers and of Redis, in seconds. */
async function measured(work) {
  const before = [process.cpuUsage(), ...children.map(processorTime)]
  const start = process.hrtime.bigint()
  await work()
  const took = Number(process.hrtime.bigint() - start) / 1e9
  const { user, system } = process.cpuUsage(before[0])
  const [redis, ...workers] = children.map((child, index) => processorTime(child) - before[index + 1])
  return { took, own: (user + system) / 1e6, redis, workers: workers.reduce((sum, each) => sum + each, 0) }
}

function total({ own, workers, redis }) {
  return own + workers + redis
}

/** In seconds, of all threads. Linux only. */
function processorTime({ pid }) {
  const [, fields] = /\) (.*)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  const [user, system] = fields.split(' ').slice(11, 13).map(Number)
  return (user + system) / 100
}

function rate(took) {
  return `${took.toFixed(2)} s, ${Math.round(mib / took)} MiB/s`
}

function megabytes(bytes) {
  return `${Math.round(bytes / 1e6)} MB`
}
