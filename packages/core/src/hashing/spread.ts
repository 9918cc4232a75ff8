import { ModelSealError } from '../errors.ts'
import { foreignFileSystem } from '../source/local/file-system.ts'
import { BATCH_WORK, batchesOf, jobBytes, SMALL_BYTES, workOf, workOfAll } from './batches.ts'
import { at } from '../at.ts'
import { fairTurn } from './fair-turns.ts'
import type { HashJob, HashResult } from './hash-file.ts'
import { hashHere, haveReadAhead, type Batch } from './hash-batch.ts'
import { hashInTurns } from './hash-in-turns.ts'
import { PatientOperation } from './patience.ts'
import { activeReadAheads, type Threads } from './pool.ts'
import { endReader, newReadAhead, releaseReaders } from './ahead/read-ahead-memory.ts'
import { abortShared, hasStarted, sharedControl } from './shared-control.ts'
import { noAnswer } from './threads/answer.ts'
import { workerFailed } from './threads/worker-failed.ts'

/** Minimum size of a piece for which another thread reads ahead, in bytes. */
const READ_AHEAD_BYTES = 32 * 1024 * 1024
/** A batch of at least this many files counts as one of small files... */
const SMALL_FILES = Math.floor(BATCH_WORK / workOf(1, SMALL_BYTES))
/** ...and this many of those take as long as starting a thread. */
const SMALL_BATCHES = 16

/** What the threads of one operation share. */
type Shared = Pick<Batch, 'hashType' | 'control'>

/**
 * Keeps as many threads busy as the operation may use. A thread without a batch reads ahead for threads that
 * still hash a large piece.
 */
export async function spread(
  pieces: readonly HashJob[],
  threads: Threads,
  shared: Shared,
  onReaderFailed: (error: unknown) => void,
): Promise<HashResult[]> {
  const batches = batchesOf(pieces)
  const large = new Map(
    batches
      .map(([index = 0]) => index)
      .filter((index) => canReadAhead(at(pieces, index)))
      .map((index, n) => [index, n]),
  )
  // One more than needed for hashing if it can read ahead.
  const lanes = Math.min(threads.limit, threadsFor(batches) + Math.min(large.size, 1))
  const memory = lanes > 1 && large.size > 0 ? newReadAhead(large.size, lanes) : undefined
  // This operation has work for threads that only read ahead for others.
  for (const other of activeReadAheads) releaseReaders(other)
  if (memory) activeReadAheads.add(memory)

  const answers = new Array<HashResult>(pieces.length)
  const errors: unknown[] = []
  const operation = new PatientOperation(threads)
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
    const here = threads.callingThread && lane === 0
    // Without threads, the calling thread does one batch after the other.
    const isNeeded = () => !threads.lost || lane === 0
    while (next < batches.length && errors.length === 0 && isNeeded()) {
      const batch = at(batches, next++)
      const piece = large.get(at(batch, 0))
      if (piece !== undefined) hashing.set(piece, at(pieces, at(batch, 0)))
      try {
        const ahead = memory && piece !== undefined ? { memory, piece } : undefined
        const task: Batch = { ...shared, jobs: batch.map((index) => at(pieces, index)), ahead }
        take(batch, here ? await hashHere(task) : await operation.hash(task))
      } catch (error) {
        failed(error)
      } finally {
        if (piece !== undefined) hashing.delete(piece)
      }
    }
    if (here || !memory || hashing.size === 0 || threads.lost) return
    const ended = (error: unknown) => {
      // A reader that never joined makes no difference. After an abort, a reader may end while its piece is being hashed.
      if (endReader(memory, lane) && !sharedControl(shared.control).aborted()) onReaderFailed(error)
    }
    // Not awaited: once the last piece is hashed, a reader has nothing left to do.
    haveReadAhead(threads, { memory, lane, pieces: hashing, control: shared.control }).then(
      () => ended(noAnswer('before the file that it read ahead had been hashed')),
      ended,
    )
  }
  // Until the first thread has started, the calling thread hashes the smallest batches.
  const bridge = async () => {
    const control = sharedControl(shared.control)
    for (;;) {
      await fairTurn(shared.control)
      if (next === batches.length || hasStarted(shared.control)) return
      const jobs = at(batches, batches.length - 1).map((index) => at(pieces, index))
      if (workOfAll(jobs) > BATCH_WORK || errors.length > 0) return
      const batch = batches.pop() ?? []
      try {
        take(
          batch,
          await hashInTurns(jobs, { hashType: shared.hashType, control, ahead: undefined }, () =>
            fairTurn(shared.control),
          ),
        )
      } catch (error) {
        failed(error)
      }
    }
  }
  try {
    // Awaits every batch, so that no thread still hashes a file after an error was reported.
    // Only a caller that aborts does not wait for a slow disk.
    const bridged = !threads.callingThread && foreignFileSystem(pieces[0]?.file.path ?? '') === undefined
    await Promise.all([...Array.from({ length: lanes }, keepBusy), bridged ? bridge() : undefined])
    throwFirst(errors)
    return answers
  } finally {
    if (memory) activeReadAheads.delete(memory)
  }
}

function threadsFor(batches: readonly number[][]): number {
  const ofSmall = batches.filter(({ length }) => length >= SMALL_FILES).length
  return batches.length - ofSmall + Math.ceil(ofSmall / SMALL_BATCHES)
}

function canReadAhead(piece: HashJob): boolean {
  return !piece.keep && piece.ranges.length === 1 && jobBytes(piece) >= READ_AHEAD_BYTES
}

/** Throws the first error that is not the consequence of another one. */
function throwFirst(errors: readonly unknown[]): void {
  if (errors.length === 0) return
  const error = errors.find((e) => !(e instanceof ModelSealError && e.code === 'ABORTED')) ?? errors[0]
  throw workerFailed(error)
}
