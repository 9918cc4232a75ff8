import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { inspect } from 'node:util'
import type { Signer } from '@modelseal/core/signing'
import { fleetStatus, signCatalogue, type RejectedResult, type SignCatalogueOptions } from '@modelseal/fleet'
import { Redis } from 'ioredis'
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { refusal } from '../../packages/core/src/testing/scratch.ts'
import { all } from '../../packages/fleet/src/testing/models.ts'
import { TestFleet } from './processes.ts'

/** Of the keys in which BullMQ keeps the queue. */
const PREFIX = 'bull:modelseal-fleet:'

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

function writeModels(...names: string[]): void {
  for (const name of names) {
    mkdirSync(join(fleet.models, name))
    writeFileSync(join(fleet.models, name, 'weights.bin'), `weights of ${name}`)
  }
}

async function signed(catalogue = fleet.models, given: Partial<SignCatalogueOptions> = {}) {
  const rejected: RejectedResult[] = []
  const { queue = fleet.url, workers = fleet.workers, results = fleet.results } = given
  const onRejected = (each: RejectedResult) => void rejected.push(each)
  const run = await signCatalogue(catalogue, { signer, onRejected, ...given, queue, workers, results })
  const outcomes = await all(run)
  const failures = outcomes.flatMap((outcome) => ('error' in outcome ? outcome.error : []))
  return { outcomes, failures, rejected, counts: run.counts }
}

/** A client, and the names of the jobs that wait. */
async function attacker() {
  const redis = new Redis(fleet.url)
  onTestFinished(() => redis.disconnect())
  const waiting = (count: number) =>
    vi.waitFor(
      async () => {
        const names = await redis.lrange(`${PREFIX}wait`, 0, -1)
        expect(names).toHaveLength(count)
        return names
      },
      { timeout: 10_000 },
    )
  return { redis, waiting }
}

test('a run that ends early does not wait for workers that never come', async () => {
  writeModels('a')
  fleet.addWorker('one')
  const list = join(fleet.directory, 'list')
  writeFileSync(list, 'models/a\nhttps://user:secret@models.example/vad\n')
  await expect(signed(list)).rejects.toEqual(refusal('CATALOGUE_INVALID', { line: 2 }))
}, 20_000)

test('a job that neither Redis nor BullMQ can read is put there again, and holds no other up', async () => {
  writeModels('a', 'b', 'c')
  fleet.addWorker('one')
  const { redis, waiting } = await attacker()
  const run = signed()
  const [first = '', second = ''] = await waiting(3)
  await redis.set(PREFIX + first, 'no hash')
  await redis.hset(PREFIX + second, 'data', '{', 'opts', '{')
  // Nor does any event tell about it.
  await redis.set(`${PREFIX}events`, 'no stream')
  fleet.startWorker('one')
  await setTimeout(4_000)
  await redis.del(`${PREFIX}events`)
  const { failures, outcomes } = await run
  expect(failures).toEqual([])
  expect(outcomes).toHaveLength(3)
}, 60_000)

test('a job that is in no list any more is put there again', async () => {
  writeModels('a')
  fleet.addWorker('one')
  const { redis, waiting } = await attacker()
  const run = signed()
  await waiting(1)
  await redis.del(`${PREFIX}wait`)
  fleet.startWorker('one')
  expect(await run).toMatchObject({ failures: [], rejected: [] })
}, 30_000)

test('keys of the wrong type end neither the worker nor the run', async () => {
  writeModels('a', 'b')
  fleet.addWorker('one')
  const { redis } = await attacker()
  const worker = fleet.startWorker('one')
  await setTimeout(1_500)
  const lists = ['wait', 'active', 'delayed', 'completed', 'failed', 'prioritized', 'paused', 'marker']
  for (const key of [...lists, 'events', 'stalled', 'stalled-check', 'id', 'pc']) {
    await redis.del(PREFIX + key)
    await redis.hset(PREFIX + key, 'x', 'y')
  }
  await redis.del(`${PREFIX}meta`)
  await redis.lpush(`${PREFIX}meta`, 'x')
  const run = signed()
  await setTimeout(4_000)
  expect(worker.exitCode).toBeNull()
  await redis.flushall()
  expect(await run).toMatchObject({ failures: [], rejected: [] })
  expect(worker.exitCode).toBeNull()
}, 60_000)

const HOSTILE_OPTIONS = [
  '{',
  'null',
  '"x"',
  '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}',
  '{"repeat":{"pattern":"* * * * *","every":1}}',
  '{"repeat":7}',
  '{"attempts":1e9,"backoff":{"type":"custom","delay":1e308}}',
  '{"delay":-1e308}',
  '{"parent":{"id":"x","queue":"y"}}',
  '{"removeOnComplete":{"age":"x"}}',
  '{"stackTraceLimit":-1}',
  '{"tm":"{","omc":false}',
  '{"de":{"id":"x"}}',
  '{"fpof":true,"cpof":true,"idof":true,"kl":"x"}',
]
const HOSTILE_FIELDS = [
  {},
  { rjk: 'x:y', parentKey: 'bull:x:y', parent: '{' },
  { atm: 'x', ats: '-1', stc: '999999', stacktrace: '{', returnvalue: '{', progress: '{', nrjid: 'q', deid: 'z' },
]
const HOSTILE_DATA = ['{', 'null', '{}', `{"id":"${'0'.repeat(64)}","text":"{}"}`]

test('hostile jobs, with whatever options BullMQ has, keep no worker from the others', async () => {
  writeModels('a')
  fleet.addWorker('one')
  const worker = fleet.startWorker('one')
  const { redis } = await attacker()
  for (const opts of HOSTILE_OPTIONS) {
    for (const fields of HOSTILE_FIELDS) {
      for (const data of HOSTILE_DATA) {
        const id = `${opts}:${JSON.stringify(fields)}:${data}`
        const plain = { name: 'hash', timestamp: '1', delay: '0', priority: '0' }
        await redis.hset(PREFIX + id, { ...plain, data, opts, ...fields })
        await redis.lpush(`${PREFIX}wait`, id)
      }
    }
  }
  await redis.zadd(`${PREFIX}marker`, 0, '0')
  expect(await signed()).toMatchObject({ failures: [], rejected: [] })
  expect(worker.exitCode).toBeNull()
}, 60_000)

test('results of 100 MB and malformed events do not count', async () => {
  writeModels('a', 'b')
  fleet.addWorker('one')
  const { redis, waiting } = await attacker()
  const run = signed()
  const [first = '', second = ''] = await waiting(2)
  const tell = (...fields: string[]) => redis.xadd(`${PREFIX}events`, '*', ...fields)
  await tell('event', 'completed', 'jobId', first, 'returnvalue', JSON.stringify('x'.repeat(100_000_000)))
  await tell('event', 'failed', 'jobId', first)
  await tell('event', '__proto__', 'jobId', '__proto__')
  await tell('event', 'error', 'jobId', 'x')
  await tell('event', 'completed', 'jobId', second, 'returnvalue', '{')
  await tell('event', 'completed')
  await tell('x', 'y')
  await setTimeout(1_000)
  fleet.startWorker('one')
  const { failures, rejected } = await run
  expect(failures).toEqual([])
  expect(rejected).toEqual([{ job: first, reason: 'it is too large' }])
}, 60_000)

test('the status of a queue that holds something else is refused', async () => {
  const { redis } = await attacker()
  await redis.set(`${PREFIX}completed`, 'no set')
  await expect(fleetStatus(fleet.url)).rejects.toEqual(refusal('FLEET_QUEUE'))
})

test('no error has the password, whoever shows it', async () => {
  const locked = await TestFleet.start('hunter2hunter2')
  onTestFinished(() => locked.stop())
  for (const wrong of [':hunter3', 'user:hunter3']) {
    const url = locked.url.replace(':hunter2hunter2', wrong)
    const failure = await fleetStatus(url).catch((error: unknown) => error)
    expect(failure).toEqual(refusal('FLEET_QUEUE'))
    expect(inspect(failure, { depth: 20, showHidden: true })).not.toContain('hunter3')
  }
})

test('a job that fails for ever is a failure of its model, and the others are signed', async () => {
  writeModels('a', 'b')
  fleet.addWorker('one')
  const { redis, waiting } = await attacker()
  const run = signed()
  const [first = ''] = await waiting(2)
  let isOver = false
  const ended = run.finally(() => (isOver = true))
  const failing = (async () => {
    for (let time = 0; !isOver; time++) {
      if (time === 500) fleet.startWorker('one')
      if ((await redis.lrem(`${PREFIX}wait`, 0, first)) > 0) await redis.zadd(`${PREFIX}failed`, 1, first)
      await redis.xadd(`${PREFIX}events`, '*', 'event', 'failed', 'jobId', first)
      await setTimeout(5)
    }
  })()
  const { failures, outcomes } = await ended
  await failing
  expect(failures).toEqual([refusal('FLEET_RESULT')])
  expect(outcomes.filter((outcome) => 'signed' in outcome)).toHaveLength(1)
}, 60_000)
