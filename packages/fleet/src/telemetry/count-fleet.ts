import type { Meter, MeterProvider } from '@opentelemetry/api'
import { onFleetEvent, type FleetEvent } from './fleet-events.ts'

const NAME = '@modelseal/fleet'
/** In seconds: a batch of small files takes milliseconds, a file of 400 GB several minutes. */
const DURATIONS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3_600]

type Counters<Type extends FleetEvent['type']> = {
  [Each in Type]: (event: Extract<FleetEvent, { type: Each }>) => void
}

/**
 * Counts what happens in the coordinators and workers of this process.
 *
 * @returns a function that stops counting
 */
export function countFleet(provider: MeterProvider): () => void {
  const meter = provider.getMeter(NAME)
  const counters: Counters<FleetEvent['type']> = { ...coordinatorCounters(meter), ...workerCounters(meter) }
  return onFleetEvent((event) => {
    const count = counters[event.type] as (event: FleetEvent) => void
    count(event)
  })
}

type WorkerEvent = 'workBegun' | 'workEnded'

function coordinatorCounters(meter: Meter): Counters<Exclude<FleetEvent['type'], WorkerEvent>> {
  const models = meter.createCounter('modelseal.fleet.models', {
    description: 'Models that a coordinator has done, by outcome and code',
  })
  const offered = meter.createCounter('modelseal.fleet.jobs.offered', {
    description: 'Jobs that a coordinator has offered to workers, audits included',
  })
  const finished = meter.createCounter('modelseal.fleet.jobs.finished', {
    description: 'Jobs whose authentic result a coordinator has received',
  })
  const reused = meter.createCounter('modelseal.fleet.jobs.reused', {
    description: 'Jobs that were not offered, because their results were kept',
  })
  const redone = meter.createCounter('modelseal.fleet.jobs.redone', {
    description: 'Jobs that were offered again, by reason',
  })
  const hashed = meter.createCounter('modelseal.fleet.hashed', {
    unit: 'By',
    description: 'Bytes of the finished jobs',
  })
  const duration = meter.createHistogram('modelseal.fleet.job.duration', {
    unit: 's',
    description: 'Time from the offer of a job to its result',
    advice: { explicitBucketBoundaries: DURATIONS },
  })
  const inUse = meter.createUpDownCounter('modelseal.fleet.window.used', {
    description: 'Jobs that are offered at this moment',
  })
  const waiting = meter.createUpDownCounter('modelseal.fleet.window.waiting', {
    description: 'Jobs that wait until others are finished, because the window or the limit of their source is reached',
  })
  const audits = meter.createCounter('modelseal.fleet.audits', {
    description: 'Jobs that two workers have done',
  })
  const disagreements = meter.createCounter('modelseal.fleet.disagreements', {
    description: 'Audited jobs whose workers computed different digests',
  })
  return {
    model: ({ outcome, code }) =>
      models.add(1, {
        'modelseal.fleet.outcome': outcome,
        ...(code === undefined ? {} : { 'modelseal.code': code }),
      }),
    jobOffered: () => offered.add(1),
    jobFinished: ({ bytes, seconds }) => {
      finished.add(1)
      hashed.add(bytes)
      duration.record(seconds)
    },
    jobReused: () => reused.add(1),
    jobRedone: ({ reason }) => redone.add(1, { 'modelseal.fleet.reason': reason }),
    window: (change) => {
      inUse.add(change.inUse)
      waiting.add(change.waiting)
    },
    audit: ({ agrees }) => {
      audits.add(1)
      if (!agrees) disagreements.add(1)
    },
  }
}

function workerCounters(meter: Meter): Counters<WorkerEvent> {
  const jobs = meter.createCounter('modelseal.fleet.worker.jobs', { description: 'Jobs that this worker has done' })
  const failures = meter.createCounter('modelseal.fleet.worker.failures', {
    description: 'Jobs that this worker has refused or broken off, by code',
  })
  const hashed = meter.createCounter('modelseal.fleet.worker.hashed', {
    unit: 'By',
    description: 'Bytes that this worker has hashed',
  })
  const duration = meter.createHistogram('modelseal.fleet.worker.job.duration', {
    unit: 's',
    description: 'Time that this worker takes for a job',
    advice: { explicitBucketBoundaries: DURATIONS },
  })
  const busy = meter.createUpDownCounter('modelseal.fleet.worker.busy', {
    description: 'Jobs that this worker is at',
  })
  return {
    workBegun: () => busy.add(1),
    workEnded: ({ bytes, seconds, code }) => {
      busy.add(-1)
      if (code !== undefined) {
        failures.add(1, { 'modelseal.code': code })
        return
      }
      jobs.add(1)
      hashed.add(bytes)
      duration.record(seconds)
    },
  }
}
