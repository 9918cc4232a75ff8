import { availableParallelism } from 'node:os'
import { propertyOf } from '../any-realm.ts'
import { flag, having, invalidOption } from '../kinds.ts'
import { snapshot, withoutPrototype, type Shape } from '../snapshot.ts'
import { foreignFileSystem } from '../source/local/file-system.ts'
import { PieceThread } from './arriving/piece-thread.ts'
import { OwnThreads, type TaskThreads } from './threads/own-threads.ts'
import { ProgramThreads, type ThreadPool } from './threads/program-threads.ts'
import type { ReadAheadMemory } from './ahead/read-ahead-memory.ts'
import { warnOnce, type NoThreads } from './threads/without-threads.ts'

/** How this process hashes. */
export interface HashingOptions {
  /** Maximum number of hashing threads (default: number of available CPUs). */
  maxThreads?: number | undefined
  /**
   * Whether the calling thread is one of the hashing threads (default: false, because a service must answer requests).
   * It then hashes in turns of one millisecond and yields to the event loop in between. Use this in programs that only
   * wait for the result, such as a command line. The calling thread hashes while other threads start, and hashes
   * models under 64 MiB alone. On file systems that are not local, where reads may take arbitrarily long, it leaves
   * the work to the other threads. `signModel()`, `digestModel()` and `verifyModel()` then hash small files that
   * have not changed for some seconds without reading their state first; meanwhile, the total of the progress is an
   * estimate.
   */
  callingThread?: boolean | undefined
  /**
   * A `Piscina` pool of the program, used for hashing instead of separate threads. modelseal neither starts nor
   * ends its threads.
   */
  pool?: ThreadPool | undefined
}

/** For less work than this, a calling thread that hashes starts no other thread, which would take as long. */
const ALONE_WORK = 64 * 1024 * 1024
/** Maximum number of threads for operations that find all threads of the pool busy. */
const RESERVE_THREADS = 8
/** More threads than any machine has. Catches mistyped numbers. */
const MOST_THREADS = 1_024

interface HashingState {
  options: HashingOptions
  /** Created by the first operation that needs it. */
  own?: OwnThreads | undefined
  /** Created by the first operation that finds no free thread on a file system where reads may take arbitrarily long. */
  reserve?: OwnThreads | undefined
  /** Created by the first large file that arrives. */
  arriving?: { readonly threads: OwnThreads; readonly thread: PieceThread } | undefined
  /** The memory of all running operations. */
  readAheads: Set<ReadAheadMemory>
  /** Number of operations that currently use threads. */
  operations: number
}

// The ESM and the CommonJS build of this module share one pool.
const STATE = Symbol.for('modelseal.hashing/7')
const registry = globalThis as { [STATE]?: HashingState | undefined }
const state = (registry[STATE] ??= {
  options: withoutPrototype<HashingOptions>({}),
  readAheads: new Set(),
  operations: 0,
})

/**
 * Sets how this process uses threads for hashing, from the next operation on. Without options, restores
 * the defaults. Models under 8 MiB are always hashed on the calling thread.
 *
 * @throws {@link ModelSealError} `INVALID_ARGUMENT`
 * @example
 * ```ts
 * configureHashing({ maxThreads: 2 }) // leave the other CPUs to inference
 * configureHashing({ pool: new Piscina({ maxThreads: 8 }) }) // or share the program's threads
 * ```
 */
export function configureHashing(given?: HashingOptions): void {
  const { maxThreads, callingThread, pool } = snapshot(given, OPTIONS, 'configureHashing')
  if (maxThreads !== undefined && !(Number.isInteger(maxThreads) && maxThreads >= 1 && maxThreads <= MOST_THREADS)) {
    throw invalidOption('maxThreads', `an integer from 1 to ${MOST_THREADS}`, maxThreads)
  }
  // Running operations keep the old pool; its threads end once they have been idle.
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
  /** Maximum number of threads. */
  limit: number
  /** Whether the calling thread is one of them. */
  callingThread: boolean
  /** The others. */
  pool(): TaskThreads
  /** Why none of the others could be started; the calling thread then does all that is left. */
  readonly lost: NoThreads | undefined
  /** Records that none of the others can be started. */
  lose(reason: NoThreads): void
}

/**
 * The threads for an operation, as configured now.
 *
 * @param work of the operation, as `workOf()` counts it
 * @param path of one of the files
 */
export function hashingThreads(work: number, path: string): Threads {
  const { options } = state
  const { pool, maxThreads } = options
  const callingThread = callingThreadHashes(path)
  const available = pool ? pool.maxThreads + (callingThread ? 1 : 0) : Infinity
  const limit = Math.min(maxThreads ?? (pool ? Infinity : processors()), available)
  let used: TaskThreads | undefined
  let lost: NoThreads | undefined
  return {
    limit: (callingThread && work < ALONE_WORK) || !(limit >= 1) ? 1 : limit,
    callingThread,
    // One pool for the whole operation, even if the configuration changes in the meantime.
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

/** Asked once, because the answer takes 0.2 ms. */
function processors(): number {
  return (known ??= availableParallelism())
}

let known: number | undefined

/** Whether the calling thread hashes: it is configured to, and reads of the file at `path` cannot take arbitrarily long. */
export function callingThreadHashes(path: string): boolean {
  return state.options.callingThread === true && foreignFileSystem(path) === undefined
}

/** Number of operations that currently use threads. */
export function runningOperations(): number {
  return state.operations
}

/** Counts the operation while it runs. */
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
 * The threads used for hashing: those of the program's pool, or else threads of this process, started on
 * first use. Idle threads do not keep the process alive.
 */
export function hashPool({ pool, maxThreads = processors() }: HashingOptions = state.options): TaskThreads {
  return pool ? new ProgramThreads(pool) : (state.own ??= new OwnThreads(maxThreads))
}

/**
 * Additional threads for operations that find all others busy and that the calling thread cannot help, because it
 * would have to wait for a slow file system. Each operation gets one batch at a time.
 */
export function reservePool(): TaskThreads {
  return (state.reserve ??= new OwnThreads(RESERVE_THREADS))
}

/**
 * An additional thread, which hashes files as they arrive: a download occupies it for as long as it takes, which must not keep
 * other work waiting. Undefined if the program has a pool of its own, beside which no threads are started.
 */
export function pieceThread(): PieceThread | undefined {
  if (state.options.pool) return undefined
  if (!state.arriving) {
    const threads = new OwnThreads(1)
    state.arriving = { threads, thread: new PieceThread(threads) }
  }
  return state.arriving.thread
}

/**
 * Ends modelseal's hashing threads at once. A pool of the program is not touched. There is no need to call this
 * before a process exits. The next operation starts new threads.
 *
 * @example
 * ```ts
 * afterAll(() => closeHashPool())
 * ```
 */
export async function closeHashPool(): Promise<void> {
  const { own, reserve, arriving } = state
  state.own = undefined
  state.reserve = undefined
  state.arriving = undefined
  await Promise.all([own?.destroy(), reserve?.destroy(), arriving?.threads.destroy()])
}
