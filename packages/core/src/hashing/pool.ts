import { createRequire } from 'node:module'
import { availableParallelism } from 'node:os'
import { extname } from 'node:path'
import type { MessagePort } from 'node:worker_threads'
import type * as PiscinaModule from 'piscina'
import { ModelSealError, shown } from '../errors.ts'
import { withoutPrototype } from '../snapshot.ts'
import { foreignFileSystem } from '../source/file-system.ts'
import type { ReadAheadMemory } from './read-ahead.ts'

/** A pool of worker threads, as far as it is needed here: a `Piscina` is one. */
export interface ThreadPool {
  /** Runs the function `name` of the module `filename` with `task` in one of the threads. */
  run(task: unknown, options: { filename: string; name: string; transferList?: MessagePort[] }): Promise<unknown>
  /** How many threads there are at the most. */
  readonly maxThreads: number
}

/** How this process hashes. */
export interface HashingOptions {
  /** How many threads hash at the most. Default: as many as processors are available. */
  maxThreads?: number | undefined
  /**
   * True where the calling thread is one of them, in turns of a millisecond between which it does
   * everything else: for a program that has nothing to do but wait, as a command line. It hashes while
   * the others start, and models under 64 MiB alone; on a file system that is not local, whose reads may
   * take any time, it leaves the work to the others. Small files that `signModel()`, `digestModel()` and `verifyModel()`
   * find unchanged for seconds are hashed without their states being looked at before; the total of the
   * progress is an estimate meanwhile. Default: false, since a service answers requests.
   */
  callingThread?: boolean | undefined
  /**
   * A `Piscina` of the program's own that the hashing shares. Its threads are the program's: they are
   * neither made nor ended here.
   */
  pool?: ThreadPool | undefined
}

/** For less work than this, a calling thread that hashes has no other started: that takes as long. */
const ALONE_WORK = 64 * 1024 * 1024
/** Idle threads go after this time, in milliseconds. */
const IDLE_TIMEOUT = 5_000
/** Of a thread's heap, for new objects. */
const YOUNG_MEGABYTES = 3
/** Threads for operations that find none of the pool's. */
const RESERVE_THREADS = 8
/** More threads than any machine has; a mistyped number would otherwise start them. */
const MOST_THREADS = 1_024

interface OwnPool extends ThreadPool {
  destroy(): Promise<void>
}

interface HashingState {
  options: HashingOptions
  /** Made by the first operation that needs it. */
  own?: OwnPool | undefined
  /** Made by the first operation that finds no thread on a file system whose reads may take any time. */
  reserve?: OwnPool | undefined
  /** Of the operations that run now. */
  readAheads: Set<ReadAheadMemory>
  /** How many operations use threads now. */
  operations: number
}

// The ESM and the CommonJS build of this module share one pool.
const STATE = Symbol.for('modelseal.hashing/4')
const registry = globalThis as { [STATE]?: HashingState | undefined }
const state = (registry[STATE] ??= {
  options: withoutPrototype<HashingOptions>({}),
  readAheads: new Set(),
  operations: 0,
})

/**
 * Sets how all hashing of this process uses threads, from the next operation on; without options it
 * is again as it was at the start. Models under 8 MiB are hashed on the calling thread, always.
 *
 * @throws {@link ModelSealError} `INVALID_ARGUMENT`
 * @example
 * ```ts
 * configureHashing({ maxThreads: 2 }) // leave the other processors to inference
 * configureHashing({ pool: new Piscina({ maxThreads: 8 }) }) // or share the threads of the program
 * ```
 */
export function configureHashing(given: HashingOptions = {}): void {
  const { maxThreads, callingThread, pool } = withoutPrototype(given)
  if (maxThreads !== undefined && !(Number.isInteger(maxThreads) && maxThreads >= 1 && maxThreads <= MOST_THREADS)) {
    throw new ModelSealError('INVALID_ARGUMENT', 'The option maxThreads makes no sense.', {
      expected: `a whole number from 1 to ${MOST_THREADS}`,
      found: shown(String(maxThreads)),
    })
  }
  if (callingThread !== undefined && typeof callingThread !== 'boolean') {
    throw new ModelSealError('INVALID_ARGUMENT', 'The option callingThread makes no sense.', {
      expected: 'true or false',
      found: typeof callingThread,
    })
  }
  if (pool !== undefined && !isThreadPool(pool)) {
    throw new ModelSealError('INVALID_ARGUMENT', 'The option pool makes no sense.', {
      expected: 'a Piscina',
      found: typeof pool,
    })
  }
  // Operations that run keep the pool they have; its threads go when they have been idle.
  if (maxThreads !== state.options.maxThreads) state.own = undefined
  state.options = { maxThreads, callingThread, pool }
}

function isThreadPool(value: unknown): value is ThreadPool {
  const { run, maxThreads } = (value ?? {}) as Partial<ThreadPool>
  return typeof run === 'function' && typeof maxThreads === 'number'
}

/** The threads that an operation may keep busy. */
export interface Threads {
  /** How many there are at the most. */
  limit: number
  /** Whether the calling thread is one of them. */
  callingThread: boolean
  /**
   * The others.
   *
   * @throws {@link ModelSealError} `WORKER_FAILED`
   */
  pool(): ThreadPool
}

/**
 * The threads for an operation, as they are configured now.
 *
 * @param work that it is, by `workOf()`
 * @param path of one of the files
 */
export function hashingThreads(work: number, path: string): Threads {
  const { options } = state
  const { pool, maxThreads } = options
  const callingThread = callingThreadHashes(path)
  const available = pool ? pool.maxThreads + (callingThread ? 1 : 0) : Infinity
  const limit = Math.min(maxThreads ?? (pool ? Infinity : availableParallelism()), available)
  let used: ThreadPool | undefined
  return {
    limit: callingThread && work < ALONE_WORK ? 1 : limit,
    callingThread,
    // One pool for all of the operation, whatever is configured meanwhile.
    pool: () => (used ??= hashPool(options)),
  }
}

/** Whether a calling thread hashes: it may, and reads of the file at `path` do not take any time. */
export function callingThreadHashes(path: string): boolean {
  return state.options.callingThread === true && foreignFileSystem(path) === undefined
}

/** How many operations use threads now. */
export function runningOperations(): number {
  return state.operations
}

/** Counts an operation as long as it runs. */
export async function asOperation<T>(run: () => Promise<T>): Promise<T> {
  state.operations++
  try {
    return await run()
  } finally {
    state.operations--
  }
}

/** The operations whose threads may read ahead. */
export const activeReadAheads = state.readAheads

/**
 * The pool that hashing uses: the one that the program brought, else the one of this process, made on
 * first use. Idle threads do not keep the process alive.
 *
 * @throws {@link ModelSealError} `WORKER_FAILED`
 */
export function hashPool({ pool, maxThreads = availableParallelism() }: HashingOptions = state.options): ThreadPool {
  return pool ?? (state.own ??= createdPool(maxThreads))
}

/**
 * Further threads, for operations that others leave none, one batch at a time each, and that the calling thread
 * cannot help since it would have to wait for a slow file system.
 *
 * @throws {@link ModelSealError} `WORKER_FAILED`
 */
export function reservePool(): ThreadPool {
  return (state.reserve ??= createdPool(RESERVE_THREADS))
}

function createdPool(maxThreads: number): OwnPool {
  try {
    return createPool(maxThreads)
  } catch (cause) {
    throw new ModelSealError('WORKER_FAILED', 'The worker pool for hashing could not be started.', {
      hint: 'Check the installation of piscina, and the limits on threads and memory of the process.',
      cause,
    })
  }
}

/**
 * Ends the threads of the hashing pool at once; a pool that the program brought stays as it is. Not
 * needed before a process exits; the next operation makes a new pool.
 *
 * @example
 * ```ts
 * afterAll(() => closeHashPool())
 * ```
 */
export async function closeHashPool(): Promise<void> {
  const { own, reserve } = state
  state.own = undefined
  state.reserve = undefined
  await Promise.all([own?.destroy(), reserve?.destroy()])
}

/** The module of the tasks: beside the source when run from it, else as CommonJS, which a thread starts faster. */
export function workerModule(): string {
  const file = extname(import.meta.url) === '.ts' ? './worker.ts' : './hashing-worker.cjs'
  return new URL(file, import.meta.url).href
}

function createPool(maxThreads: number): OwnPool {
  // Not imported: in a program of CommonJS that would start the loader of ES modules besides.
  const { Piscina } = createRequire(import.meta.url)('piscina') as typeof PiscinaModule
  const pool = new Piscina<unknown, unknown>({
    filename: workerModule(),
    name: 'hashBatch',
    minThreads: 0,
    maxThreads,
    idleTimeout: IDLE_TIMEOUT,
    concurrentTasksPerWorker: 1,
    // What hashing leaves behind is small and short-lived: less of it at once stays in the cache.
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MEGABYTES },
    stricterFIFO: true, // the largest go first
    execArgv: [], // the program's own preloads have no business in these threads
  })
  // A thread that dies fails its task, and so the operation; one without a task harms nobody.
  pool.on('error', () => {})
  return pool
}
