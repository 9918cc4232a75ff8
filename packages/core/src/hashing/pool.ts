import { availableParallelism } from 'node:os'
import { propertyOf } from '../any-realm.ts'
import { flag, having, invalidOption } from '../kinds.ts'
import { knownOptions, withoutPrototype, type Shape } from '../snapshot.ts'
import { foreignFileSystem } from '../source/local/file-system.ts'
import { OwnThreads, type TaskThreads } from './threads/own-threads.ts'
import { ProgramThreads, type ThreadPool } from './threads/program-threads.ts'
import type { ReadAheadMemory } from './ahead/read-ahead-memory.ts'
import { warnOnce, type NoThreads } from './threads/without-threads.ts'

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
/** Threads for operations that find none of the pool's. */
const RESERVE_THREADS = 8
/** More threads than any machine has; a mistyped number would otherwise start them. */
const MOST_THREADS = 1_024

interface HashingState {
  options: HashingOptions
  /** Made by the first operation that needs it. */
  own?: OwnThreads | undefined
  /** Made by the first operation that finds no thread on a file system whose reads may take any time. */
  reserve?: OwnThreads | undefined
  /** Of the operations that run now. */
  readAheads: Set<ReadAheadMemory>
  /** How many operations use threads now. */
  operations: number
}

// The ESM and the CommonJS build of this module share one pool.
const STATE = Symbol.for('modelseal.hashing/5')
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
export function configureHashing(given?: HashingOptions): void {
  const { maxThreads, callingThread, pool } = knownOptions(given, OPTIONS, 'configureHashing')
  if (maxThreads !== undefined && !(Number.isInteger(maxThreads) && maxThreads >= 1 && maxThreads <= MOST_THREADS)) {
    throw invalidOption('maxThreads', `a whole number from 1 to ${MOST_THREADS}`, maxThreads)
  }
  // Operations that run keep the pool they have; its threads go when they have been idle.
  if (maxThreads !== state.options.maxThreads) state.own = undefined
  state.options = { maxThreads, callingThread, pool }
}

function isThreadPool(value: object): boolean {
  const maxThreads = propertyOf(value, 'maxThreads')
  return typeof propertyOf(value, 'run') === 'function' && typeof maxThreads === 'number' && maxThreads >= 1
}

const OPTIONS: Shape<HashingOptions> = {
  maxThreads: true,
  callingThread: flag,
  pool: having('a Piscina', isThreadPool),
}

/** The threads that an operation may keep busy. */
export interface Threads {
  /** How many there are at the most. */
  limit: number
  /** Whether the calling thread is one of them. */
  callingThread: boolean
  /** The others. */
  pool(): TaskThreads
  /** Why none of the others could be had, so that the calling thread does all that is left. */
  readonly lost: NoThreads | undefined
  /** Notes that none of the others can be had. */
  lose(reason: NoThreads): void
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
  let used: TaskThreads | undefined
  let lost: NoThreads | undefined
  return {
    limit: (callingThread && work < ALONE_WORK) || !(limit >= 1) ? 1 : limit,
    callingThread,
    // One pool for all of the operation, whatever is configured meanwhile.
    pool: () => (used ??= hashPool(options)),
    get lost() {
      return lost
    },
    lose(reason) {
      lost ??= reason
      warnOnce(reason.warning)
    },
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
 * The threads that hashing uses: those of the pool that the program brought, else those of this process, made on
 * first use. Idle threads do not keep the process alive.
 */
export function hashPool({ pool, maxThreads = availableParallelism() }: HashingOptions = state.options): TaskThreads {
  return pool ? new ProgramThreads(pool) : (state.own ??= new OwnThreads(maxThreads))
}

/**
 * Further threads, for operations that others leave none, one batch at a time each, and that the calling thread
 * cannot help since it would have to wait for a slow file system.
 */
export function reservePool(): TaskThreads {
  return (state.reserve ??= new OwnThreads(RESERVE_THREADS))
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
