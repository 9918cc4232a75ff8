import type { HashType } from './algorithms.ts'
import { jobBytes, workOf } from './batches.ts'
import { hashFile, hashingSteps, isSmall, type HashControl, type HashJob, type HashResult } from './hash-file.ts'
import type { BytesAhead } from './read-ahead.ts'

/** Work on the calling thread between two turns of the event loop: less than a millisecond. */
const TURN_WORK = 1024 * 1024

/** Hashes files on the calling thread, which now and then is left to others for a `turn`. */
export async function hashInTurns(
  jobs: readonly HashJob[],
  hashType: HashType,
  control: HashControl,
  turn: () => Promise<unknown>,
  ahead?: BytesAhead,
): Promise<HashResult[]> {
  const results: HashResult[] = []
  let sinceTurn = 0
  const isDue = (work: number): boolean => {
    sinceTurn += work
    if (sinceTurn < TURN_WORK) return false
    sinceTurn = 0
    return true
  }
  for (const job of jobs) {
    if (isSmall(job)) {
      results.push(hashFile(job, hashType, control))
      if (isDue(workOf(1, jobBytes(job)))) await turn()
      continue
    }
    const steps = hashingSteps(job, hashType, control, ahead)
    try {
      let step = steps.next()
      for (; !step.done; step = steps.next()) {
        if (isDue(step.value === 'waited' ? TURN_WORK : step.value)) await turn()
      }
      results.push(step.value)
    } finally {
      steps.return({ digests: [] }) // closes what is open where a turn threw
    }
  }
  return results
}
