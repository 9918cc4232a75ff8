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
  /** Set if another thread may claim the batch first. */
  claim?: { words: SharedArrayBuffer; by: Claimant } | undefined
  /** Set for a single job for which another thread may read ahead. */
  ahead?: { memory: ReadAheadMemory; piece: number } | undefined
  /** Port for kept bytes, so that they are moved and not copied. */
  bytes?: MessagePort | undefined
}

/**
 * The digests of all jobs in order, or the first error, which ends the batch, or `taken` if another thread claimed the
 * batch first. Errors are sent as plain values, because cloning loses their class.
 */
export type HashBatchResult = { digests: string[] } | { error: SerializedError } | { taken: true }

/** Task of a worker: hashes files. */
export function hashBatch(batch: HashBatch): HashBatchResult {
  if (batch.claim && !claim(batch.claim.words, batch.claim.by)) return { taken: true }
  const control = sharedControl(batch.control)
  tellStarted(batch.control)
  const ahead = batch.ahead && new BytesAhead(batch.ahead.memory, batch.ahead.piece, control)
  try {
    const results = unpackJobs(batch.jobs).map((job) => hashFile(job, batch.hashType, control, ahead))
    const bytes = results.flatMap((result) => result.bytes ?? [])
    // Through our own port, because how a pool moves results differs between versions of Piscina.
    batch.bytes?.postMessage(bytes, bytes)
    return { digests: packDigests(results) }
  } catch (error) {
    if (error instanceof ModelSealError) return { error: error.toJSON() }
    throw error
  } finally {
    while (ahead && !ahead.end());
  }
}

/** Task for an idle thread: reading ahead for threads that hash. */
export interface ReaderTask {
  memory: ReadAheadMemory
  lane: number
  /** Jobs that are being hashed now, by the number of the piece. */
  pieces: ReadonlyMap<number, HashJob>
  control: SharedArrayBuffer
}

/** Task of a worker: reads ahead for other workers. */
export function readAhead({ memory, lane, pieces, control }: ReaderTask): void {
  readFilesAhead(memory, lane, pieces, sharedControl(control))
}
