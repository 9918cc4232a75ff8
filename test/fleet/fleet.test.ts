import { createHash, randomInt } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { signModel, type Signer } from '@modelseal/core/signing'
import { fleetStatus, signCatalogue, type RejectedResult, type SignCatalogueOptions } from '@modelseal/fleet'
import { Queue, Worker } from 'bullmq'
import { Redis } from 'ioredis'
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { canonicalJson } from '../../packages/core/src/schema/canonical-json.ts'
import { refusal } from '../../packages/core/src/testing/scratch.ts'
import { all } from '../../packages/fleet/src/testing/models.ts'
import { TestFleet } from './processes.ts'

const QUEUE = 'modelseal-fleet'

let fleet: TestFleet
let signer: Signer
beforeEach(async () => {
  fleet = await TestFleet.start()
  vi.stubEnv('MODELSEAL_CACHE', join(fleet.directory, 'cache'))
  signer = await fleet.newSigner()
  return async () => {
    vi.unstubAllEnvs()
    await fleet.stop()
  }
})

function writeModel(name: string, bytes = 4_000): string {
  const directory = join(fleet.models, name)
  mkdirSync(directory)
  writeFileSync(join(directory, 'config.json'), JSON.stringify({ name }))
  writeFileSync(join(directory, 'weights.bin'), Buffer.alloc(bytes, name))
  return directory
}

async function signed(given: Partial<SignCatalogueOptions> = {}) {
  const rejected: RejectedResult[] = []
  const { queue = fleet.url, workers = fleet.workers, results = fleet.results } = given
  const onRejected = (each: RejectedResult) => void rejected.push(each)
  const run = await signCatalogue(fleet.models, { signer, onRejected, ...given, queue, workers, results })
  const outcomes = await all(run)
  const failures = outcomes.flatMap((outcome) => ('error' in outcome ? outcome.error : []))
  return { outcomes, failures, rejected, counts: run.counts }
}

function statementOf(signature: string): string {
  const { dsseEnvelope } = JSON.parse(readFileSync(signature, 'utf8')) as { dsseEnvelope: { payload: string } }
  return dsseEnvelope.payload
}

/** Compares the statements of all models with those that one process writes. */
async function expectStatements(options: Partial<SignCatalogueOptions> = {}): Promise<void> {
  const alone = join(fleet.directory, 'alone.sig')
  for (const name of readdirSync(fleet.models)) {
    const model = join(fleet.models, name)
    await signModel(model, { signer, signature: alone, shardSize: options.shardSize })
    expect(statementOf(join(model, 'model.sig')), name).toBe(statementOf(alone))
  }
}

const resultsIn = (directory: string) =>
  readdirSync(join(directory, 'results'), { recursive: true, encoding: 'utf8' }).filter((name) =>
    /\/[0-9a-f]{64}$/.test(name),
  )

test('300 models and one of 8 GB are signed as by one process, while workers are killed and Redis is emptied', async () => {
  for (let index = 0; index < 300; index++) writeModel(`model-${index}`)
  const huge = writeModel('huge')
  truncateSync(join(huge, 'weights.bin'), 8_000_000_000)
  const names = ['one', 'two', 'three', 'four']
  for (const name of names) fleet.addWorker(name)
  for (const name of names) fleet.startWorker(name)
  let isDone = false
  const chaos = (async () => {
    await setTimeout(2_000)
    for (let round = 0; !isDone; round++) {
      for (const name of names.slice(2)) {
        await fleet.killWorker(name)
        fleet.startWorker(name)
      }
      if (round === 1) await fleet.onRedis((redis) => redis.flushall())
      await setTimeout(randomInt(4_000, 8_000))
    }
  })()
  const shardSize = 100_000_000
  const first = await signed({ shardSize }).finally(() => (isDone = true))
  await chaos
  expect(first.failures).toEqual([])
  expect(first.outcomes).toHaveLength(301)
  expect(first.rejected).toEqual([])
  expect(first.counts.jobs).toBe(resultsIn(fleet.results).length)
  await expectStatements({ shardSize })
  // Nothing is done again, with a Redis that knows nothing and no worker.
  await fleet.onRedis((redis) => redis.flushall())
  for (const name of names) await fleet.killWorker(name)
  const { outcomes, counts } = await signed({ shardSize })
  expect(outcomes.filter((outcome) => 'unchanged' in outcome)).toHaveLength(301)
  expect(counts).toMatchObject({ jobs: 0, bytes: 0 })
}, 600_000)

test('a coordinator that is killed has lost nothing: the next one fetches what workers finished meanwhile', async () => {
  writeModel('a', 200_000_000)
  fleet.addWorker('one')
  const controller = new AbortController()
  const first = signed({ shardSize: 70_000_000, signal: controller.signal })
  await setTimeout(1_000)
  controller.abort()
  await expect(first).rejects.toEqual(refusal('ABORTED'))
  const worker = fleet.startWorker('one')
  await vi.waitFor(async () => expect(await fleetStatus(fleet.url)).toMatchObject({ waiting: 0, active: 0 }), {
    timeout: 30_000,
  })
  expect(worker.exitCode).toBeNull()
  expect(await fleetStatus(fleet.url)).toMatchObject({ workers: ['one'] })
  await fleet.killWorker('one')
  // No worker is left.
  const { counts, failures } = await signed({ shardSize: 70_000_000 })
  expect(failures).toEqual([])
  expect(counts.jobs).toBeGreaterThan(0)
  await expectStatements({ shardSize: 70_000_000 })
})

/** Answers jobs as whoever can write to Redis could. */
async function forger(answer: (data: { id: string; text: string }) => unknown, most = Infinity): Promise<void> {
  const connection = new Redis(fleet.url, { maxRetriesPerRequest: null })
  let count = 0
  const worker = new Worker<{ id: string; text: string }>(
    QUEUE,
    (job) => {
      count += 1
      if (count >= most) void worker.pause(true)
      return Promise.resolve(answer(job.data))
    },
    { connection },
  )
  worker.on('error', () => undefined)
  onTestFinished(async () => {
    await worker.close(true).catch(() => undefined)
    connection.disconnect()
  })
  await worker.waitUntilReady()
}

const lie = (worker: string, { id, text }: { id: string; text: string }) => {
  const { files } = JSON.parse(text) as { files: { parts: unknown[] }[] }
  const digests = files.flatMap(({ parts }) => parts.map(() => '0'.repeat(64)))
  return { v: 1, job: id, worker, time: Math.floor(Date.now() / 1_000), digests }
}

test('a result that was forged in Redis is reported, and the job is done again', async () => {
  writeModel('a')
  fleet.addWorker('one')
  await forger(
    (data) => canonicalJson({ ...lie('one', data), mac: createHash('sha256').update('guess').digest('hex') }),
    1,
  )
  const run = signed()
  await setTimeout(1_500)
  fleet.startWorker('one')
  const { failures, rejected } = await run
  expect(failures).toEqual([])
  expect(rejected).toMatchObject([{ reason: 'it was not made with the secret of one' }])
  await expectStatements()
})

test('if all results are forged, no model is signed', async () => {
  writeModel('a')
  fleet.addWorker('one')
  await forger(() => ({ digests: 'none' }))
  const { failures } = await signed()
  expect(failures).toEqual([refusal('FLEET_RESULT')])
})

test('an audit finds a worker that lies with its own secret, and names both', async () => {
  writeModel('a')
  fleet.addWorker('honest')
  const secret = readFileSync(fleet.addWorker('liar'), 'utf8').trim().split(' ')[1] ?? ''
  const { createHmac } = await import('node:crypto')
  await forger((data) => {
    const result = lie('liar', data)
    const mac = createHmac('sha256', Buffer.from(secret, 'base64url'))
    return canonicalJson({
      ...result,
      mac: mac.update(`modelseal fleet result v1\n${canonicalJson(result)}`).digest('hex'),
    })
  }, 1)
  const run = signed({ audit: 100 })
  await setTimeout(1_500)
  fleet.startWorker('honest')
  const { failures } = await run
  expect(failures).toEqual([refusal('FLEET_DISAGREES')])
  expect(failures[0]?.message).toMatch(/liar and honest/)
  expect(readdirSync(join(fleet.models, 'a'))).not.toContain('model.sig')
})

test('an audit has two workers do every job', async () => {
  for (const name of ['a', 'b', 'c']) writeModel(name)
  for (const name of ['one', 'two']) {
    fleet.addWorker(name)
    fleet.startWorker(name)
  }
  const { failures, counts } = await signed({ audit: 100 })
  expect(failures).toEqual([])
  expect(counts.jobs).toBe(6)
  await expectStatements()
})

test('a model that changes while workers hash it is refused, and the others are signed', async () => {
  writeModel('a')
  const changing = writeModel('b')
  fleet.addWorker('one')
  const run = signed()
  await setTimeout(1_000)
  writeFileSync(join(changing, 'weights.bin'), 'other weights')
  fleet.startWorker('one')
  const { failures, outcomes } = await run
  expect(failures).toEqual([refusal('FILE_CHANGED')])
  expect(outcomes.filter((outcome) => 'signed' in outcome)).toHaveLength(1)
})

test('a Redis that goes away and comes back empty is survived', async () => {
  for (let index = 0; index < 20; index++) writeModel(`model-${index}`)
  fleet.addWorker('one')
  const run = signed()
  await setTimeout(1_000)
  await fleet.stopRedis()
  await setTimeout(1_000)
  await fleet.startRedis()
  fleet.startWorker('one')
  const { failures, outcomes } = await run
  expect(failures).toEqual([])
  expect(outcomes).toHaveLength(20)
  await expectStatements()
})

test('a full disk is a failure of the model', async () => {
  writeModel('a')
  fleet.addWorker('one')
  fleet.startWorker('one')
  const { failures } = await signed({ results: '/dev/full/results' })
  expect(failures).toHaveLength(1)
  expect(failures[0]?.code).toMatch(/^FILE_(WRITE_FAILED|UNREADABLE)$/)
})

test('a worker reads nothing outside its directories, and hostile job data do not end it', async () => {
  fleet.addWorker('one')
  const worker = fleet.startWorker('one')
  const connection = new Redis(fleet.url, { maxRetriesPerRequest: null })
  const queue = new Queue(QUEUE, { connection })
  const { size, ino } = statSync('/etc/passwd')
  const files = [
    { name: '/etc/passwd', parts: [{ end: 1, hashType: 'sha256', start: 0 }], size, version: `${size}-${ino}` },
  ]
  const text = canonicalJson({ v: 1, files })
  const id = createHash('sha256').update(text).digest('hex')
  await queue.add('hash', { id, text }, { jobId: id })
  const bad = [
    null,
    7,
    [],
    { id, text: 7 },
    { id: '../../x', text },
    { id, text: 'x'.repeat(3_000_000) },
    { id, text, more: 1 },
  ]
  for (const data of bad) await queue.add('hash', data)
  await vi.waitFor(
    async () => expect((await queue.getJobCounts('waiting', 'active', 'failed')).failed).toBe(bad.length),
    { timeout: 20_000 },
  )
  await vi.waitFor(async () => expect(await (await queue.getJob(id))?.getState()).toBe('completed'), {
    timeout: 20_000,
  })
  const answer = JSON.parse(String((await queue.getJob(id))?.returnvalue)) as object
  expect(answer).toMatchObject({ digests: [], refusal: { code: 'FLEET_JOB' } })
  expect(worker.exitCode).toBeNull()
  await queue.close()
  connection.disconnect()
})

test('a Redis with a password is used, and what is in it holds no secret', async () => {
  const locked = await TestFleet.start('hunter2hunter2')
  onTestFinished(() => locked.stop())
  writeModel('a')
  locked.addWorker('one')
  rmSync(fleet.workers)
  const wrong = locked.url.replace('hunter2hunter2', 'wrong')
  const options = { workers: locked.workers }
  await expect(signed({ ...options, queue: wrong })).rejects.toEqual(refusal('FLEET_QUEUE'))
  await expect(signed({ ...options, queue: wrong })).rejects.not.toThrow('wrong@')
  const controller = new AbortController()
  const run = signed({ ...options, queue: locked.url, signal: controller.signal })
  await vi.waitFor(async () => expect(await fleetStatus(locked.url)).toMatchObject({ waiting: 1 }), { timeout: 10_000 })
  const secret = readFileSync(locked.workers, 'utf8').trim().split(' ')[1] ?? ''
  const content = await locked.onRedis(async (redis) => {
    const keys = await redis.keys('*')
    const values = await Promise.all(keys.map((key) => redis.dumpBuffer(key)))
    return Buffer.concat(values).toString('latin1')
  })
  expect(content).toContain('weights.bin')
  for (const hidden of [secret, 'hunter2', 'PRIVATE KEY']) expect(content).not.toContain(hidden)
  controller.abort()
  await expect(run).rejects.toEqual(refusal('ABORTED'))
})

test('a queue that does not answer is refused', async () => {
  await fleet.stopRedis()
  fleet.addWorker('one')
  await expect(signed()).rejects.toEqual(refusal('FLEET_QUEUE'))
})
