import type { HashType } from './algorithms.ts'
import { hashingSteps, hashSmallFile, isSmall, type HashJob, type HashResult } from './hash-file.ts'
import type { BytesAhead } from './ahead/read-ahead.ts'
import type { HashControl } from './shared-control.ts'

/** How long the calling thread hashes before it yields to the event loop, in seconds. */
const TURN_TIME = 0.001

/** Tells when the calling thread must yield. */
export class HashingTurns {
  readonly #turn: () => Promise<unknown>
  // performance.now() would make a program that has just started load a module.
  #last = process.uptime()

  constructor(turn: () => Promise<unknown>) {
    this.#turn = turn
  }

  isDue(): boolean {
    return process.uptime() - this.#last >= TURN_TIME
  }

  async take(): Promise<void> {
    await this.#turn()
    this.#last = process.uptime()
  }
}

/** How files are hashed. */
interface Hashing {
  hashType: HashType
  control: HashControl
  /** What another thread reads ahead; see {@link hashFile}. */
  ahead: BytesAhead | undefined
}

/** Hashes files on the calling thread, which regularly yields for a `turn`. */
export async function hashInTurns(
  jobs: readonly HashJob[],
  { hashType, control, ahead }: Hashing,
  turn: () => Promise<unknown>,
): Promise<HashResult[]> {
  const results: HashResult[] = []
  const turns = new HashingTurns(turn)
  for (const job of jobs) {
    if (isSmall(job)) {
      results.push(hashSmallFile(job, hashType, control))
      if (turns.isDue()) await turns.take()
      continue
    }
    const steps = hashingSteps(job, hashType, control, ahead)
    try {
      let step = steps.next()
      for (; !step.done; step = steps.next()) if (turns.isDue()) await turns.take()
      results.push(step.value)
    } finally {
      steps.return({ digests: [] }) // closes what is open if a turn threw
    }
  }
  return results
}
