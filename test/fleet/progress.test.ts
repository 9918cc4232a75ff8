import { mkdirSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fleetStatus, signCatalogue } from '@modelseal/fleet'
import { expect, onTestFinished, test, vi } from 'vitest'
import { all } from '../../packages/fleet/src/testing/models.ts'
import { TestFleet } from './processes.ts'

test('whoever looks at the queue sees how far the runs are, whatever others write there', async () => {
  const fleet = await TestFleet.start()
  onTestFinished(() => fleet.stop())
  vi.stubEnv('MODELSEAL_CACHE', join(fleet.directory, 'cache'))
  onTestFinished(() => void vi.unstubAllEnvs())
  const signer = await fleet.newSigner()
  const model = join(fleet.models, 'large')
  mkdirSync(model)
  writeFileSync(join(model, 'weights.bin'), '')
  truncateSync(join(model, 'weights.bin'), 6_000_000_000)
  fleet.addWorker('one')
  const options = { queue: fleet.url, workers: fleet.workers, results: fleet.results, signer }
  const run = await signCatalogue(fleet.models, options)
  const outcomes = all(run)
  await fleet.onRedis(async (redis) => {
    await redis.set('modelseal-fleet:run:a', 'x')
    await redis.set('modelseal-fleet:run:b', JSON.stringify({ models: -1 }))
    await redis.lpush('modelseal-fleet:run:c', 'x')
  })
  const told = async () => (await fleetStatus(fleet.url)).runs
  const listed = { models: 0, failed: 0, others: 0, current: [{ model, done: 0, total: 6_000_000_000 }] }
  await vi.waitFor(async () => expect(await told()).toMatchObject([listed]), { timeout: 20_000 })
  // A part of the only job.
  fleet.startWorker('one')
  await vi.waitFor(() => expect(run.progress().current[0]?.done).toBeGreaterThan(0), { timeout: 30_000 })
  expect(run.counts.bytes).toBe(0)
  expect(await outcomes).toMatchObject([{ model, signed: {} }])
  expect(run.progress()).toMatchObject({ models: 1, failed: 0, current: [], bytes: 6_000_000_000 })
  expect(await told()).toEqual([])
}, 120_000)

test('an audit that only one worker is there for says what it waits for, and goes on with a second one', async () => {
  const fleet = await TestFleet.start()
  onTestFinished(() => fleet.stop())
  vi.stubEnv('MODELSEAL_CACHE', join(fleet.directory, 'cache'))
  onTestFinished(() => void vi.unstubAllEnvs())
  const signer = await fleet.newSigner()
  const model = join(fleet.models, 'small')
  mkdirSync(model)
  writeFileSync(join(model, 'weights.bin'), 'weights')
  for (const name of ['host-a', 'host-b']) fleet.addWorker(name)
  const onWaiting = vi.fn()
  const place = { queue: fleet.url, workers: fleet.workers, results: fleet.results }
  const outcomes = all(await signCatalogue(fleet.models, { ...place, signer, audit: 100, onWaiting }))
  await vi.waitFor(() => expect(onWaiting).toHaveBeenCalledOnce(), { timeout: 30_000 })
  fleet.startWorker('host-a')
  await vi.waitFor(() => expect(onWaiting).toHaveBeenCalledTimes(2), { timeout: 30_000 })
  fleet.startWorker('host-b')
  expect(await outcomes).toMatchObject([{ model, signed: {} }])
  expect(onWaiting.mock.calls).toEqual([
    ['Waiting for a worker: none is connected to the queue.'],
    ['Waiting for a second worker: an audited job is done by two, and only host-a is connected to the queue.'],
  ])
}, 120_000)
