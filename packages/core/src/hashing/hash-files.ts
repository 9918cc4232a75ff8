import { ModelSealError } from '../errors.ts'
import { withoutPrototype } from '../snapshot.ts'
import { abortedError, throwIfAborted } from '../source/aborted.ts'
import type { HashType } from './algorithms.ts'
import { piecesOf, SMALL_BYTES, totalBytes, workOf } from './batches.ts'
import { at } from '../at.ts'
import { clearInterval, setInterval } from '../real-time.ts'
import { fairTurn } from './fair-turns.ts'
import { descriptorOf, extrasOf, type HashJob, type HashResult } from './hash-file.ts'
import { hashInTurns } from './hash-in-turns.ts'
import { asOperation, hashingThreads, type Threads } from './pool.ts'
import { abortShared, bytesDone, newSharedControl } from './shared-control.ts'
import { spread, workerFailed } from './spread.ts'
import type { HashingWarning } from './threads/without-threads.ts'

/** Bytes done and bytes in all: an estimate, while small files are hashed by a calling thread (`configureHashing()`). */
export type ProgressCallback = (done: number, total: number) => void

export interface HashOptions {
  hashType: HashType
  signal?: AbortSignal | undefined
  onProgress?: ProgressCallback | undefined
  /** What the whole model takes, by {@link workOf}, where these jobs are only a part of it. */
  modelWork?: number | undefined
  /** Is told what did not go as it should, where the digests are right nevertheless. */
  warn?: ((warning: HashingWarning) => void) | undefined
}

/** Less work than this is done on the calling thread: starting a worker costs more. */
const INLINE_WORK = 8 * 1024 * 1024
/** Time between two calls of the progress callback, in milliseconds. */
const PROGRESS_INTERVAL = 50

/**
 * Hashes files, in the calling thread where they are tiny and else spread over the pool by bytes.
 * Results come in the order of the jobs; on the first error the others are stopped.
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
  const work = options.modelWork ?? workOf(jobs.length, total)
  const threads = hashingThreads(work, jobs[0]?.file.path ?? '')
  if (work < INLINE_WORK || (threads.callingThread && isForOne(jobs, total, threads)))
    return hashInline(jobs, total, guarded)
  return hashInThreads(jobs, total, threads, guarded)
}

/**
 * Whether a calling thread that hashes has nobody to help it, or is not worth helping. With small files
 * it is not: in a program that has just started, Node.js compiles in threads of its own meanwhile, and one
 * more gains nothing, even with 100,000 files: measured.
 */
function isForOne(jobs: readonly HashJob[], total: number, { limit }: Threads): boolean {
  return limit === 1 || total < jobs.length * SMALL_BYTES
}

/** A callback may throw anything, even what has no text; it ends the operation as a typed error. */
export function guardedCallback(onProgress: ProgressCallback): ProgressCallback {
  return (done, total) => {
    try {
      onProgress(done, total)
    } catch (cause) {
      throw new ModelSealError('INVALID_ARGUMENT', 'The progress callback threw an error, which ended the operation.', {
        hint: 'Catch errors inside of the callback; the cause of this error is what it threw.',
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
  const results = await hashInTurns(jobs, options.hashType, control, turn)
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
    const pieces = jobs.flatMap(piecesOf)
    const shared = { hashType: options.hashType, control }
    // Until its threads are free again, which after an abort may be late.
    const work = asOperation(() => spread(pieces, threads, shared, (error) => stop(workerFailed(error))))
    try {
      const answers = await Promise.race([work, stopped])
      onProgress?.(total, total)
      return joined(jobs, answers)
    } finally {
      // Unless something would go on writing, or reading through a descriptor of the caller's.
      if (jobs.some((job) => descriptorOf(job.file) !== undefined || extrasOf(job).copyTo !== undefined))
        await work.catch(() => {})
    }
  } finally {
    if (threads.lost) options.warn?.(threads.lost.warning)
    clearInterval(ticker)
    signal?.removeEventListener('abort', abort)
  }
}

/** The results of the jobs, from those of their pieces, which stand in the same order. */
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
