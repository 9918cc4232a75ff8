import { isError, messageOf } from '../any-realm.ts'
import { abortedError } from '../source/aborted.ts'
import { foreignFileSystem } from '../source/file-system.ts'
import { fairTurn } from './fair-turns.ts'
import { hashThere, type Batch } from './hash-batch.ts'
import type { HashResult } from './hash-file.ts'
import { hashInTurns } from './hash-in-turns.ts'
import { reservePool, runningOperations, type ThreadPool } from './pool.ts'
import { BytesAhead } from './read-ahead.ts'
import { claim, claimedBy, Claimant, newClaim, sharedControl } from './shared-control.ts'

/** How long a batch waits for a thread that other operations keep busy, in milliseconds. A thread starts in 50. */
const PATIENCE = 150
/** The same, where the batch before it waited in vain. */
const SHORT_PATIENCE = 10

/**
 * Has the batches of one operation hashed by threads of the pool. Where other operations keep all threads busy, however
 * long they take, the calling thread does it instead, one batch at a time, so that no operation waits for the end of another.
 * Where a read may take any time, a thread of the reserve does it.
 */
export class PatientOperation {
  /** Of the batches that are not hashed yet. */
  readonly #claims = new Set<SharedArrayBuffer>()
  /** By device. */
  readonly #foreign = new Map<bigint, boolean>()
  #starved = false

  async hash(pool: ThreadPool, batch: Batch): Promise<HashResult[]> {
    const words = newClaim()
    this.#claims.add(words)
    let timer: NodeJS.Timeout | undefined
    try {
      return await new Promise((resolve, reject) => {
        const ask = async (threads: () => ThreadPool, by: Claimant) => {
          try {
            const results = await hashThere(threads(), { ...batch, claim: { words, by } })
            if (results) resolve(results)
          } catch (error) {
            // Nobody else may begin once an error is reported; and where somebody has begun, theirs is the result.
            if (claim(words, by) || claimedBy(words) === by)
              reject(isError(error) ? error : new Error(messageOf(error)))
          }
        }
        void ask(() => pool, Claimant.Pool)
        timer = setInterval(
          () => {
            const aborted = sharedControl(batch.control).aborted()
            if (!aborted && !this.#isStarved()) return
            if (!aborted && this.#isForeign(batch)) {
              clearInterval(timer)
              void ask(reservePool, Claimant.Reserve)
            } else if (claim(words, Claimant.CallingThread)) {
              clearInterval(timer)
              this.#starved = true
              if (aborted) reject(abortedError())
              else hashHereInstead(batch).then(resolve, reject)
            }
          },
          this.#starved ? SHORT_PATIENCE : PATIENCE,
        )
      })
    } finally {
      clearInterval(timer)
      this.#claims.delete(words)
      if (claimedBy(words) === Claimant.Pool) this.#starved = false
    }
  }

  /** Not where it is alone: then the threads are its own, and begin soon. Nor where any of its batches is being hashed. */
  #isStarved(): boolean {
    if (runningOperations() < 2) return false
    for (const words of this.#claims) if (claimedBy(words) !== Claimant.Nobody) return false
    return true
  }

  /** Asked only now: most operations never wait. */
  #isForeign({ jobs }: Batch): boolean {
    for (const { file } of jobs) {
      const { dev } = file.identity
      const foreign = this.#foreign.get(dev) ?? foreignFileSystem(file.path) !== undefined
      this.#foreign.set(dev, foreign)
      if (foreign) return true
    }
    return false
  }
}

async function hashHereInstead({ jobs, hashType, control, ahead }: Batch): Promise<HashResult[]> {
  const shared = sharedControl(control)
  try {
    await fairTurn(control)
    return await hashInTurns(jobs, hashType, shared, () => fairTurn(control))
  } finally {
    // Nothing was read ahead: the calling thread would have to wait for it. Readers need not look for it any more.
    if (ahead) new BytesAhead(ahead.memory, ahead.piece, shared).end()
  }
}
