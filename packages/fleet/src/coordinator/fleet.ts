import { clearInterval, setInterval } from 'node:timers'
import type { Verdict } from '@modelseal/core'
import { hashingElsewhere } from '@modelseal/core/distributed'
import { ModelSealError, shown, type ErrorCode } from '@modelseal/core/errors'
import type { Catalogue } from '../catalogue/read-catalogue.ts'
import { EmbeddedQueue } from '../queue/embedded-queue.ts'
import { openRedisQueue } from '../queue/redis/redis-queue.ts'
import type { RunProgress, WorkQueue } from '../queue/work-queue.ts'
import { ResultStore } from '../results/result-store.ts'
import { ownKey, readWorkerKeys, WorkerSecrets, type WorkerKey } from '../results/worker-secrets.ts'
import { JobPerformer } from '../worker/job-performer.ts'
import { report } from '../telemetry/fleet-events.ts'
import { FairWindow } from './fair-window.ts'
import { FleetHashing, OF_THE_RUN, type FleetCounts, type RejectedResult } from './fleet-hashing.ts'
import { CountedProgress } from './run-progress.ts'
import { Settling } from './settling.ts'

/** Models that are worked on at a time. */
const MODELS = 16
/** Milliseconds after which others are told how far the run is. */
const TOLD_EVERY = 2_000
/** Jobs that read one source at a time. */
const PER_SOURCE = 64

/** How a catalogue is worked through. */
export interface FleetOptions {
  /** URL of Redis, `redis:` or `rediss:`. Without it, this process does all jobs. */
  queue?: string | undefined
  /** File with the secrets of the workers, which only this user can read. Needed with `queue`. */
  workers?: string | undefined
  /** Directory of the results. Default: `.modelseal-fleet` beside the catalogue. */
  results?: string | undefined
  /** Share of the jobs that two different workers do, in percent. Default: 0. */
  audit?: number | undefined
  /** Jobs that read one host, one bucket, or the disks, at a time. Default: 64. */
  perSource?: number | undefined
  signal?: AbortSignal | undefined
  /** Called for each result that does not count. */
  onRejected?: ((rejected: RejectedResult) => void) | undefined
  /** Called with what the run waits for, when Redis does not answer or no worker that is connected can do some job. */
  onWaiting?: ((message: string) => void) | undefined
  /** Called as the bytes of a model are hashed. */
  onProgress?: ((model: string, done: number, total: number) => void) | undefined
}

/** The outcome of one model, or the error that it was refused with. */
export type ModelOutcome<T> = { model: string } & (T | { error: ModelSealError })

/**
 * A run over a catalogue: outcomes as they come, and what has been done so far. Iterate over it once: the work begins then, and its connections are
 * closed when the loop ends.
 */
export interface FleetRun<T> extends AsyncIterable<ModelOutcome<T>> {
  readonly counts: Readonly<FleetCounts>
  /** How far the run is now. */
  progress(): RunProgress
}

/** What is done with one model. */
type ModelWork<T> = (model: string, onProgress: (done: number, total: number) => void) => Promise<T>

/** The coordinator of one run. */
export class Fleet {
  readonly store: ResultStore
  readonly key: WorkerKey
  readonly hashing: FleetHashing
  readonly #queue: WorkQueue
  readonly #directory: string
  readonly #options: FleetOptions
  readonly #progress: CountedProgress

  /** @throws {@link ModelSealError} `INVALID_ARGUMENT`, `FLEET_QUEUE`, `FLEET_PACKAGES`, `CACHE_UNSAFE`, and what reading the secrets throws */
  static async open({ place }: Catalogue, options: FleetOptions, maxAge: number): Promise<Fleet> {
    checkOptions(options)
    const own = await ownKey()
    const workers = options.workers === undefined ? [] : await readWorkerKeys(options.workers)
    if ((options.audit ?? 0) > 0 && (options.queue === undefined || workers.length < 2))
      throw new ModelSealError('INVALID_ARGUMENT', 'Cannot audit the jobs: an audit needs two workers.', {
        expected: 'a queue, and at least two workers with secrets',
      })
    const queue =
      options.queue === undefined
        ? new EmbeddedQueue(new JobPerformer(own, undefined))
        : await openRedisQueue(options.queue, options.signal, options.onWaiting)
    return new Fleet({ queue, own, workers, directory: options.results ?? place, maxAge }, options)
  }

  private constructor(
    parts: { queue: WorkQueue; own: WorkerKey; workers: readonly WorkerKey[]; directory: string; maxAge: number },
    options: FleetOptions,
  ) {
    this.#queue = parts.queue
    this.#options = options
    this.key = parts.own
    this.#directory = parts.directory
    this.store = new ResultStore(parts.directory)
    this.hashing = new FleetHashing({
      queue: parts.queue,
      store: this.store,
      secrets: new WorkerSecrets([...parts.workers, parts.own]),
      window: new FairWindow(parts.queue.window, options.perSource ?? PER_SOURCE),
      audit: (options.audit ?? 0) / 100,
      maxAge: parts.maxAge,
      onRejected: (rejected) => options.onRejected?.(rejected),
    })
    this.#progress = new CountedProgress(() => this.hashing.bytes)
  }

  #stopped(): ModelSealError {
    return new ModelSealError('ABORTED', 'The fleet was stopped before all models were done.', {
      hint: `Run the same command again to continue: finished work is kept in ${shown(this.#directory)}.`,
    })
  }

  /** Works on a few models at a time; outcomes come as they are there. What is not about one model ends the run. */
  run<T extends object>(catalogue: Catalogue, work: ModelWork<T>): FleetRun<T> {
    const outcomes = this.#over(catalogue, work)
    return {
      counts: this.hashing.counts,
      progress: () => this.#progress.now(),
      [Symbol.asyncIterator]: () => outcomes,
    }
  }

  async *#over<T extends object>(catalogue: Catalogue, work: ModelWork<T>): AsyncGenerator<ModelOutcome<T>> {
    const running = new Set<string>()
    const outcomes = new Settling<ModelOutcome<T>>()
    const next = async () => {
      const outcome = await outcomes.next()
      running.delete(outcome.model)
      return outcome
    }
    const telling = setInterval(() => this.#queue.tell(this.#progress.now()), TOLD_EVERY).unref()
    try {
      for await (const model of catalogue.models(this.#options.signal)) {
        // The same model twice is one model while it is worked on.
        if (running.has(model)) continue
        running.add(model)
        outcomes.add(this.#outcomeOf(model, work))
        if (running.size >= MODELS) yield await next()
      }
      while (running.size > 0) yield await next()
    } catch (error) {
      throw error instanceof ModelSealError && error.code === 'ABORTED' ? this.#stopped() : error
    } finally {
      clearInterval(telling)
      // What is left when a run ends early might wait for workers that never come.
      this.hashing.end()
      await outcomes.all()
      await this.#queue.close()
    }
  }

  async #outcomeOf<T extends object>(model: string, work: ModelWork<T>): Promise<ModelOutcome<T>> {
    const onProgress = (done: number, total: number) => {
      this.#progress.hashed(model, done, total)
      this.#options.onProgress?.(model, done, total)
    }
    this.#progress.begin(model)
    try {
      const outcome = await hashingElsewhere(
        (request) => this.hashing.hash(model, request),
        () => work(model, onProgress),
      )
      this.#progress.end(model, false)
      report({ type: 'model', ...named(outcome) })
      return { model, ...outcome }
    } catch (error) {
      const outcome = failed(model, error)
      this.#progress.end(model, true)
      report({ type: 'model', outcome: 'failed', code: outcome.error.code })
      return outcome
    }
  }
}

/** What became of a model, as metrics name it. */
function named(outcome: object): { outcome: string; code?: ErrorCode } {
  if (!('verdict' in outcome)) return { outcome: 'unchanged' in outcome ? 'unchanged' : 'signed' }
  const { decision, error } = outcome.verdict as Verdict
  return { outcome: decision, ...(error ? { code: error.code } : {}) }
}

function failed(model: string, error: unknown): { model: string; error: ModelSealError } {
  if (error instanceof ModelSealError && !OF_THE_RUN.has(error.code)) return { model, error }
  throw error
}

function checkOptions({ queue, workers, audit = 0, perSource = 1 }: FleetOptions): void {
  const wrong = (expected: string, found: unknown) =>
    new ModelSealError('INVALID_ARGUMENT', 'Cannot work through the catalogue: an option is wrong.', {
      expected,
      found: String(found),
    })
  if (!(audit >= 0 && audit <= 100)) throw wrong('"audit" between 0 and 100', audit)
  if (!Number.isSafeInteger(perSource) || perSource < 1) throw wrong('"perSource" of at least 1', perSource)
  if (queue !== undefined && workers === undefined)
    throw wrong('"workers", the file with their secrets (--workers), because there is a queue', 'none')
}
