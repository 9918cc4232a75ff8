import type { HashType } from './algorithms.ts'
import { jobBytes } from './batches.ts'
import { hashFile, type HashControl, type HashJob, type HashResult } from './hash-file.ts'

/** Work on the calling thread between two turns of the event loop. */
const TURN_BYTES = 1024 * 1024

/** Hashes small files on the calling thread, which now and then is left to others for a `turn`. */
export async function hashInTurns(
  jobs: readonly HashJob[],
  hashType: HashType,
  control: HashControl,
  turn: () => Promise<unknown>,
): Promise<HashResult[]> {
  const results: HashResult[] = []
  let sinceTurn = 0
  for (const job of jobs) {
    results.push(hashFile(job, hashType, control))
    sinceTurn += jobBytes(job)
    if (sinceTurn < TURN_BYTES) continue
    sinceTurn = 0
    await turn()
  }
  return results
}
