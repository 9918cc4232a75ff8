import { setImmediate } from 'node:timers/promises'
import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads'
import { ModelSealError } from '../errors.ts'
import { at, batchesOf, jobBytes, totalBytes } from './batches.ts'
import type { HashJob, HashResult } from './hash-file.ts'
import { hashInTurns } from './hash-in-turns.ts'
import { activeReadAheads, threadLimit, workerModule, type ThreadPool } from './pool.ts'
import { newReadAhead, releaseReaders } from './read-ahead.ts'
import { abortShared, hasStarted, sharedControl } from './shared-control.ts'
import type { HashBatch, HashBatchResult, ReaderTask } from './worker.ts'

/** For less than this, in bytes, no other thread is asked to read ahead. */
const READ_AHEAD_BYTES = 32 * 1024 * 1024
/** A batch of as many files is one of small files... */
const SMALL_FILES = 64
/** ...and one thread is for so many such batches: some 0.3 s of work, of which its start is a sixth. */
const SMALL_BATCHES = 40
/** A larger batch is not for the calling thread. */
const BRIDGE_BYTES = 4 * 1024 * 1024

/**
 * Keeps as many threads busy as the operation may have. One that has no batch left reads ahead for
 * those that still hash a large piece.
 */
export async function spread(
  pieces: readonly HashJob[],
  pool: ThreadPool,
  shared: Pick<HashBatch, 'hashType' | 'control'>,
  onReaderFailed: (error: unknown) => void,
): Promise<HashResult[]> {
  const batches = batchesOf(pieces)
  const large = new Map(
    batches
      .map(([index = 0]) => index)
      .filter((index) => canReadAhead(at(pieces, index)))
      .map((index, n) => [index, n]),
  )
  // One more than there is work for, where it can read ahead.
  const threads = Math.min(threadLimit(pool), threadsFor(batches) + Math.min(large.size, 1))
  const memory = threads > 1 && large.size > 0 ? newReadAhead(large.size, threads) : undefined
  // An operation that begins has work for threads that only read ahead.
  for (const other of activeReadAheads) releaseReaders(other)
  if (memory) activeReadAheads.add(memory)

  const answers = new Array<HashResult>(pieces.length)
  const errors: unknown[] = []
  const hashing = new Map<number, HashJob>()
  let next = 0
  const take = (batch: readonly number[], results: readonly HashResult[]) => {
    for (const [position, index] of batch.entries()) answers[index] = at(results, position)
  }
  const failed = (error: unknown) => {
    abortShared(shared.control)
    errors.push(error)
  }
  const keepBusy = async (_: unknown, lane: number) => {
    while (next < batches.length && errors.length === 0) {
      const batch = at(batches, next++)
      const piece = large.get(at(batch, 0))
      if (piece !== undefined) hashing.set(piece, at(pieces, at(batch, 0)))
      try {
        const ahead = memory && piece !== undefined ? { memory, piece } : undefined
        take(batch, await hashBatch(pool, { ...shared, jobs: batch.map((index) => at(pieces, index)), ahead }))
      } catch (error) {
        failed(error)
      } finally {
        if (piece !== undefined) hashing.delete(piece)
      }
    }
    if (!memory || hashing.size === 0) return
    // Not waited for: when the last piece is hashed, a reader has nothing left to do.
    readAhead(pool, { memory, lane, pieces: hashing, control: shared.control }).catch(onReaderFailed)
  }
  // Threads take their time to start: until one has, the calling thread hashes the smallest.
  const bridge = async () => {
    const control = sharedControl(shared.control)
    for (;;) {
      await setImmediate()
      if (next === batches.length || hasStarted(shared.control)) return
      const jobs = at(batches, batches.length - 1).map((index) => at(pieces, index))
      if (totalBytes(jobs) > BRIDGE_BYTES || errors.length > 0) return
      const batch = batches.pop() ?? []
      try {
        take(batch, await hashInTurns(jobs, shared.hashType, control, setImmediate))
      } catch (error) {
        failed(error)
      }
    }
  }
  try {
    // Every batch is awaited, so that no thread still hashes a file after an error was reported;
    // only an aborting caller is not kept waiting by a slow disk.
    await Promise.all([...Array.from({ length: threads }, keepBusy), bridge()])
    throwFirst(errors)
    return answers
  } finally {
    if (memory) activeReadAheads.delete(memory)
  }
}

/** Small files cost system calls rather than hashing, of which more threads do few more: measured. */
function threadsFor(batches: readonly number[][]): number {
  const ofSmall = batches.filter(({ length }) => length >= SMALL_FILES).length
  return batches.length - ofSmall + Math.ceil(ofSmall / SMALL_BATCHES)
}

function canReadAhead(piece: HashJob): boolean {
  return !piece.keep && piece.ranges.length === 1 && jobBytes(piece) >= READ_AHEAD_BYTES
}

async function hashBatch(pool: ThreadPool, batch: HashBatch): Promise<HashResult[]> {
  const kept = batch.jobs.some(({ keep }) => keep) ? new MessageChannel() : undefined
  try {
    const answer = (await pool.run(
      { ...batch, bytes: kept?.port2 },
      { filename: workerModule(), name: 'hashBatch', transferList: kept ? [kept.port2] : [] },
    )) as HashBatchResult
    if ('error' in answer) throw ModelSealError.revive(answer.error)
    if (!kept) return answer.results
    // Sent before the answer, so it is here.
    const bytes = (receiveMessageOnPort(kept.port1) as { message: ArrayBuffer[] }).message
    return answer.results.map((result, index) => ({ ...result, bytes: at(bytes, index) }))
  } finally {
    kept?.port1.close()
  }
}

async function readAhead(pool: ThreadPool, task: ReaderTask): Promise<void> {
  await pool.run(task, { filename: workerModule(), name: 'readAhead' })
}

/** The error that came first and was not the consequence of another. */
function throwFirst(errors: readonly unknown[]): void {
  if (errors.length === 0) return
  const error = errors.find((e) => !(e instanceof ModelSealError && e.code === 'ABORTED')) ?? errors[0]
  throw error instanceof ModelSealError ? error : workerFailed(error)
}

export function workerFailed(cause: unknown): ModelSealError {
  return new ModelSealError('WORKER_FAILED', 'A hashing worker died before its files were hashed.', {
    hint: 'Check the memory limits of the process, then load the model again.',
    cause,
  })
}
