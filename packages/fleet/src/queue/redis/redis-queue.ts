import { randomUUID } from 'node:crypto'
import { clearInterval, setInterval, setTimeout } from 'node:timers'
import type { Queue, QueueEvents } from 'bullmq'
import type { Redis } from 'ioredis'
import { ModelSealError, shown } from '@modelseal/core/errors'
import { report, type RedoneReason } from '../../telemetry/fleet-events.ts'
import { connectedWorkers } from './connected-workers.ts'
import { connect, QUEUE } from './connection.ts'
import { nameOf } from './order-data.ts'
import { queuePackages } from './packages.ts'
import { forgetProgress, tellProgress } from './told-progress.ts'
import { WaitingNotes } from './waiting-notes.ts'
import type { Order, RunProgress, WorkQueue } from '../work-queue.ts'

/** Jobs in Redis at a time, for one coordinator. */
const WINDOW = 256
/** Milliseconds between two looks at all jobs that are given out: events may get lost, and Redis may be emptied. */
const LOOK_EVERY = 2_000
/** Every such look is at each job itself, and not only at the lists of jobs. */
const THOROUGH_EVERY = 5
/** Where a job is that is waited for. */
const AT_WORK = ['waiting', 'active', 'delayed'] as const
/** Jobs that are seen in one look, of each kind: many coordinators may share a queue. The others are looked at one by one. */
const MOST_SEEN = 10_000
/** Seconds for which a finished job stays, for a coordinator that is started again. */
const KEPT_FOR = 24 * 3_600
const MOST_KEPT = 10_000
/** How often a job may fail in the queue, as when a worker is stopped. */
const MOST_FAILURES = 100

interface Pending {
  readonly order: Order
  readonly resolve: (text: string) => void
  readonly reject: (error: unknown) => void
  readonly onProgress: ((bytes: number) => void) | undefined
  failures: number
}

/** @throws {@link ModelSealError} `INVALID_ARGUMENT`, `FLEET_QUEUE`, `FLEET_PACKAGES`, `ABORTED` */
export async function openRedisQueue(
  url: string,
  signal: AbortSignal | undefined,
  onWaiting: (message: string) => void = ignore,
): Promise<WorkQueue> {
  const { bullmq } = queuePackages()
  const redis = await connect(url, signal)
  const queue = new bullmq.Queue(QUEUE, { connection: redis })
  const eventsConnection = redis.duplicate()
  eventsConnection.on('error', ignore)
  const events = new bullmq.QueueEvents(QUEUE, { connection: eventsConnection })
  queue.on('error', ignore)
  events.on('error', ignore)
  return new RedisQueue(queue, events, { connections: [redis, eventsConnection], onWaiting })
}

/** Gives jobs to workers on other machines. A job that workers were killed over is given to others, and one that Redis lost is put there again. */
class RedisQueue implements WorkQueue {
  readonly window = WINDOW
  readonly #queue: Queue
  readonly #events: QueueEvents
  readonly #redis: Redis
  readonly #connections: readonly [Redis, Redis]
  /** Of this run, for those who look at the queue. */
  readonly #id = randomUUID()
  readonly #pending = new Map<string, Pending>()
  readonly #timer: NodeJS.Timeout
  readonly #notes: WaitingNotes
  #finished = 0
  #looking = false
  #looks = 0

  constructor(
    queue: Queue,
    events: QueueEvents,
    { connections, onWaiting }: { connections: readonly [Redis, Redis]; onWaiting: (message: string) => void },
  ) {
    this.#queue = queue
    this.#events = events
    this.#redis = connections[0]
    this.#connections = connections
    events.on('completed', ({ jobId, returnvalue }) => this.#completed(jobId, returnvalue))
    // Only shown, so anyone may have written it.
    events.on('progress', ({ jobId, data }) => {
      if (Number.isSafeInteger(data)) this.#pending.get(jobId)?.onProgress?.(data as number)
    })
    events.on('stalled', ({ jobId }) => {
      if (this.#pending.has(jobId)) report({ type: 'jobRedone', reason: 'stalled' })
    })
    // It may have been finished for an earlier run.
    events.on('duplicated', ({ jobId }) => this.#inBackground(() => this.#look(jobId)))
    events.on('failed', ({ jobId }) => this.#inBackground(() => this.#look(jobId)))
    this.#timer = setInterval(() => this.#inBackground(() => this.#lookAtAll()), LOOK_EVERY)
    this.#notes = new WaitingNotes({
      orders: () => Array.from(this.#pending.values(), ({ order }) => order),
      finished: () => this.#finished,
      workers: () => connectedWorkers(queue),
      onWaiting,
    })
  }

  async run(order: Order, signal: AbortSignal | undefined, onProgress?: (bytes: number) => void): Promise<string> {
    const name = nameOf(order)
    const stop = () => this.#settle(name)?.reject(new ModelSealError('ABORTED', 'The caller aborted the operation.'))
    try {
      return await new Promise<string>((resolve, reject) => {
        this.#pending.set(name, { order, resolve, reject, onProgress, failures: 0 })
        signal?.addEventListener('abort', stop, { once: true })
        if (signal?.aborted) stop()
        this.#inBackground(() => this.#add(order))
      })
    } finally {
      signal?.removeEventListener('abort', stop)
    }
  }

  async forget(order: Order): Promise<void> {
    // A job that some worker is at cannot be removed. It expires.
    await this.#queue.remove(nameOf(order)).catch(ignore)
  }

  tell(progress: RunProgress): void {
    this.#inBackground(() => tellProgress(this.#redis, this.#id, progress))
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    this.#notes.stop()
    // If Redis is away, there is nothing to say to it.
    await Promise.race([
      Promise.allSettled([this.#events.close(), this.#queue.close(), forgetProgress(this.#redis, this.#id)]),
      new Promise((resolve) => setTimeout(resolve, 1_000)),
    ])
    for (const connection of this.#connections) connection.disconnect()
  }

  async #add(order: Order): Promise<void> {
    const { id, text, not } = order
    const data = { id, text, ...(not === undefined ? {} : { not }) }
    await this.#queue.add('hash', data, {
      jobId: nameOf(order),
      removeOnComplete: { age: KEPT_FOR, count: MOST_KEPT },
      removeOnFail: { age: KEPT_FOR, count: MOST_KEPT },
    })
  }

  async #lookAtAll(): Promise<void> {
    if (this.#looking) return
    this.#looking = true
    try {
      const names = [...this.#pending.keys()]
      if (names.length === 0) return
      // Whether those that seem to be at work can be read is only looked at now and then.
      const isThorough = this.#looks++ % THOROUGH_EVERY === 0
      const atWork = new Set(isThorough ? [] : await this.#queue.getRanges([...AT_WORK], 0, MOST_SEEN).catch(() => []))
      // One that cannot be read must not keep the others from being seen.
      for (const name of names) if (!atWork.has(name)) await this.#look(name).catch(ignore)
    } finally {
      this.#looking = false
    }
  }

  async #look(name: string): Promise<void> {
    const pending = this.#pending.get(name)
    if (!pending) return
    const job = await this.#queue.getJob(name).catch(() => this.#removeMalformed(name))
    if (!job) return this.#addAgain(name, 'lost')
    const state = await job.getState()
    if (state === 'completed') {
      const { returnvalue = null } = ((await this.#queue.getJob(name)) ?? {}) as { returnvalue?: unknown }
      // Nothing, if it was forgotten and given out again meanwhile.
      if (returnvalue !== null && this.#pending.get(name) === pending) this.#completed(name, returnvalue)
    } else if (state === 'unknown') {
      // It is in no list, as when Redis evicted one.
      await this.#queue.remove(name)
      await this.#addAgain(name, 'lost')
    } else if (state === 'failed') {
      pending.failures += 1
      if (pending.failures > MOST_FAILURES) this.#settle(name)?.reject(failedTooOften(job.failedReason))
      await this.#queue.remove(name)
      await this.#addAgain(name, 'returned')
    }
  }

  async #addAgain(name: string, reason: RedoneReason): Promise<void> {
    const pending = this.#pending.get(name)
    if (!pending) return
    report({ type: 'jobRedone', reason })
    await this.#add(pending.order)
  }

  /** BullMQ neither reads nor removes it. */
  async #removeMalformed(name: string): Promise<undefined> {
    await this.#redis.del(this.#queue.toKey(name))
  }

  #completed(name: string, value: unknown): void {
    this.#finished += 1
    // Anything else is no result, which the coordinator finds out.
    this.#settle(name)?.resolve(typeof value === 'string' ? value : JSON.stringify(value ?? null))
  }

  #settle(name: string): Pending | undefined {
    const pending = this.#pending.get(name)
    this.#pending.delete(name)
    return pending
  }

  /** What fails because Redis is away, or was emptied at this moment, is done at the next look. */
  #inBackground(work: () => Promise<unknown>): void {
    work().catch(ignore)
  }
}

function failedTooOften(reason: unknown): ModelSealError {
  return new ModelSealError('FLEET_RESULT', `Cannot have a job done: it failed in the queue ${MOST_FAILURES} times.`, {
    found: typeof reason === 'string' ? shown(reason) : 'no reason',
    hint: 'Look at the output of the workers.',
  })
}

function ignore(): undefined {
  return undefined
}
