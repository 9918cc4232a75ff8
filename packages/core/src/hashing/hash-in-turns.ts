import type { HashType } from './algorithms.ts'
import { hashingSteps, hashSmallFile, isSmall, type HashControl, type HashJob, type HashResult } from './hash-file.ts'
import type { BytesAhead } from './read-ahead.ts'

/** How long the calling thread hashes between two turns of the event loop, in seconds. */
const TURN_TIME = 0.001

/** Hashes files on the calling thread, which now and then is left to others for a `turn`. */
export async function hashInTurns(
  jobs: readonly HashJob[],
  hashType: HashType,
  control: HashControl,
  turn: () => Promise<unknown>,
  ahead?: BytesAhead,
): Promise<HashResult[]> {
  const results: HashResult[] = []
  // Not by performance.now(): a program that has just started would load a module for it.
  let turned = process.uptime()
  const isDue = (): boolean => process.uptime() - turned >= TURN_TIME
  const takeTurn = async () => {
    await turn()
    turned = process.uptime()
  }
  for (const job of jobs) {
    if (isSmall(job)) {
      results.push(hashSmallFile(job, hashType, control))
      if (isDue()) await takeTurn()
      continue
    }
    const steps = hashingSteps(job, hashType, control, ahead)
    try {
      let step = steps.next()
      for (; !step.done; step = steps.next()) if (isDue()) await takeTurn()
      results.push(step.value)
    } finally {
      steps.return({ digests: [] }) // closes what is open where a turn threw
    }
  }
  return results
}
