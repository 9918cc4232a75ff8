import type { MessagePort } from 'node:worker_threads'
import { ModelSealError, type SerializedError } from '../../errors.ts'
import type { HashType } from '../algorithms.ts'
import { hashFile, type HashJob } from '../hash-file.ts'
import { packDigests, unpackJobs, type PackedJobs } from './message.ts'
import { BytesAhead } from '../ahead/read-ahead.ts'
import type { ReadAheadMemory } from '../ahead/read-ahead-memory.ts'
import { readFilesAhead } from '../ahead/read-file-ahead.ts'
import { claim, sharedControl, tellStarted, type Claimant } from '../shared-control.ts'

/** One message to a worker: several small files, or one large one. */
export interface HashBatch {
  jobs: PackedJobs
  hashType: HashType
  control: SharedArrayBuffer
  /** Where another thread may have taken it meanwhile. */
  claim?: { words: SharedArrayBuffer; by: Claimant } | undefined
  /** For a single job that another thread may read ahead for. */
  ahead?: { memory: ReadAheadMemory; piece: number } | undefined
  /** Where kept bytes are sent, so that they are moved and not copied. */
  bytes?: MessagePort | undefined
}

/**
 * The digests of all jobs, one after the other; or that another thread has taken them. The first error ends a batch; errors travel as plain
 * values, since threads lose their class.
 */
export type HashBatchResult = { digests: string[] } | { error: SerializedError } | { taken: true }

/** A worker's task: hashes files. */
export function hashBatch(batch: HashBatch): HashBatchResult {
  if (batch.claim && !claim(batch.claim.words, batch.claim.by)) return { taken: true }
  const control = sharedControl(batch.control)
  tellStarted(batch.control)
  const ahead = batch.ahead && new BytesAhead(batch.ahead.memory, batch.ahead.piece, control)
  try {
    const results = unpackJobs(batch.jobs).map((job) => hashFile(job, batch.hashType, control, ahead))
    const bytes = results.flatMap((result) => result.bytes ?? [])
    // By a port of our own, since the way of a pool to move a result differs between its versions.
    batch.bytes?.postMessage(bytes, bytes)
    return { digests: packDigests(results) }
  } catch (error) {
    if (error instanceof ModelSealError) return { error: error.toJSON() }
    throw error
  } finally {
    ahead?.end()
  }
}

/** What a thread that has nothing to hash may do for those that have. */
export interface ReaderTask {
  memory: ReadAheadMemory
  lane: number
  /** What is being hashed now, by the number of the piece. */
  pieces: ReadonlyMap<number, HashJob>
  control: SharedArrayBuffer
}

/** A worker's task: reads ahead for other workers. */
export function readAhead({ memory, lane, pieces, control }: ReaderTask): void {
  readFilesAhead(memory, lane, pieces, sharedControl(control))
}
