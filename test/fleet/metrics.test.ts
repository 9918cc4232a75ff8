import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { serveFleetMetrics, signCatalogue } from '@modelseal/fleet'
import { expect, onTestFinished, test, vi } from 'vitest'
import { all } from '../../packages/fleet/src/testing/models.ts'
import { freePort, TestFleet } from './processes.ts'

/** The values of a scrape, without labels of the scope, by their names and other labels. */
async function scrape(url: string): Promise<Record<string, number>> {
  const text = await (await fetch(url)).text()
  const samples = text.split('\n').filter((line) => line.startsWith('modelseal_'))
  return Object.fromEntries(
    samples.map((line) => {
      const end = line.lastIndexOf(' ')
      const name = line.slice(0, end).replace(/otel_scope_[a-z]+="[^"]*",?/g, '')
      return [name.replace('{}', '').replace(',}', '}'), Number(line.slice(end))]
    }),
  )
}

test('a worker and a coordinator serve what they did', async () => {
  const fleet = await TestFleet.start()
  onTestFinished(() => fleet.stop())
  vi.stubEnv('MODELSEAL_CACHE', join(fleet.directory, 'cache'))
  onTestFinished(() => void vi.unstubAllEnvs())
  const signer = await fleet.newSigner()
  for (const name of ['a', 'b', 'c']) {
    mkdirSync(join(fleet.models, name))
    writeFileSync(join(fleet.models, name, 'weights.bin'), name.repeat(5_000))
  }
  const served = await serveFleetMetrics(String(await freePort()))
  onTestFinished(() => served.close())
  for (const name of ['one', 'two']) fleet.addWorker(name)
  const ports = [await freePort(), await freePort()] as const
  const workers = ['one', 'two'].map((name, index) => fleet.startWorker(name, '--metrics', String(ports[index])))
  const options = { queue: fleet.url, workers: fleet.workers, results: fleet.results, signer }
  await all(await signCatalogue(fleet.models, { ...options, audit: 100 }))
  await all(await signCatalogue(fleet.models, options))
  expect(await scrape(served.url)).toMatchObject({
    'modelseal_fleet_models_total{modelseal_fleet_outcome="signed"}': 3,
    'modelseal_fleet_models_total{modelseal_fleet_outcome="unchanged"}': 3,
    modelseal_fleet_jobs_finished_total: 6,
    modelseal_fleet_jobs_reused_total: 3,
    modelseal_fleet_hashed_total: 30_000,
    modelseal_fleet_job_duration_count: 6,
    modelseal_fleet_window_used: 0,
    modelseal_fleet_window_waiting: 0,
    modelseal_fleet_audits_total: 3,
  })
  const found = await Promise.all(ports.map((port) => scrape(`http://127.0.0.1:${port}/metrics`)))
  expect(found.map((each) => each.modelseal_fleet_worker_jobs_total)).toEqual([3, 3])
  expect(found.map((each) => each.modelseal_fleet_worker_hashed_total)).toEqual([15_000, 15_000])
  expect(found.map((each) => each.modelseal_fleet_worker_busy)).toEqual([0, 0])
  expect(workers.map(({ exitCode }) => exitCode)).toEqual([null, null])
})
