import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads'
import { ModelSealError } from '../errors.ts'
import { at } from './batches.ts'
import { fairTurn } from './fair-turns.ts'
import type { HashJob, HashResult } from './hash-file.ts'
import { hashInTurns } from './hash-in-turns.ts'
import { packJobs, resultsOf } from './message.ts'
import { workerModule, type ThreadPool, type Threads } from './pool.ts'
import { BytesAhead } from './read-ahead.ts'
import { sharedControl } from './shared-control.ts'
import type { HashBatch, HashBatchResult, ReaderTask } from './worker.ts'

/** What one thread is to hash next. */
export type Batch = Omit<HashBatch, 'jobs' | 'bytes'> & { jobs: readonly HashJob[] }

/** Hashes on the calling thread. */
export async function hashHere({ jobs, hashType, control, ahead }: Batch): Promise<HashResult[]> {
  const bytesAhead = ahead && new BytesAhead(ahead.memory, ahead.piece, sharedControl(control))
  try {
    await fairTurn(control) // other threads are told of their work first
    return await hashInTurns(jobs, hashType, sharedControl(control), () => fairTurn(control), bytesAhead)
  } finally {
    bytesAhead?.end()
  }
}

/** Has a thread of the pool hash; nothing where another thread had taken the batch before. */
export async function hashThere(pool: ThreadPool, { jobs, ...rest }: Batch): Promise<HashResult[] | undefined> {
  const kept = jobs.some(({ keep }) => keep) ? new MessageChannel() : undefined
  try {
    const message: HashBatch = { ...rest, jobs: packJobs(jobs), bytes: kept?.port2 }
    const answer = (await pool.run(message, {
      filename: workerModule(),
      name: 'hashBatch',
      transferList: kept ? [kept.port2] : [],
    })) as HashBatchResult
    if ('error' in answer) throw ModelSealError.revive(answer.error)
    if ('taken' in answer) return undefined
    const results = resultsOf(jobs, answer.digests)
    if (!kept) return results
    // Sent before the answer, so it is here.
    const bytes = (receiveMessageOnPort(kept.port1) as { message: ArrayBuffer[] }).message
    let next = 0
    return results.map((result, index) => (at(jobs, index).keep ? { ...result, bytes: at(bytes, next++) } : result))
  } finally {
    kept?.port1.close()
  }
}

/** Has another thread read ahead for those that hash. */
export async function readAhead(threads: Threads, task: ReaderTask): Promise<void> {
  await threads.pool().run(task, { filename: workerModule(), name: 'readAhead' })
}
