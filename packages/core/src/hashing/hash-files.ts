import { ModelSealError } from '../errors.ts'
import { withoutPrototype } from '../snapshot.ts'
import { abortedError, nextTurn, throwIfAborted } from '../source/aborted.ts'
import { Turns } from '../source/turns.ts'
import type { HashType } from './algorithms.ts'
import { piecesOf, SMALL_BYTES, totalBytes, workOf } from './batches.ts'
import { at } from '../at.ts'
import { clearInterval, setInterval } from '../real-time.ts'
import { elsewhere, jobsElsewhere } from './elsewhere.ts'
import { fairTurn } from './fair-turns.ts'
import { descriptorOf, isCopied, type HashJob, type HashResult } from './hash-file.ts'
import { hashInTurns } from './hash-in-turns.ts'
import { asOperation, hashingThreads, type Threads } from './pool.ts'
import { abortShared, bytesDone, newSharedControl } from './shared-control.ts'
import { spread } from './spread.ts'
import { workerFailed } from './threads/worker-failed.ts'
import type { HashingWarning } from './threads/without-threads.ts'

/** Bytes hashed so far and bytes in total. The total is an estimate while a calling thread hashes small files (`configureHashing()`). */
export type ProgressCallback = (done: number, total: number) => void

export interface HashOptions {
  hashType: HashType
  signal?: AbortSignal | undefined
  onProgress?: ProgressCallback | undefined
  /** The work for the whole model, as {@link workOf} counts it, if these jobs are only a part of it. */
  modelWork?: number | undefined
  /** Called with problems that did not affect the digests. */
  warn?: ((warning: HashingWarning) => void) | undefined
  /** Whether the files may be hashed as `hashingElsewhere()` says. Only for a caller that hands out neither their bytes nor a path to them. */
  mayBeElsewhere?: boolean | undefined
}

/** Less work than this is done on the calling thread, because starting a worker costs more. */
const INLINE_WORK = 8 * 1024 * 1024
/** Handling this many pieces takes about a millisecond. */
const MANY_PIECES = 1_000
/** Time between two calls of the progress callback, in milliseconds. */
const PROGRESS_INTERVAL = 50

/**
 * Hashes files: little work on the calling thread, more work spread over the pool by size.
 * Results have the order of the jobs. The first error stops all other jobs.
 *
 * @throws {@link ModelSealError} `FILE_CHANGED`, `FILE_UNREADABLE`, `FILE_TOO_LARGE`, `ABORTED`,
 * `WORKER_FAILED`, `INVALID_ARGUMENT` (the progress callback threw)
 */
export async function hashFiles(jobs: readonly HashJob[], given: HashOptions): Promise<HashResult[]> {
  const options = withoutPrototype(given)
  throwIfAborted(options.signal)
  const total = totalBytes(jobs)
  const guarded = {
    ...options,
    signal: options.signal,
    onProgress: options.onProgress && guardedCallback(options.onProgress),
  }
  const hash = options.mayBeElsewhere ? elsewhere() : undefined
  if (hash && jobs.length > 0) {
    const report = guarded.onProgress
    const results = await jobsElsewhere(jobs, hash, {
      ...guarded,
      onProgress: (done) => report?.(Math.min(done, total), total),
    })
    report?.(total, total)
    return results
  }
  const work = options.modelWork ?? workOf(jobs.length, total)
  const threads = hashingThreads(work, jobs[0]?.file.path ?? '')
  if (work < INLINE_WORK || (threads.callingThread && isForOne(jobs, total, threads)))
    return hashInline(jobs, total, guarded)
  return hashInThreads(jobs, total, threads, guarded)
}

/**
 * Whether a calling thread that hashes does all of the work, because it is the only thread or because help would
 * not pay. With small files help does not pay, measured even with 100,000 files: while a program starts, Node.js
 * compiles in its own threads.
 */
function isForOne(jobs: readonly HashJob[], total: number, { limit }: Threads): boolean {
  return limit === 1 || total < jobs.length * SMALL_BYTES
}

/** Turns whatever the callback throws, even a value without text, into a typed error that ends the operation. */
export function guardedCallback(onProgress: ProgressCallback): ProgressCallback {
  return (done, total) => {
    try {
      onProgress(done, total)
    } catch (cause) {
      throw new ModelSealError('INVALID_ARGUMENT', 'Cannot continue: the progress callback threw an error.', {
        hint: 'Catch errors inside the callback. The cause of this error is what it threw.',
        cause,
      })
    }
  }
}

async function hashInline(jobs: readonly HashJob[], total: number, options: HashOptions): Promise<HashResult[]> {
  let done = 0
  const control = {
    aborted: () => options.signal?.aborted ?? false,
    advance: (bytes: number) => void (done += bytes),
  }
  const turn = async () => {
    options.onProgress?.(done, total)
    await fairTurn(control)
    throwIfAborted(options.signal)
  }
  const results = await hashInTurns(jobs, { hashType: options.hashType, control, ahead: undefined }, turn)
  options.onProgress?.(done, total)
  return results
}

async function hashInThreads(
  jobs: readonly HashJob[],
  total: number,
  threads: Threads,
  options: HashOptions,
): Promise<HashResult[]> {
  const control = newSharedControl()
  const { signal, onProgress } = options
  const turns = new Turns()
  const pieces = jobs.flatMap(piecesOf)
  // Before anything can be stopped: until the threads work, nothing would handle the reason.
  if (pieces.length >= MANY_PIECES && turns.isDue) await nextTurn(signal)

  let stop: (reason: ModelSealError) => void = () => {}
  const stopped = new Promise<never>((_, reject) => {
    stop = (reason) => {
      abortShared(control)
      reject(reason)
    }
  })
  const abort = () => stop(abortedError(signal))
  const tick = () => {
    try {
      onProgress?.(bytesDone(control), total)
    } catch (error) {
      stop(error as ModelSealError)
    }
  }
  const ticker = onProgress && setInterval(tick, PROGRESS_INTERVAL).unref()
  signal?.addEventListener('abort', abort, { once: true })
  if (signal?.aborted) abort()
  try {
    const shared = { hashType: options.hashType, control }
    // It lasts until its threads are free again, which may be long after an abort.
    const work = asOperation(() => spread(pieces, threads, shared, (error) => stop(workerFailed(error))))
    try {
      const answers = await Promise.race([work, stopped])
      onProgress?.(total, total)
      if (pieces.length >= MANY_PIECES) await turns.next()
      return joined(jobs, answers)
    } finally {
      // Otherwise, threads could still be writing copies or reading through the caller's descriptors.
      if (jobs.some((job) => descriptorOf(job.file) !== undefined || isCopied(job))) await work.catch(() => {})
    }
  } finally {
    if (threads.lost) options.warn?.(threads.lost.warning)
    clearInterval(ticker)
    signal?.removeEventListener('abort', abort)
  }
}

/** Joins the results of the pieces of each job. Both have the same order. */
function joined(jobs: readonly HashJob[], answers: readonly HashResult[]): HashResult[] {
  let next = 0
  return jobs.map((job) => {
    const answer = at(answers, next++)
    if (answer.digests.length === job.ranges.length) return answer
    let { digests } = answer
    while (digests.length < job.ranges.length) digests = digests.concat(at(answers, next++).digests)
    return { ...answer, digests }
  })
}
