import { availableParallelism } from 'node:os'
import { extname } from 'node:path'
import type { Piscina } from 'piscina'
import { ModelSealError } from '../errors.ts'
import type { HashBatch, HashBatchResult } from './worker.ts'

export type HashPool = Piscina<HashBatch, HashBatchResult>

/** Idle threads go after this time, in milliseconds. */
const IDLE_TIMEOUT = 5_000

// The ESM and the CommonJS build of this module share one pool.
const POOL = Symbol.for('modelseal.hashing.pool/1')
const registry = globalThis as { [POOL]?: Promise<HashPool> | undefined }

/** How many threads hash at once. */
const POOL_THREADS = availableParallelism()

/**
 * The one pool of this process, made on first use. Idle threads do not keep the process alive.
 *
 * @throws {@link ModelSealError} `WORKER_FAILED`
 */
export async function hashPool(): Promise<HashPool> {
  const pool = (registry[POOL] ??= createPool())
  try {
    return await pool
  } catch (cause) {
    // The next operation tries again.
    if (registry[POOL] === pool) registry[POOL] = undefined
    throw new ModelSealError('WORKER_FAILED', 'The worker pool for hashing could not be started.', {
      hint: 'Check the installation of piscina, and the limits on threads and memory of the process.',
      cause,
    })
  }
}

/**
 * Ends the threads of the hashing pool at once. Not needed before a process exits; the next
 * operation makes a new pool.
 *
 * @example
 * ```ts
 * afterAll(() => closeHashPool())
 * ```
 */
export async function closeHashPool(): Promise<void> {
  const pool = registry[POOL]
  registry[POOL] = undefined
  await (await pool?.catch(() => undefined))?.destroy()
}

async function createPool(): Promise<HashPool> {
  // By way of the default export: the package is a class that carries its other names as accessors,
  // and those the CommonJS build does not see through an import of the whole.
  const { default: piscina } = await import('piscina')
  // Beside the source when run from it, else the built file of the same module format.
  const extension = extname(import.meta.url)
  const worker = extension === '.ts' ? './worker.ts' : `./hashing-worker${extension}`
  return new piscina.Piscina<HashBatch, HashBatchResult>({
    filename: new URL(worker, import.meta.url).href,
    minThreads: 0,
    maxThreads: POOL_THREADS,
    idleTimeout: IDLE_TIMEOUT,
    concurrentTasksPerWorker: 1,
    execArgv: [], // the program's own preloads have no business in these threads
  })
}
