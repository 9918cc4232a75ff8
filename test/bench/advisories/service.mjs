// The service of the benchmark: loads models by a policy that follows the feeds, and reports what that costs.
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout } from 'node:timers/promises'
import { openVerifiedModel } from '@modelseal/core'

const LOADS = 300

const { model, models, policies } = JSON.parse(process.argv[2])
await (await openVerifiedModel(model, { policy: policies.plain })).close()

const before = memory()
let peak = 0
const sampling = setInterval(() => (peak = Math.max(peak, process.memoryUsage.rss())), 10)
let refusals = 0
const start = await measured(openFirst)
process.send({ ...start, refusals, memory: { ...grown(before), peak } })
clearInterval(sampling)

if (models > 0) {
  // Timers of the feeds do not keep the process running.
  setInterval(() => {}, 60_000)
  process.send(await costOfLoads())
  const loaded = await loadedModels()
  await refusal(loaded)
  process.exit()
}

/** On a busy machine, not all feeds arrive within the ten seconds that a load waits for each. The next load continues with the others. */
async function openFirst() {
  for (;;)
    try {
      return await openOnce(policies.followed)
    } catch (error) {
      // A service that starts again after the refusal.
      if (error.code === 'MODEL_REVOKED') return undefined
      if (error.code !== 'ADVISORY_STALE') throw error
      refusals += 1
      await setTimeout(100)
    }
}

async function openOnce(policy) {
  await (await openVerifiedModel(model, { policy })).close()
}

async function costOfLoads() {
  const costs = { plain: [], followed: [] }
  for (let load = 0; load < LOADS; load++)
    for (const name of Object.keys(costs).sort(() => Math.random() - 0.5)) {
      const { time } = await timed(() => openOnce(policies[name]))
      costs[name].push(time)
    }
  return { count: LOADS, plain: median(costs.plain), followed: median(costs.followed) }
}

async function loadedModels() {
  const before = memory()
  const { time, result } = await timed(async () => {
    const loaded = []
    for (let count = 0; count < models; count++)
      loaded.push(await openVerifiedModel(model, { policy: policies.followed }))
    return loaded
  })
  process.send({ time, memory: grown(before), rootDigest: result[0].verdict.model.rootDigest })
  return result
}

async function refusal(loaded) {
  const times = []
  const { delay } = await measured(() =>
    Promise.all(
      loaded.map(
        ({ revoked }) =>
          new Promise((resolve) => {
            const end = () => resolve(times.push(Date.now()))
            if (revoked.aborted) end()
            else revoked.addEventListener('abort', end, { once: true })
          }),
      ),
    ),
  )
  await new Promise((sent) => process.send({ first: Math.min(...times), last: Math.max(...times), delay }, sent))
}

async function measured(work) {
  const delays = monitorEventLoopDelay({ resolution: 1 })
  const used = process.cpuUsage()
  delays.enable()
  const { time } = await timed(work)
  delays.disable()
  const { user, system } = process.cpuUsage(used)
  const delay = { p99: delays.percentile(99) / 1e6, max: delays.max / 1e6 }
  return { time, processor: (user + system) / 1_000, delay }
}

async function timed(work) {
  const begun = performance.now()
  const result = await work()
  return { time: performance.now() - begun, result }
}

function memory() {
  for (let round = 0; round < 3; round++) globalThis.gc()
  const { heapUsed, external, rss } = process.memoryUsage()
  return { used: heapUsed + external, rss }
}

function grown({ used }) {
  const now = memory()
  return { kept: now.used - used, resident: now.rss }
}

function median(values) {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]
}
