import {
  cpSync,
  linkSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { judgeModel } from '@modelseal/core'
import { hashingElsewhere } from '@modelseal/core/distributed'
import { signModel, type SignOptions } from '@modelseal/core/signing'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { sha256 } from '../../../core/src/testing/bundles.ts'
import { refusal, scratch } from '../../../core/src/testing/scratch.ts'
import { readJob } from '../jobs/job.ts'
import { EmbeddedQueue } from '../queue/embedded-queue.ts'
import type { Order } from '../queue/work-queue.ts'
import { ResultStore } from '../results/result-store.ts'
import { sealResult } from '../results/result.ts'
import { WorkerSecrets } from '../results/worker-secrets.ts'
import { models, signerAndKey, workerKey } from '../testing/models.ts'
import { JobPerformer } from '../worker/job-performer.ts'
import { FairWindow } from './fair-window.ts'
import { FleetHashing } from './fleet-hashing.ts'

const [one, two] = [workerKey('one'), workerKey('two')]
const honest = (order: Order, key = one) => new JobPerformer(key, undefined).perform(order, undefined)

beforeEach(() => {
  vi.stubEnv('MODELSEAL_CACHE', join(scratch(), 'cache'))
  return () => vi.unstubAllEnvs()
})

/** Signs a model whose jobs are answered like this. */
async function signedBy(
  answer: (order: Order) => Promise<string>,
  { model, audit = 0, ...options }: SignOptions & { model: string; audit?: number },
) {
  const queue = new EmbeddedQueue(new JobPerformer(one, undefined))
  vi.spyOn(queue, 'run').mockImplementation(answer)
  const store = new ResultStore(scratch())
  const how = { secrets: new WorkerSecrets([one, two]), window: new FairWindow(1, 1), maxAge: Infinity }
  const hashing = new FleetHashing({ queue, store, audit, onRejected: () => undefined, ...how })
  return hashingElsewhere(
    (request) => hashing.hash(model, request),
    () => signModel(model, options),
  )
}

function withOldTimes(path: string, write: () => void): void {
  const { atime, mtime } = statSync(path)
  write()
  utimesSync(path, atime, mtime)
}

const WEIGHTS = 'weights.bin'
const OTHER = 'WEIGHTS OF A'
const CHANGES: [string, (model: string) => void][] = [
  ['is rewritten', (model) => writeFileSync(join(model, WEIGHTS), OTHER)],
  [
    'is replaced by one that was moved there',
    (model) => {
      writeFileSync(`${model}.other`, OTHER)
      renameSync(`${model}.other`, join(model, WEIGHTS))
    },
  ],
  [
    'is removed, and made again in the same inode',
    (model) => {
      rmSync(join(model, WEIGHTS))
      writeFileSync(join(model, WEIGHTS), OTHER)
    },
  ],
  [
    'becomes a hard link to another one',
    (model) => {
      writeFileSync(`${model}.other`, OTHER)
      rmSync(join(model, WEIGHTS))
      linkSync(`${model}.other`, join(model, WEIGHTS))
    },
  ],
  [
    'is in a directory that is replaced by a copy',
    (model) => {
      cpSync(model, `${model}.copy`, { recursive: true, preserveTimestamps: true })
      renameSync(model, `${model}.old`)
      renameSync(`${model}.copy`, model)
    },
  ],
  [
    'is in a directory that becomes a link to another one',
    (model) => {
      renameSync(model, `${model}.old`)
      symlinkSync(`${model}.old`, model)
    },
  ],
]

describe('a file that has its old size and times again', () => {
  test.each(CHANGES)('but %s is refused, before it is hashed and after that', async (_, change) => {
    const { signer } = await signerAndKey()
    for (const isBefore of [true, false]) {
      const model = join(models('a'), 'a')
      const changed = () => withOldTimes(join(model, WEIGHTS), () => change(model))
      const answer = async (order: Order) => {
        if (isBefore) changed()
        const line = await honest(order)
        if (!isBefore) changed()
        return line
      }
      await expect(signedBy(answer, { model, signer })).rejects.toEqual(refusal('FILE_CHANGED'))
    }
  })

  test('but is another one while each second part is hashed, is refused', async () => {
    const model = join(models('a'), 'a')
    const path = join(model, WEIGHTS)
    const { signer } = await signerAndKey()
    let count = 0
    const answer = (order: Order) => {
      withOldTimes(path, () => writeFileSync(path, count++ % 2 === 0 ? OTHER : 'weights of a'))
      return honest(order)
    }
    await expect(signedBy(answer, { model, signer, shardSize: 5 })).rejects.toEqual(refusal('FILE_CHANGED'))
  })
})

const STOLEN = 'other weights, of any length'

function chosen(order: Order): Promise<string> {
  const digests = readJob(order).files.map(({ name }) =>
    sha256(name.endsWith(WEIGHTS) ? STOLEN : readFileSync(name, 'utf8')),
  )
  return Promise.resolve(sealResult({ job: order.id, worker: one.name, secret: one.secret }, { digests }))
}

describe('a worker that states the digests of other contents', () => {
  test('has them signed unless it is audited: its secret is worth as much as the key', async () => {
    const model = join(models('a'), 'a')
    const { signer, publicKey } = await signerAndKey()
    await signedBy(chosen, { model, signer })
    const rules = [{ name: 'all', match: { path: '/**' }, signers: [{ key: 'a' }] }]
    const policy = JSON.stringify({ version: 1, trustRoots: { a: { publicKey: 'a.pub' } }, rules })
    const path = join(scratch({ 'policy.json': policy, 'a.pub': readFileSync(publicKey) }), 'policy.json')
    expect(await judgeModel(model, { policy: path })).toMatchObject({ decision: 'refused' })
    writeFileSync(join(model, WEIGHTS), STOLEN)
    expect(await judgeModel(model, { policy: path })).toMatchObject({ decision: 'accepted' })
  })

  test('is found if all jobs are audited', async () => {
    const { signer } = await signerAndKey()
    const answer = (order: Order) => (order.not === undefined ? chosen(order) : honest(order, two))
    const signing = signedBy(answer, { model: join(models('a'), 'a'), signer, audit: 1 })
    await expect(signing).rejects.toEqual(refusal('FLEET_DISAGREES'))
  })
})
