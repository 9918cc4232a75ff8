import { createServer, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { expect, onTestFinished, test, vi } from 'vitest'
import { ModelSealError } from '@modelseal/core/errors'
import { refusal } from '../../../core/src/testing/scratch.ts'
import { report } from './fleet-events.ts'
import { instrumentFleet } from './opentelemetry.ts'
import { serveFleetMetrics } from './serve-metrics.ts'

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** The samples of a scrape, without what is about histograms, scopes and the process. */
async function scraped(url: string): Promise<string[]> {
  const response = await fetch(url)
  expect(response.status).toBe(200)
  const text = await response.text()
  expect(text).not.toContain(process.execPath)
  const lines = text.split('\n')
  return lines
    .filter((line) => line.startsWith('modelseal_') && !line.includes('_bucket'))
    .map((line) => line.replace(/otel_scope_[a-z]+="[^"]*",?/g, '').replace('{}', ''))
    .map((line) => line.replace(',}', '}'))
}

test('everything that happens is served for Prometheus', async () => {
  const metrics = await serveFleetMetrics(String(await freePort()))
  onTestFinished(() => metrics.close())
  expect(metrics.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/metrics$/)
  report({ type: 'model', outcome: 'signed' })
  report({ type: 'model', outcome: 'failed', code: 'FILE_CHANGED' })
  report({ type: 'jobOffered' })
  report({ type: 'jobFinished', bytes: 7_000, seconds: 2 })
  report({ type: 'jobReused' })
  report({ type: 'jobRedone', reason: 'stalled' })
  report({ type: 'window', inUse: 0, waiting: 2 })
  report({ type: 'window', inUse: 1, waiting: -1 })
  report({ type: 'audit', agrees: true })
  report({ type: 'audit', agrees: false })
  report({ type: 'workBegun' })
  report({ type: 'workBegun' })
  report({ type: 'workBegun' })
  report({ type: 'workEnded', bytes: 5_000, seconds: 3 })
  report({ type: 'workEnded', bytes: 0, seconds: 1, code: 'FLEET_JOB' })
  expect(await scraped(metrics.url)).toEqual([
    'modelseal_fleet_models_total{modelseal_fleet_outcome="signed"} 1',
    'modelseal_fleet_models_total{modelseal_fleet_outcome="failed",modelseal_code="FILE_CHANGED"} 1',
    'modelseal_fleet_jobs_offered_total 1',
    'modelseal_fleet_jobs_finished_total 1',
    'modelseal_fleet_jobs_reused_total 1',
    'modelseal_fleet_jobs_redone_total{modelseal_fleet_reason="stalled"} 1',
    'modelseal_fleet_hashed_total 7000',
    'modelseal_fleet_job_duration_count 1',
    'modelseal_fleet_job_duration_sum 2',
    'modelseal_fleet_window_used 1',
    'modelseal_fleet_window_waiting 1',
    'modelseal_fleet_audits_total 2',
    'modelseal_fleet_disagreements_total 1',
    'modelseal_fleet_worker_jobs_total 1',
    'modelseal_fleet_worker_failures_total{modelseal_code="FLEET_JOB"} 1',
    'modelseal_fleet_worker_hashed_total 5000',
    'modelseal_fleet_worker_job_duration_count 1',
    'modelseal_fleet_worker_job_duration_sum 3',
    'modelseal_fleet_worker_busy 1',
  ])
})

test('nothing is served any more once it is closed', async () => {
  const metrics = await serveFleetMetrics(String(await freePort()))
  await metrics.close()
  await expect(fetch(metrics.url)).rejects.toThrow('fetch failed')
})

test('a port that is in use is refused', async () => {
  const port = await freePort()
  const metrics = await serveFleetMetrics(`localhost:${port}`)
  onTestFinished(() => metrics.close())
  await expect(serveFleetMetrics(`localhost:${port}`)).rejects.toEqual(refusal('FLEET_METRICS'))
})

test.each(['', 'x', '0', '65536', '127.0.0.1', ':9464', '127.0.0.1:', 'http://127.0.0.1:9464', 'a b:1'])(
  'the address %o is refused',
  async (address) => {
    await expect(serveFleetMetrics(address)).rejects.toEqual(refusal('INVALID_ARGUMENT'))
  },
)

test('without the exporter, it says what to install', async () => {
  const spy = vi.spyOn(process, 'getBuiltinModule') as unknown as { mockReturnValue: (value: object) => void }
  onTestFinished(() => void vi.restoreAllMocks())
  const require = createRequire(import.meta.url)
  const load = (name: string): unknown => {
    if (name.includes('prometheus')) throw new Error(`Cannot find module '${name}'`)
    return require(name)
  }
  spy.mockReturnValue({ createRequire: () => load })
  const hint = 'Install it: npm install @opentelemetry/exporter-prometheus'
  await expect(serveFleetMetrics('9464')).rejects.toEqual(refusal('FLEET_PACKAGES', { hint }))
})

test('the metrics go to any provider, until it is stopped', () => {
  const added: [name: string, value: number][] = []
  const instrument = (name: string) => ({ add: (value: number) => added.push([name, value]), record: () => undefined })
  const meter = { createCounter: instrument, createHistogram: instrument, createUpDownCounter: instrument }
  const stop = instrumentFleet({ meterProvider: { getMeter: () => meter } as never })
  report({ type: 'jobOffered' })
  stop()
  report({ type: 'jobOffered' })
  expect(added).toEqual([['modelseal.fleet.jobs.offered', 1]])
})

test('a provider that is none is refused', () => {
  expect(() => instrumentFleet({ meterProvider: {} as never })).toThrow(ModelSealError)
  expect(() => instrumentFleet({ meterProvider: {} as never })).toThrow(refusal('INVALID_ARGUMENT'))
})
