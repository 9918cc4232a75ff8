import { setImmediate } from 'node:timers/promises'
import { ModelSealError } from '../errors.ts'
import { abortedError, throwIfAborted } from '../source/local-source.ts'
import type { HashType } from './algorithms.ts'
import { hashFile, type ByteRange, type HashJob, type HashResult } from './hash-file.ts'
import { hashPool } from './pool.ts'
import { abortShared, bytesDone, newSharedControl } from './shared-control.ts'

/** Bytes done and bytes in all. */
export type ProgressCallback = (done: number, total: number) => void

export interface HashOptions {
  hashType: HashType
  signal?: AbortSignal | undefined
  onProgress?: ProgressCallback | undefined
  /** Size of the whole model in bytes, where these jobs are only a part of it. */
  modelBytes?: number | undefined
}

/** A smaller model is hashed on the calling thread: starting a worker costs more. */
const INLINE_BYTES = 8 * 1024 * 1024
/** Work on the calling thread between two turns of the event loop. */
const INLINE_TURN_BYTES = 1024 * 1024
/** A message to a worker carries about this much work... */
const BATCH_BYTES = 4 * 1024 * 1024
/** ...and at the most this many files. */
const BATCH_FILES = 1_000
/** Time between two calls of the progress callback, in milliseconds. */
const PROGRESS_INTERVAL = 50

/**
 * Hashes files, in the calling thread where they are tiny and else spread over the pool by bytes.
 * Results come in the order of the jobs; on the first error the others are stopped.
 *
 * @throws {@link ModelSealError} `FILE_CHANGED`, `FILE_UNREADABLE`, `FILE_TOO_LARGE`, `ABORTED`,
 * `WORKER_FAILED`, `INVALID_ARGUMENT` (the progress callback threw)
 */
export async function hashFiles(jobs: readonly HashJob[], options: HashOptions): Promise<HashResult[]> {
  throwIfAborted(options.signal)
  const total = totalBytes(jobs)
  const guarded = { ...options, onProgress: options.onProgress && guardedCallback(options.onProgress) }
  if ((options.modelBytes ?? total) < INLINE_BYTES) return hashInline(jobs, total, guarded)
  return hashInPool(jobs, total, guarded)
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
  const results: HashResult[] = []
  let done = 0
  let sinceTurn = 0
  const control = {
    aborted: () => options.signal?.aborted ?? false,
    advance: (bytes: number) => {
      done += bytes
      sinceTurn += bytes
    },
  }
  for (const job of jobs) {
    results.push(hashFile(job, options.hashType, control))
    if (sinceTurn < INLINE_TURN_BYTES) continue
    sinceTurn = 0
    options.onProgress?.(done, total)
    await setImmediate()
    throwIfAborted(options.signal)
  }
  options.onProgress?.(done, total)
  return results
}

async function hashInPool(jobs: readonly HashJob[], total: number, options: HashOptions): Promise<HashResult[]> {
  const pool = await hashPool()
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
    // Every batch is awaited, so that no thread still reads a file after an error was reported;
    // only an aborting caller is not kept waiting by a slow disk.
    const pieces = jobs.flatMap(piecesOf)
    const answers = new Array<HashResult>(pieces.length)
    const batches = batchesOf(pieces).map(async (batch) => {
      try {
        const answer = await pool.run({
          jobs: batch.map((index) => at(pieces, index)),
          hashType: options.hashType,
          control,
        })
        if ('error' in answer) throw ModelSealError.revive(answer.error)
        for (const [position, index] of batch.entries()) answers[index] = at(answer.results, position)
      } catch (error) {
        abortShared(control)
        throw error
      }
    })
    const done = allDone(batches)
    try {
      await Promise.race([done, stopped])
    } finally {
      // Unless something would go on writing, or reading through a descriptor of the caller's.
      if (jobs.some(({ file, copyTo }) => file.fd !== undefined || copyTo !== undefined)) await done.catch(() => {})
    }
    onProgress?.(total, total)
    return joined(jobs, answers)
  } finally {
    clearInterval(ticker)
    signal?.removeEventListener('abort', abort)
  }
}

/** Waits for all, then throws the error that came first and was not the consequence of another. */
async function allDone(batches: Promise<void>[]): Promise<void> {
  const errors = (await Promise.allSettled(batches)).flatMap((batch) =>
    batch.status === 'rejected' ? [batch.reason as unknown] : [],
  )
  if (errors.length === 0) return
  const error = errors.find((e) => !(e instanceof ModelSealError && e.code === 'ABORTED')) ?? errors[0]
  if (error instanceof ModelSealError) throw error
  throw new ModelSealError('WORKER_FAILED', 'A hashing worker died before its files were hashed.', {
    hint: 'Check the memory limits of the process, then load the model again.',
    cause: error,
  })
}

/** A file of several shards is spread over the threads; what is kept or copied is written in one go. */
function piecesOf(job: HashJob): HashJob[] {
  if (job.keep || job.copyTo !== undefined) return [job]
  const pieces: HashJob[] = []
  let ranges: ByteRange[] = []
  let bytes = 0
  for (const range of job.ranges) {
    ranges.push(range)
    bytes += range.end - range.start
    if (bytes < BATCH_BYTES) continue
    pieces.push({ ...job, ranges })
    ranges = []
    bytes = 0
  }
  if (ranges.length > 0 || pieces.length === 0) pieces.push({ ...job, ranges })
  return pieces
}

/** The results of the jobs, from those of their pieces, which stand in the same order. */
function joined(jobs: readonly HashJob[], answers: readonly HashResult[]): HashResult[] {
  let next = 0
  return jobs.map((job) => {
    const answer = at(answers, next++)
    let { digests } = answer
    while (digests.length < job.ranges.length) digests = digests.concat(at(answers, next++).digests)
    return { ...answer, digests }
  })
}

/** Indexes of jobs, so grouped that each message carries much work and large files go alone. */
function batchesOf(jobs: readonly HashJob[]): number[][] {
  const batches: number[][] = []
  let batch: number[] = []
  let bytes = 0
  for (const [index, job] of jobs.entries()) {
    const size = jobBytes(job)
    if (size >= BATCH_BYTES) {
      batches.push([index])
      continue
    }
    if (bytes + size > BATCH_BYTES || batch.length === BATCH_FILES) {
      batches.push(batch)
      batch = []
      bytes = 0
    }
    batch.push(index)
    bytes += size
  }
  if (batch.length > 0) batches.push(batch)
  // The largest first, so that the last thread to finish is not the one with the largest file.
  const size = (indexes: number[]) => indexes.reduce((sum, index) => sum + jobBytes(at(jobs, index)), 0)
  return batches
    .map((indexes) => ({ indexes, size: size(indexes) }))
    .sort((a, b) => b.size - a.size)
    .map(({ indexes }) => indexes)
}

function totalBytes(jobs: readonly HashJob[]): number {
  return jobs.reduce((sum, job) => sum + jobBytes(job), 0)
}

function jobBytes({ ranges }: HashJob): number {
  return ranges.reduce((sum: number, { start, end }: ByteRange) => sum + end - start, 0)
}

function at<T>(items: readonly T[], index: number): T {
  const item = items[index]
  if (item === undefined) throw new RangeError(`no item ${index} of ${items.length}`)
  return item
}
