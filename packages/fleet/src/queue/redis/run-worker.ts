import { setTimeout } from 'node:timers/promises'
import type { Redis } from 'ioredis'
import { ModelSealError } from '@modelseal/core/errors'
import { readWorkerKey } from '../../results/worker-secrets.ts'
import { JobPerformer } from '../../worker/job-performer.ts'
import { checkRoots, type Readable } from '../../worker/readable.ts'
import { connect, QUEUE } from './connection.ts'
import { orderFrom } from './order-data.ts'
import { queuePackages } from './packages.ts'

/** Milliseconds for which a worker has a job without saying that it is still at it. */
const LOCK = 10_000
/** Milliseconds between two looks for jobs whose worker was killed. */
const STALLED_EVERY = 5_000
/** A job may be taken over as often as workers are killed. */
const MOST_STALLED = 1_000
/** Seconds between two messages about how far a job is. */
const SAY_EVERY = 1
/** Milliseconds after which an audit is offered again, if this worker did the job the first time. */
const LEFT_FOR_OTHERS = 200
/** Milliseconds that giving jobs back may take. */
const GIVING_BACK = 5_000

/** Who a worker is, what it may read, and when it stops. */
export interface WorkerOptions {
  /** URL of Redis, `redis:` or `rediss:`. */
  queue: string
  /** File with the name and the secret of this worker, which only this user can read. */
  secretFile: string
  /** Directories whose files this worker reads for others. */
  roots?: readonly string[] | undefined
  /** Beginnings of URLs of models that it reads for others. */
  urls?: readonly string[] | undefined
  /** Jobs that it does at a time. Default: 2. */
  concurrency?: number | undefined
  /** Stops the worker: it finishes no job, and gives those that it has begun back at once. */
  signal: AbortSignal
  /** Stops the worker once the jobs that it has begun are done. */
  finish?: AbortSignal | undefined
  /** Called with the name of the worker once it is connected. */
  onConnected?: ((name: string) => void) | undefined
  /** Called for each job that was done. */
  onJob?: ((job: string) => void) | undefined
}

/**
 * Hashes what coordinators ask for, until it is stopped.
 *
 * @returns the number of jobs that it did
 * @throws {@link ModelSealError} `INVALID_ARGUMENT`, `FLEET_QUEUE`, `FLEET_PACKAGES`, `ABORTED`, and what reading the secret throws
 */
export async function runWorker(options: WorkerOptions): Promise<{ jobs: number }> {
  const { signal, finish = signal, roots = [], urls = [], concurrency = 2 } = options
  if (roots.length + urls.length === 0)
    throw new ModelSealError('INVALID_ARGUMENT', 'Cannot start the worker: it may read nothing.', {
      expected: 'a directory (--root) or the beginning of a URL of models (--allow)',
    })
  if (!Number.isSafeInteger(concurrency) || concurrency < 1)
    throw new ModelSealError('INVALID_ARGUMENT', 'Cannot start the worker: an option is wrong.', {
      expected: '"concurrency" of at least 1',
      found: String(concurrency),
    })
  await checkRoots(roots)
  const key = await readWorkerKey(options.secretFile)
  const { bullmq } = queuePackages()
  const redis = await connect(options.queue, signal)
  options.onConnected?.(key.name)
  const connections = withDuplicates(redis)
  const readable: Readable = { roots, urls }
  const performer = new JobPerformer(key, readable)
  let jobs = 0
  const worker = new bullmq.Worker<unknown, string>(
    QUEUE,
    async (job, token) => {
      const order = orderFrom(job.data)
      if (!order) throw new bullmq.UnrecoverableError('not an order')
      if (order.not === key.name) {
        await job.moveToDelayed(Date.now() + LEFT_FOR_OTHERS, token)
        throw new bullmq.DelayedError()
      }
      const say = saying((bytes) => job.updateProgress(bytes))
      const result = await performer.perform(order, signal, say).catch(async (error: unknown) => {
        if (!signal.aborted) throw error
        // Other workers have it at once.
        await job.moveToWait(token)
        throw new bullmq.WaitingError()
      })
      jobs += 1
      options.onJob?.(order.id)
      return result
    },
    {
      name: key.name,
      connection: redis,
      concurrency,
      lockDuration: LOCK,
      stalledInterval: STALLED_EVERY,
      maxStalledCount: MOST_STALLED,
    },
  )
  // Redis is away, or a job was lost with it.
  worker.on('error', () => undefined)
  try {
    await stopped(finish, signal)
    const closed = worker.close()
    await Promise.race([closed, stopped(signal)])
    // Its jobs are given back now, unless Redis is away.
    await Promise.race([closed, setTimeout(GIVING_BACK, undefined, { ref: false })])
    return { jobs }
  } finally {
    await performer.close()
    for (const connection of connections) connection.disconnect()
  }
}

/** A connection, and those that are made like it: BullMQ closes its own only if Redis answers. */
function withDuplicates(redis: Redis): readonly Redis[] {
  const connections = [redis]
  const duplicate = redis.duplicate.bind(redis)
  redis.duplicate = (options) => {
    const made = duplicate(options)
    connections.push(made)
    return made
  }
  return connections
}

/** Says at most every second how far a job is. Nobody relies on it. */
function saying(say: (bytes: number) => Promise<unknown>): (bytes: number) => void {
  let latest = process.uptime()
  return (bytes) => {
    const now = process.uptime()
    if (now - latest < SAY_EVERY) return
    latest = now
    say(bytes).catch(() => undefined)
  }
}

/** Waits for one of the signals. */
function stopped(...signals: AbortSignal[]): Promise<void> {
  return new Promise((resolve) => {
    const either = AbortSignal.any(signals)
    if (either.aborted) resolve()
    else either.addEventListener('abort', () => resolve(), { once: true })
  })
}
