import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { ModelSealError } from '@modelseal/core/errors'
import { expect, test, vi } from 'vitest'
import { refusal, scratch } from '../../../core/src/testing/scratch.ts'
import { sha256 } from '../../../core/src/testing/bundles.ts'
import { hashTypesOf, readJob } from '../jobs/job.ts'
import type { Order, WorkQueue } from '../queue/work-queue.ts'
import { ResultStore } from '../results/result-store.ts'
import { refusalOf, sealResult } from '../results/result.ts'
import { WorkerSecrets, type WorkerKey } from '../results/worker-secrets.ts'
import { fileOnDisk, models, workerKey } from '../testing/models.ts'
import { JobPerformer } from '../worker/job-performer.ts'
import { FairWindow } from './fair-window.ts'
import { FleetHashing, type HashingParts, type RejectedResult } from './fleet-hashing.ts'

const [one, two, stranger] = [workerKey('one'), workerKey('two'), workerKey('stranger')]

/** A queue whose answers a test decides about. */
class TestQueue implements WorkQueue {
  readonly window = 8
  readonly orders: Order[] = []
  readonly forgotten: Order[] = []
  readonly #answer: (order: Order, count: number) => Promise<string>

  constructor(answer: (order: Order, count: number) => Promise<string>) {
    this.#answer = answer
  }

  run(order: Order): Promise<string> {
    this.orders.push(order)
    return this.#answer(order, this.orders.length)
  }

  forget(order: Order): Promise<void> {
    this.forgotten.push(order)
    return Promise.resolve()
  }

  tell(): void {}

  close(): Promise<void> {
    return Promise.resolve()
  }
}

const honest = (key: WorkerKey) => (order: Order) => new JobPerformer(key, undefined).perform(order, undefined)
const other = (order: Order) => honest(order.not === 'one' ? two : one)(order)
const lying = (key: WorkerKey) => (order: Order) => {
  const digests = hashTypesOf(readJob(order)).map(() => sha256('a lie'))
  return Promise.resolve(sealResult({ job: order.id, worker: key.name, secret: key.secret }, { digests }))
}

function fleet(queue: WorkQueue, given: Partial<HashingParts> = {}) {
  const rejected: RejectedResult[] = []
  const hashing = new FleetHashing({
    queue,
    store: new ResultStore(scratch()),
    secrets: new WorkerSecrets([one, two]),
    window: new FairWindow(8, 8),
    audit: 0,
    maxAge: Infinity,
    onRejected: (each) => void rejected.push(each),
    ...given,
  })
  return { hashing, rejected }
}

function request() {
  const path = join(models('vad'), 'vad/weights.bin')
  return { files: [fileOnDisk(path)], signal: undefined, onProgress: undefined }
}

const RIGHT = [[sha256('weights of vad')]]

test('a worker hashes, and its result is kept', async () => {
  const store = new ResultStore(scratch())
  const queue = new TestQueue(honest(one))
  const asked = request()
  const done: number[] = []
  const { hashing } = fleet(queue, { store })
  expect(await hashing.hash('vad', { ...asked, onProgress: (bytes) => void done.push(bytes) })).toEqual(RIGHT)
  expect(done).toEqual([0, 14])
  expect(hashing.counts).toEqual({ jobs: 1, reused: 0, bytes: 14, rejected: 0 })
  expect(queue.forgotten).toHaveLength(1)
  const again = fleet(new TestQueue(() => expect.fail('asked')), { store })
  expect(await again.hashing.hash('vad', asked)).toEqual(RIGHT)
  expect(again.hashing.counts).toEqual({ jobs: 0, reused: 1, bytes: 0, rejected: 0 })
})

test('a kept result that is too old, forged, or by a worker that is no longer known does not count', async () => {
  const store = new ResultStore(scratch())
  const asked = request()
  await fleet(new TestQueue(honest(one)), { store }).hashing.hash('vad', asked)
  const old = new TestQueue(honest(one))
  expect(await fleet(old, { store, maxAge: -60_000 }).hashing.hash('vad', asked)).toEqual(RIGHT)
  expect(old.orders).toHaveLength(1)
  const gone = fleet(new TestQueue(honest(two)), { store, secrets: new WorkerSecrets([two]) })
  expect(await gone.hashing.hash('vad', asked)).toEqual(RIGHT)
  expect(gone.rejected).toMatchObject([{ reason: 'no worker is known as one' }])
  const { id = '' } = old.orders[0] ?? {}
  await store.write('results', id, ['{"forged":true}'])
  const forged = fleet(new TestQueue(honest(one)), { store })
  expect(await forged.hashing.hash('vad', asked)).toEqual(RIGHT)
  expect(forged.rejected).toMatchObject([{ job: id, reason: expect.stringContaining('malformed') as string }])
})

/** As a worker answers whose clock differs from this one by so many minutes. */
async function at(minutes: number, order: Order): Promise<string> {
  vi.useFakeTimers({ now: Date.now() + minutes * 60_000, toFake: ['Date'] })
  return honest(one)(order).finally(() => void vi.useRealTimers())
}

test('a result that is said to be from the future does not count, neither from the queue nor from what was kept', async () => {
  const store = new ResultStore(scratch())
  const asked = request()
  const queue = new TestQueue((order, count) => (count === 1 ? at(10, order) : honest(one)(order)))
  const { hashing, rejected } = fleet(queue, { store })
  expect(await hashing.hash('vad', asked)).toEqual(RIGHT)
  expect(rejected).toMatchObject([{ reason: 'the clock of one is ahead' }])
  const [order = expect.fail()] = queue.orders
  await store.write('results', order.id, [await at(10, order)])
  const again = new TestQueue(honest(one))
  expect(await fleet(again, { store }).hashing.hash('vad', asked)).toEqual(RIGHT)
  expect(again.orders).toHaveLength(1)
})

test('an old result that is still in the queue, or was put there again, does not count', async () => {
  const queue = new TestQueue((order, count) => (count === 1 ? at(-10, order) : honest(one)(order)))
  const { hashing, rejected } = fleet(queue, { maxAge: 0 })
  expect(await hashing.hash('vad', request())).toEqual(RIGHT)
  expect(rejected).toMatchObject([{ reason: 'one did it at an earlier time' }])
  expect(queue.forgotten).toHaveLength(2)
})

test('a result that is not authentic is reported, and the job is done again', async () => {
  const queue = new TestQueue((order, count) => (count < 3 ? honest(stranger)(order) : honest(one)(order)))
  const { hashing, rejected } = fleet(queue)
  expect(await hashing.hash('vad', request())).toEqual(RIGHT)
  expect(rejected).toHaveLength(2)
  expect(queue.orders).toHaveLength(3)
})

test('a job without any authentic result is refused', async () => {
  const { hashing } = fleet(new TestQueue(honest(stranger)))
  await expect(hashing.hash('vad', request())).rejects.toEqual(refusal('FLEET_RESULT'))
  expect(hashing.counts.rejected).toBe(5)
})

test('an audit has two workers do each job', async () => {
  const queue = new TestQueue(other)
  const { hashing } = fleet(queue, { audit: 1 })
  expect(await hashing.hash('vad', request())).toEqual(RIGHT)
  expect(queue.orders.map(({ not }) => not)).toEqual([undefined, 'one'])
})

test('an audit is not done by the worker that did the job', async () => {
  const { hashing, rejected } = fleet(new TestQueue(honest(one)), { audit: 1 })
  await expect(hashing.hash('vad', request())).rejects.toEqual(refusal('FLEET_RESULT'))
  expect(rejected[0]?.reason).toBe('one did it a second time')
})

test('an audit finds a worker that lies, names both, and keeps nothing', async () => {
  const store = new ResultStore(scratch())
  const queue = new TestQueue((order) => (order.not === undefined ? lying(one)(order) : honest(two)(order)))
  const asked = request()
  const { hashing } = fleet(queue, { audit: 1, store })
  const [file] = asked.files
  await expect(hashing.hash('vad', asked)).rejects.toEqual(
    refusal('FLEET_DISAGREES', {
      file: file && 'path' in file.place ? file.place.path : '',
      expected: `${sha256('a lie')} (one)`,
      found: `${sha256('weights of vad')} (two)`,
    }),
  )
  expect(await store.lines('results', queue.orders[0]?.id ?? '')).toEqual([])
  expect(queue.forgotten).toHaveLength(2)
})

test('an audit that was begun is done in the next run, whatever a liar did about it', async () => {
  const store = new ResultStore(scratch())
  const asked = request()
  const liar = (order: Order) => (order.not === undefined ? lying(one)(order) : honest(two)(order))
  const disagrees = refusal('FLEET_DISAGREES')
  await expect(fleet(new TestQueue(liar), { audit: 1, store }).hashing.hash('vad', asked)).rejects.toEqual(disagrees)
  // By chance, it would hardly ever be audited.
  const seldom = { audit: 1e-9, store }
  await expect(fleet(new TestQueue(liar), seldom).hashing.hash('vad', asked)).rejects.toEqual(disagrees)
  expect(await fleet(new TestQueue(other), seldom).hashing.hash('vad', asked)).toEqual(RIGHT)
  const after = new TestQueue(other)
  await fleet(after, { ...seldom, maxAge: -60_000 }).hashing.hash('vad', asked)
  expect(after.orders).toHaveLength(1)
})

test('the worker that is audited cannot end its audit by a refusal', async () => {
  const refusing = (order: Order) => {
    const failure = refusalOf(new ModelSealError('FILE_CHANGED', 'It changed.'))
    return Promise.resolve(sealResult({ job: order.id, worker: 'one', secret: one.secret }, failure))
  }
  const queue = new TestQueue((order, count) =>
    count === 1 ? lying(one)(order) : count === 2 ? refusing(order) : honest(two)(order),
  )
  const { hashing, rejected } = fleet(queue, { audit: 1 })
  await expect(hashing.hash('vad', request())).rejects.toEqual(refusal('FLEET_DISAGREES'))
  expect(rejected).toMatchObject([{ reason: 'one did it a second time' }])
})

test('an audit of what was kept asks one other worker', async () => {
  const store = new ResultStore(scratch())
  const asked = request()
  await fleet(new TestQueue(honest(one)), { store }).hashing.hash('vad', asked)
  const queue = new TestQueue(other)
  await fleet(queue, { store, audit: 1 }).hashing.hash('vad', asked)
  expect(queue.orders.map(({ not }) => not)).toEqual(['one'])
})

test('what a worker refuses is refused, and may be tried again', async () => {
  const queue = new TestQueue(({ id: job }) =>
    Promise.resolve(
      sealResult(
        { job, worker: 'one', secret: one.secret },
        refusalOf(new ModelSealError('FILE_CHANGED', 'It changed.')),
      ),
    ),
  )
  await expect(fleet(queue).hashing.hash('vad', request())).rejects.toEqual(refusal('FILE_CHANGED'))
  expect(queue.forgotten).toHaveLength(1)
})

test.each(['ABORTED', 'FLEET_QUEUE', 'INVALID_ARGUMENT'] as const)(
  'a worker cannot end the run by %s',
  async (code) => {
    const queue = new TestQueue(({ id: job }) =>
      Promise.resolve(
        sealResult({ job, worker: 'one', secret: one.secret }, refusalOf(new ModelSealError(code, 'The end.'))),
      ),
    )
    const hint = 'The worker one reported this when it was asked to hash files.'
    await expect(fleet(queue).hashing.hash('vad', request())).rejects.toEqual(refusal('WORKER_FAILED', { hint }))
  },
)

test('of many models that wait for a job which fails, one begins it again', async () => {
  let running = 0
  const queue = new TestQueue(async (order, count) => {
    running += 1
    expect(running).toBe(1)
    await setTimeout(5)
    running -= 1
    if (count < 3) throw new ModelSealError('FILE_CHANGED', 'It changed.')
    return honest(one)(order)
  })
  const { hashing } = fleet(queue)
  const asked = request()
  const outcomes = await Promise.allSettled(['a', 'b', 'c', 'd', 'e'].map((name) => hashing.hash(name, asked)))
  expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'fulfilled', 'fulfilled', 'fulfilled'])
  expect(queue.orders).toHaveLength(3)
})

test('a job that two models need is done once', async () => {
  const queue = new TestQueue(honest(one))
  const { hashing } = fleet(queue)
  const asked = request()
  expect(await Promise.all([hashing.hash('a', asked), hashing.hash('b', asked)])).toEqual([RIGHT, RIGHT])
  expect(queue.orders).toHaveLength(1)
})

test('a run that has ended breaks off what waits, and begins nothing more', async () => {
  const queue = new TestQueue(honest(one))
  const { hashing } = fleet(queue, { window: new FairWindow(0, 8) })
  const waiting = hashing.hash('vad', request())
  hashing.end()
  await expect(waiting).rejects.toEqual(refusal('ABORTED'))
  await expect(hashing.hash('asr', request())).rejects.toEqual(refusal('ABORTED'))
  expect(queue.orders).toEqual([])
})
