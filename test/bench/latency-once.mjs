// One measurement in a process of its own, for latency.mjs: prints milliseconds, or megabytes of memory.
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cp, open, readFile, rm } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'

const [way, subject, policy] = process.argv.slice(2)
/** Loads after the first whose median counts. */
const FURTHER = 20
/** File times must be older than this for a policy to be kept. */
const SETTLED = 150
const MIB = 1024 * 1024
const run = promisify(execFile)

const ways = {
  nothing: () => measured(() => undefined),
  import: () => measured(() => import(subject)),
  plain: async () => measured(await plainLoad()),
  verified: async () => measured(await verifiedLoad(policy)),
  'plain-again': async () => again(await plainLoad()),
  'verified-again': async () => again(await verifiedLoad(policy)),
  'watched-again': async () => {
    const { watchPolicy } = await import('@modelseal/core')
    const watched = await watchPolicy(policy)
    return again(await verifiedLoad(watched))
  },
  hash: hashHotBuffer,
  open: async () => {
    const { loadPolicy, openVerifiedModel } = await import('@modelseal/core')
    const loaded = await loadPolicy(policy)
    return measured(() => openVerifiedModel(subject, { policy: loaded }))
  },
  cp: () => measured(() => cp(subject, `${subject}.copy`)).finally(() => rm(`${subject}.copy`)),
  reflink: () =>
    measured(() => run('cp', ['--reflink=always', subject, `${subject}.copy`])).finally(() => rm(`${subject}.copy`)),
  copied: async () => {
    const { loadPolicy } = await import('@modelseal/core')
    return measured(await verifiedLoad(await loadPolicy(policy), { isolation: 'copy' }))
  },
  'plain-idle': async () => idle(await plainLoad()),
  'verified-idle': async () => idle(await verifiedLoad(policy)),
}
console.log(await ways[way]())
process.exit(0)

async function plainLoad() {
  const { InferenceSession } = await import('onnxruntime-node')
  return () => InferenceSession.create(subject)
}

async function verifiedLoad(judge, options = {}) {
  await import('onnxruntime-node')
  const { loadVerifiedModel } = await import('@modelseal/onnxruntime')
  return () => loadVerifiedModel(subject, { policy: judge, ...options })
}

async function again(load) {
  await load()
  await sleep(SETTLED)
  const times = []
  for (let i = 0; i < FURTHER; i++) times.push(await measured(load))
  return times.sort((a, b) => a - b)[FURTHER / 2]
}

/** As many bytes as the file has, from a buffer that stays in the cache of the processor. */
async function hashHotBuffer() {
  const file = await open(subject)
  const { size } = await file.stat()
  await file.close()
  const [hash, buffer] = [createHash('sha256'), Buffer.alloc(MIB / 8)]
  return measured(() => {
    for (let left = size; left > 0; left -= buffer.length) hash.update(buffer)
    hash.digest()
  })
}

/** Private memory after a load, once what it needed has been given back. */
async function idle(load) {
  await load()
  await sleep(SETTLED)
  globalThis.gc?.()
  const status = await readFile('/proc/self/status', 'utf8').catch(() => '')
  return (1024 * Number(/^RssAnon:\s+(\d+)/m.exec(status)?.[1] ?? 0)) / 1e6
}

async function measured(work) {
  const start = performance.now()
  await work()
  return performance.now() - start
}
