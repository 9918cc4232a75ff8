import { move, transferableSymbol, valueSymbol } from 'piscina'
import { ModelSealError, type SerializedError } from '../errors.ts'
import type { HashType } from './algorithms.ts'
import { hashFile, type HashControl, type HashJob, type HashResult } from './hash-file.ts'
import { sharedControl } from './shared-control.ts'

/** One message to a worker: several small files, or one large one. */
export interface HashBatch {
  jobs: readonly HashJob[]
  hashType: HashType
  control: SharedArrayBuffer
}

/** The first error ends a batch; errors travel as plain values, since threads lose their class. */
export type HashBatchResult = { results: HashResult[] } | { error: SerializedError }

/** The piscina task. Kept bytes are transferred, not copied. */
export default function hashBatch(batch: HashBatch): HashBatchResult {
  const control: HashControl = sharedControl(batch.control)
  try {
    const results = batch.jobs.map((job) => hashFile(job, batch.hashType, control))
    const transfer = results.flatMap(({ bytes }) => (bytes ? [bytes] : []))
    if (transfer.length === 0) return { results }
    return move({
      get [transferableSymbol]() {
        return transfer
      },
      get [valueSymbol]() {
        return { results }
      },
    }) as unknown as HashBatchResult
  } catch (error) {
    if (error instanceof ModelSealError) return { error: error.toJSON() }
    throw error
  }
}
