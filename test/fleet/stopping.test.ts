import { once } from 'node:events'
import { mkdirSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout } from 'node:timers/promises'
import { fleetStatus } from '@modelseal/fleet'
import { beforeEach, expect, test, vi } from 'vitest'
import { TestFleet } from './processes.ts'

// What signals do to workers and coordinators, which are processes of the command line.

let fleet: TestFleet
beforeEach(async () => {
  fleet = await TestFleet.start()
  fleet.writeKey()
  return () => fleet.stop()
})

/** A model that one thread hashes for a while. */
function writeModel(name: string, bytes: number): void {
  mkdirSync(join(fleet.models, name))
  writeFileSync(join(fleet.models, name, 'weights.bin'), name)
  truncateSync(join(fleet.models, name, 'weights.bin'), bytes)
}

const sign = () =>
  fleet.coordinate(['sign', 'key', fleet.models, '--private-key', join(fleet.directory, 'key'), '--json'])
const status = () => fleetStatus(fleet.url)
const untilActive = (jobs = 1) =>
  vi.waitFor(async () => expect((await status()).active).toBe(jobs), { timeout: 20_000, interval: 50 })

test.each(['SIGTERM', 'SIGINT'] as const)('a worker gives its jobs back at %s, and exits with 0', async (signal) => {
  writeModel('huge', 40_000_000_000)
  fleet.addWorker('one')
  const worker = fleet.startWorker('one')
  const said = text(worker.stderr ?? expect.fail('no stderr'))
  const { child } = sign()
  await untilActive()
  const ended = once(worker, 'exit')
  const begun = performance.now()
  worker.kill(signal)
  expect(await ended).toEqual([0, null])
  expect(performance.now() - begun).toBeLessThan(4_000)
  expect(await said).toBe('one is connected to the queue.\n')
  // Nothing has to be found stalled, and the coordinator does not have to notice.
  child.kill('SIGKILL')
  expect(await status()).toMatchObject({ waiting: 1, active: 0, failed: 0, workers: [] })
})

test('another worker has at once what one gave back', async () => {
  writeModel('large', 800_000_000)
  for (const name of ['one', 'two']) fleet.addWorker(name)
  const worker = fleet.startWorker('one')
  const { ended } = sign()
  await untilActive()
  worker.kill('SIGTERM')
  await once(worker, 'exit')
  fleet.startWorker('two')
  expect(await ended).toMatchObject({ code: 0 })
})

test('a worker without a job, and one whose Redis is away, end too', async () => {
  fleet.addWorker('one')
  for (const isAway of [false, true]) {
    const worker = fleet.startWorker('one')
    await vi.waitFor(async () => expect((await status()).workers).toEqual(['one']), { timeout: 20_000 })
    if (isAway) await fleet.stopRedis()
    const ended = once(worker, 'exit')
    worker.kill('SIGTERM')
    expect(await ended).toEqual([0, null])
  }
})

test('a coordinator that is interrupted says how to continue, and loses nothing', async () => {
  for (let index = 0; index < 40; index++) writeModel(`small ${index}`, 1_000)
  writeModel('large', 500_000_000)
  fleet.addWorker('one')
  fleet.startWorker('one')
  const first = sign()
  await vi.waitFor(async () => expect((await status()).done + (await status()).active).toBeGreaterThan(0), {
    timeout: 20_000,
    interval: 50,
  })
  await setTimeout(500)
  first.child.kill('SIGINT')
  const { code, stdout } = await first.ended
  expect(code).toBe(130)
  const hint = `Run the same command again to continue: finished work is kept in ${JSON.stringify(fleet.results)}.`
  expect(JSON.parse(stdout.trim().split('\n').at(-1) ?? '')).toMatchObject({ error: { code: 'ABORTED', hint } })
  const signed = stdout.split('\n').filter((line) => line.includes('"signed"')).length
  const second = await sign().ended
  expect(second.code).toBe(0)
  const { result } = JSON.parse(second.stdout.trim().split('\n').at(-1) ?? '') as {
    result: { models: Record<string, number> }
  }
  // The last ones may have been signed without being reported any more.
  const { signed: rest = 0, unchanged = 0 } = result.models
  expect(rest + unchanged).toBe(41)
  expect(unchanged).toBeGreaterThanOrEqual(signed)
})

test('a second signal ends a coordinator and a worker at once', async () => {
  writeModel('huge', 40_000_000_000)
  fleet.addWorker('one')
  const worker = fleet.startWorker('one')
  const coordinator = sign()
  await untilActive()
  // Redis does not answer any more, so that giving back takes long.
  const server = fleet.pauseRedis()
  for (const child of [worker, coordinator.child]) {
    const ended = once(child, 'exit')
    child.kill('SIGINT')
    await setTimeout(300)
    const begun = performance.now()
    const isRunning = child.kill('SIGINT')
    const [code, signal] = (await ended) as [number | null, string | null]
    expect(performance.now() - begun).toBeLessThan(1_500)
    if (isRunning) expect(code === null ? signal : 'SIGINT').toBe('SIGINT')
  }
  server.resume()
})
