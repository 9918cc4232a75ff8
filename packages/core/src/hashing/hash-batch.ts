import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads'
import { ModelSealError, type SerializedError } from '../errors.ts'
import { answerOf, bytesOf } from './threads/answer.ts'
import { at } from '../at.ts'
import { fairTurn } from './fair-turns.ts'
import type { HashJob, HashResult } from './hash-file.ts'
import { hashInTurns } from './hash-in-turns.ts'
import { packJobs, resultsOf } from './threads/message.ts'
import type { TaskThreads } from './threads/own-threads.ts'
import type { Threads } from './pool.ts'
import { BytesAhead } from './ahead/read-ahead.ts'
import { sharedControl } from './shared-control.ts'
import type { HashBatch, ReaderTask } from './threads/worker.ts'

/** The next work for one thread. */
export type Batch = Omit<HashBatch, 'jobs' | 'bytes'> & { jobs: readonly HashJob[] }

/** Hashes on the calling thread. */
export async function hashHere({ jobs, hashType, control, ahead }: Batch): Promise<HashResult[]> {
  const shared = sharedControl(control)
  const bytesAhead = ahead && new BytesAhead(ahead.memory, ahead.piece, shared)
  try {
    await fairTurn(control) // other threads get their work first
    return await hashInTurns(jobs, { hashType, control: shared, ahead: bytesAhead }, () => fairTurn(control))
  } finally {
    // In turns, because the event loop of this thread is what learns that the reader's thread is gone.
    while (bytesAhead && !bytesAhead.end()) await fairTurn(control)
  }
}

/** Has one of the threads hash. Returns `undefined` if something else had already claimed the batch. */
export async function hashThere(threads: TaskThreads, { jobs, ...rest }: Batch): Promise<HashResult[] | undefined> {
  const kept = jobs.some(({ keep }) => keep) ? new MessageChannel() : undefined
  try {
    const message: HashBatch = { ...rest, jobs: packJobs(jobs), bytes: kept?.port2 }
    const answer = answerOf(await threads.run('hashBatch', message, kept ? [kept.port2] : []), jobs, rest.hashType)
    if (Object.hasOwn(answer, 'error')) throw ModelSealError.revive((answer as { error: SerializedError }).error)
    if (Object.hasOwn(answer, 'taken')) return undefined
    const results = resultsOf(jobs, (answer as { digests: string[] }).digests)
    if (!kept) return results
    // They were sent before the answer, so they have arrived.
    const bytes = bytesOf(receiveMessageOnPort(kept.port1), jobs)
    let next = 0
    return results.map((result, index) => (at(jobs, index).keep ? { ...result, bytes: at(bytes, next++) } : result))
  } finally {
    kept?.port1.close()
  }
}

/** Has another thread read ahead for the threads that hash. */
export async function haveReadAhead(threads: Threads, task: ReaderTask): Promise<void> {
  await threads.pool().run('readAhead', task)
}
