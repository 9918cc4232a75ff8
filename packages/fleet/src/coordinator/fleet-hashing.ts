import { randomInt } from 'node:crypto'
import { lanes, type ElsewhereRequest } from '@modelseal/core/distributed'
import { ModelSealError, type ErrorCode } from '@modelseal/core/errors'
import { isUrl } from '../catalogue/model-line.ts'
import { jobsOf, type PlannedJob } from '../jobs/split.ts'
import { authenticResult, type Result } from '../results/result.ts'
import type { ResultStore } from '../results/result-store.ts'
import type { WorkerSecrets } from '../results/worker-secrets.ts'
import { report } from '../telemetry/fleet-events.ts'
import type { Order, WorkQueue } from '../queue/work-queue.ts'
import { disagreeing, unauthentic } from './doubtful-results.ts'
import type { FairWindow } from './fair-window.ts'

/** How often a job is given out again if what came back was not authentic. */
const MOST_ATTEMPTS = 5
/** In seconds, by which the clocks of workers may differ from this one. */
const CLOCKS = 300
/** Of so many draws, a share is audited. */
const DRAWS = 2 ** 32
/** Errors that end a run. Only this process decides about that. */
export const OF_THE_RUN: ReadonlySet<ErrorCode> = new Set(['ABORTED', 'FLEET_QUEUE', 'INVALID_ARGUMENT'])

/** A result that does not count, and why. */
export interface RejectedResult {
  readonly job: string
  readonly reason: string
}

/** What a run has done so far. */
export interface FleetCounts {
  /** Jobs that workers did in this run. */
  jobs: number
  /** Jobs that were done before. */
  reused: number
  /** Bytes that workers read in this run. */
  bytes: number
  rejected: number
}

/** What the coordinator needs to have files hashed. */
export interface HashingParts {
  readonly queue: WorkQueue
  readonly store: ResultStore
  readonly secrets: WorkerSecrets
  readonly window: FairWindow
  /** Share of the jobs that two workers do, between 0 and 1. */
  readonly audit: number
  /** Milliseconds after which a stored result does not count any more. */
  readonly maxAge: number
  readonly onRejected: (rejected: RejectedResult) => void
}

/** For what a job is done. */
interface Asked {
  readonly model: string
  readonly signal: AbortSignal
  /** Is told of bytes that were hashed, or that do not count any more. */
  readonly advance: (bytes: number) => void
}

/** Has the files of models hashed by workers, and believes only what they have authenticated. */
export class FleetHashing {
  readonly counts: FleetCounts = { jobs: 0, reused: 0, bytes: 0, rejected: 0 }
  readonly #parts: HashingParts
  /** Jobs that are being done: two models may have the same one. */
  readonly #current = new Map<string, Promise<readonly string[]>>()
  /** Of the models that are being hashed. */
  readonly #failures = new Set<AbortController>()
  #hasEnded = false

  /** Bytes of the jobs that are being done, as workers say. */
  #begun = 0

  constructor(parts: HashingParts) {
    this.#parts = parts
  }

  /** Bytes that were hashed in this run, also of jobs that are being done. */
  get bytes(): number {
    return this.counts.bytes + this.#begun
  }

  /**
   * @param model path or URL of the model
   * @returns the digests of each file, in the order in which they are wanted
   * @throws {@link ModelSealError} `FLEET_RESULT`, `FLEET_DISAGREES`, `FLEET_QUEUE`, `FILE_WRITE_FAILED`, `FILE_UNREADABLE`, `ABORTED`, and what a worker
   * refuses the job with
   */
  async hash(model: string, { files, signal, onProgress }: ElsewhereRequest): Promise<string[][]> {
    const digests = files.map(({ wanted }) => wanted.map(() => ''))
    const source = files.some(({ place }) => 'path' in place) ? undefined : model
    const jobs = [...jobsOf(files, source)]
    const failure = new AbortController()
    // AbortSignal.any() would leave something behind for each model at a signal that lives as long as the run.
    const stop = () => failure.abort()
    signal?.addEventListener('abort', stop, { once: true })
    this.#failures.add(failure)
    if (this.#hasEnded || signal?.aborted) stop()
    let [done, begun] = [0, 0]
    const advance = (by: number) => {
      begun += by
      this.#begun += by
      if (by > 0) onProgress?.(done + begun)
    }
    // The total is known.
    onProgress?.(0)
    const work = async (job: PlannedJob) => {
      const found = await this.#digestsOf(job, { model, signal: failure.signal, advance })
      job.places.forEach(([file, wanted], index) => {
        const digest = digests[file]
        if (digest) digest[wanted] = found[index] ?? ''
      })
      done += job.bytes
      onProgress?.(done + begun)
    }
    const running = lanes(jobs, this.#parts.queue.window, work)
    try {
      await Promise.all(running)
      return digests
    } catch (error) {
      failure.abort()
      await Promise.allSettled(running)
      throw error
    } finally {
      this.#failures.delete(failure)
      signal?.removeEventListener('abort', stop)
      this.#parts.window.leave(model)
    }
  }

  /** Breaks off whatever is being hashed, with `ABORTED`, and begins nothing more. */
  end(): void {
    this.#hasEnded = true
    for (const failure of this.#failures) failure.abort()
  }

  async #digestsOf(job: PlannedJob, of: Asked): Promise<readonly string[]> {
    // Again after each wait: of all that wait for a job which fails, only one may begin it.
    for (let current = this.#current.get(job.id); current; current = this.#current.get(job.id)) {
      const found = await current.catch(() => undefined)
      if (found) return found
    }
    const work = this.#done(job, of)
    this.#current.set(job.id, work)
    try {
      return await work
    } finally {
      if (this.#current.get(job.id) === work) this.#current.delete(job.id)
    }
  }

  async #done(job: PlannedJob, of: Asked): Promise<readonly string[]> {
    const { store } = this.#parts
    const lines = await this.#stored(job)
    const isAudited = await this.#isAudited(job)
    const needed = isAudited ? 2 : 1
    const orders: Order[] = []
    if (lines.size >= needed) {
      this.counts.reused += 1
      report({ type: 'jobReused' })
    }
    while (lines.size < needed) {
      const [not] = lines.keys()
      if (not !== undefined) await store.write('audits', job.id, [not])
      const order: Order = { id: job.id, text: job.text, ...(not === undefined ? {} : { not }) }
      const { worker, line } = await this.#given(job, order, of)
      lines.set(worker, line)
      orders.push(order)
    }
    const results = [...lines.values()].map((line) => authenticResult(line, job, this.#parts.secrets))
    const [first, ...others] = results.filter((result) => typeof result !== 'string')
    if (!first) throw unauthentic(job, 'none')
    const different = others.find((other) => !isSame(first, other))
    if (isAudited) report({ type: 'audit', agrees: !different })
    if (different) {
      for (const order of orders) await this.#parts.queue.forget(order)
      throw disagreeing(job, first, different)
    }
    if (orders.length > 0) await store.write('results', job.id, [...lines.values()])
    if (isAudited) await store.remove('audits', job.id)
    for (const order of orders) await this.#parts.queue.forget(order)
    return first.digests
  }

  /** Nobody can foresee it. An audit that was begun is done in the next run: whoever spoils it gains nothing. */
  async #isAudited({ id }: PlannedJob): Promise<boolean> {
    const { audit, store } = this.#parts
    if (audit === 0) return false
    return randomInt(DRAWS) < audit * DRAWS || (await store.lines('audits', id)).length > 0
  }

  /** The authentic results that are kept, by their workers. */
  async #stored(job: PlannedJob): Promise<Map<string, string>> {
    const { store, secrets } = this.#parts
    const lines = new Map<string, string>()
    const [earliest, now] = [this.#earliest(), Date.now() / 1_000]
    for (const line of await store.lines('results', job.id)) {
      const result = authenticResult(line, job, secrets)
      if (typeof result === 'string') this.#reject(job, result)
      else if (!result.refusal && result.time >= earliest && result.time <= now + CLOCKS) lines.set(result.worker, line)
    }
    return lines
  }

  /** Has a worker do a job, again if what came back is not authentic. */
  async #given(
    job: PlannedJob,
    order: Order,
    { model, signal, advance }: Asked,
  ): Promise<{ worker: string; line: string }> {
    const { queue, window, secrets } = this.#parts
    const turn = { model, source: sourceOf(model), bytes: job.bytes }
    // What is left in the queue from an earlier run, or put there again, is not newer than what was kept.
    const earliest = this.#earliest() - CLOCKS
    let reason = ''
    for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
      if (attempt > 0) report({ type: 'jobRedone', reason: 'rejected' })
      let [offered, begun] = [0, 0]
      const onProgress = (bytes: number) => {
        const more = Math.min(bytes, job.bytes) - begun
        if (more <= 0) return
        begun += more
        advance(more)
      }
      const line = await window
        .run(turn, signal, () => {
          offered = process.uptime()
          report({ type: 'jobOffered' })
          return queue.run(order, signal, onProgress)
        })
        .finally(() => advance(-begun))
      const result = authenticResult(line, job, secrets)
      const fault = typeof result === 'string' ? result : faultOf(result, order, earliest)
      if (typeof result !== 'string' && fault === undefined) {
        if (result.refusal) {
          await queue.forget(order)
          throw refused(result, result.refusal)
        }
        this.counts.jobs += 1
        this.counts.bytes += job.bytes
        report({ type: 'jobFinished', bytes: job.bytes, seconds: process.uptime() - offered })
        return { worker: result.worker, line }
      }
      reason = fault ?? ''
      this.#reject(job, reason)
      await queue.forget(order)
    }
    throw unauthentic(job, reason)
  }

  /** The time, in seconds, since which results count. */
  #earliest(): number {
    return (Date.now() - this.#parts.maxAge) / 1_000
  }

  #reject({ id: job }: PlannedJob, reason: string): void {
    this.counts.rejected += 1
    this.#parts.onRejected({ job, reason })
  }
}

/** The host or bucket that a model is read from. */
function sourceOf(model: string): string {
  if (!isUrl(model)) return 'disk'
  const { protocol, host } = new URL(model)
  return `${protocol}//${host}`
}

/** Why an authentic result does not count; undefined if it does. */
function faultOf({ worker, time }: Result, { not }: Order, earliest: number): string | undefined {
  if (worker === not) return `${worker} did it a second time`
  if (time < earliest) return `${worker} did it at an earlier time`
  // It would still count as new long after it was computed.
  if (time > Date.now() / 1_000 + CLOCKS) return `the clock of ${worker} is ahead`
  return undefined
}

function refused({ worker }: Result, { code, message }: { code: ErrorCode; message: string }): ModelSealError {
  return new ModelSealError(OF_THE_RUN.has(code) ? 'WORKER_FAILED' : code, message, {
    hint: `The worker ${worker} reported this when it was asked to hash files.`,
  })
}

function isSame(one: Result, other: Result): boolean {
  return one.digests.join() === other.digests.join()
}
