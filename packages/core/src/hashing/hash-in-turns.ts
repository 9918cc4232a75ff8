import type { HashType } from './algorithms.ts'
import { workOf } from './batches.ts'
import { hashingSteps, type HashControl, type HashJob, type HashResult } from './hash-file.ts'
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
  for (const job of jobs) {
    const steps = hashingSteps(job, hashType, control, ahead)
    sinceTurn += workOf(1, 0)
    try {
      let step = steps.next()
      for (; !step.done; step = steps.next()) {
        sinceTurn += step.value === 'waited' ? TURN_WORK : step.value
        if (sinceTurn < TURN_WORK) continue
        sinceTurn = 0
        await turn()
      }
      results.push(step.value)
    } finally {
      steps.return({ digests: [] }) // closes what is open where a turn threw
    }
  }
  return results
}
