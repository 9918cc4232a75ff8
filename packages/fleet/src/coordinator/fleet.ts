import type { Verdict } from '@modelseal/core'
import { hashingElsewhere } from '@modelseal/core/distributed'
import { ModelSealError, shown } from '@modelseal/core/errors'
import type { Catalogue } from '../catalogue/read-catalogue.ts'
import { EmbeddedQueue } from '../queue/embedded-queue.ts'
import { openRedisQueue } from '../queue/redis/redis-queue.ts'
import type { WorkQueue } from '../queue/work-queue.ts'
import { ResultStore } from '../results/result-store.ts'
import { ownKey, readWorkerKeys, WorkerSecrets, type WorkerKey } from '../results/worker-secrets.ts'
import { JobPerformer } from '../worker/job-performer.ts'
import { report } from '../telemetry/fleet-events.ts'
import { FairWindow } from './fair-window.ts'
import { FleetHashing, OF_THE_RUN, type FleetCounts, type RejectedResult } from './fleet-hashing.ts'

/** Models that are worked on at a time. */
const MODELS = 16
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
  /** Called as the bytes of a model are hashed. */
  onProgress?: ((model: string, done: number, total: number) => void) | undefined
}

/** The outcome of one model, or the error that it was refused with. */
export type ModelOutcome<T> = { model: string } & (T | { error: ModelSealError })

/** A run over a catalogue: outcomes as they come, and what has been done so far. */
export interface FleetRun<T> extends AsyncIterable<ModelOutcome<T>> {
  readonly counts: Readonly<FleetCounts>
}

/** The coordinator of one run. */
export class Fleet {
  readonly store: ResultStore
  readonly key: WorkerKey
  readonly hashing: FleetHashing
  readonly #queue: WorkQueue
  readonly #directory: string
  readonly #options: FleetOptions

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
        : await openRedisQueue(options.queue, options.signal)
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
  }

  #stopped(): ModelSealError {
    return new ModelSealError('ABORTED', 'The fleet was stopped before all models were done.', {
      hint: `Run the same command again to continue: finished work is kept in ${shown(this.#directory)}.`,
    })
  }

  /** Works on a few models at a time, and yields outcomes as they come. What is not about one model ends the run. */
  async *over<T>(
    catalogue: Catalogue,
    work: (model: string, onProgress: (done: number, total: number) => void) => Promise<T>,
  ): AsyncGenerator<ModelOutcome<T>> {
    const running = new Map<string, Promise<ModelOutcome<T>>>()
    const begin = (model: string) => {
      const onProgress = (done: number, total: number) => this.#options.onProgress?.(model, done, total)
      const outcome = hashingElsewhere(
        (request) => this.hashing.hash(model, request),
        () => work(model, onProgress),
      )
      const settled = outcome
        .then((value) => ({ model, ...value }))
        .catch((error: unknown) => failed(model, error))
        .then(reported)
      // Whoever waits for it reports the failure.
      settled.catch(() => undefined)
      running.set(model, settled)
    }
    try {
      for await (const model of catalogue.models(this.#options.signal)) {
        // The same model twice is one model while it is worked on.
        if (running.has(model)) continue
        begin(model)
        if (running.size >= MODELS) yield await next(running)
      }
      while (running.size > 0) yield await next(running)
    } catch (error) {
      throw error instanceof ModelSealError && error.code === 'ABORTED' ? this.#stopped() : error
    } finally {
      // What is left when a run ends early might wait for workers that never come.
      this.hashing.end()
      await Promise.allSettled(running.values())
      await this.#queue.close()
    }
  }
}

/** Counts the outcome, and returns it. */
function reported<T extends object>(outcome: T): T {
  if ('error' in outcome && outcome.error instanceof ModelSealError)
    report({ type: 'model', outcome: 'failed', code: outcome.error.code })
  else if ('verdict' in outcome) {
    const { decision, error } = outcome.verdict as Verdict
    report({ type: 'model', outcome: decision, ...(error ? { code: error.code } : {}) })
  } else report({ type: 'model', outcome: 'unchanged' in outcome ? 'unchanged' : 'signed' })
  return outcome
}

async function next<T>(running: Map<string, Promise<ModelOutcome<T>>>): Promise<ModelOutcome<T>> {
  const outcome = await Promise.race(running.values())
  running.delete(outcome.model)
  return outcome
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
  if (queue !== undefined && workers === undefined) throw wrong('"workers", the file with their secrets', undefined)
}
