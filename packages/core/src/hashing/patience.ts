import { isError, messageOf } from '../any-realm.ts'
import { clearInterval, setInterval } from '../real-time.ts'
import { abortedError } from '../source/aborted.ts'
import { foreignFileSystem } from '../source/local/file-system.ts'
import { noAnswer } from './threads/answer.ts'
import { fairTurn } from './fair-turns.ts'
import { hashThere, type Batch } from './hash-batch.ts'
import type { HashResult } from './hash-file.ts'
import { hashInTurns } from './hash-in-turns.ts'
import type { TaskThreads } from './threads/own-threads.ts'
import { reservePool, runningOperations, type Threads } from './pool.ts'
import { BytesAhead } from './ahead/read-ahead.ts'
import { claim, claimedBy, Claimant, newClaim, sharedControl } from './shared-control.ts'
import { isNoThreads } from './threads/without-threads.ts'

/** Milliseconds that a batch waits while other operations keep all threads busy. A thread takes 50 to start. */
const PATIENCE = 150
/** Shorter wait in milliseconds, used if the previous batch has waited in vain. */
const SHORT_PATIENCE = 10
/** Seconds that the first batch waits while no other operation runs, in case a pool of the program never gets to it. */
const LONGEST_PATIENCE = 5

/**
 * Hashes the batches of one operation in threads. While other operations keep all threads busy, the calling
 * thread hashes one batch at a time instead, so that no operation has to wait until another one ends. If reads may take
 * arbitrarily long, a thread of the reserve pool does this. If no thread can be started at all, the calling thread hashes
 * everything that is left.
 */
export class PatientOperation {
  readonly #threads: Threads
  /** One claim for each batch that has not been hashed yet. */
  readonly #claims = new Set<SharedArrayBuffer>()
  /** For each device, whether its file system is not local. */
  readonly #foreign = new Map<bigint, boolean>()
  #starved = false
  #begun = process.uptime()

  constructor(threads: Threads) {
    this.#threads = threads
  }

  async hash(batch: Batch): Promise<HashResult[]> {
    if (this.#threads.lost) return hashHereInstead(batch)
    const words = newClaim()
    this.#claims.add(words)
    let timer: NodeJS.Timeout | undefined
    try {
      return await new Promise((resolve, reject) => {
        const hashHere = () => {
          clearInterval(timer)
          hashHereInstead(batch).then(resolve, reject)
        }
        const ask = async (threads: () => TaskThreads, by: Claimant) => {
          try {
            const results = await hashThere(threads(), { ...batch, claim: { words, by } })
            if (results) resolve(results)
            // A thread may only say this if another one has really claimed the batch.
            else if (claim(words, by) || claimedBy(words) === by) throw noAnswer('that another thread has its files')
          } catch (error) {
            if (isNoThreads(error) && claim(words, Claimant.CallingThread)) {
              this.#threads.lose(error)
              hashHere()
            } else if (claim(words, by) || claimedBy(words) === by) {
              // After an error is reported, nobody else may start on the batch. If somebody has started, their result counts.
              reject(isError(error) ? error : new Error(messageOf(error)))
            }
          }
        }
        void ask(() => this.#threads.pool(), Claimant.Pool)
        timer = setInterval(
          () => {
            const aborted = sharedControl(batch.control).aborted()
            if (!aborted && !this.#isStarved()) return
            if (!aborted && this.#isForeign(batch)) {
              clearInterval(timer)
              void ask(reservePool, Claimant.Reserve)
            } else if (claim(words, Claimant.CallingThread)) {
              this.#starved = true
              if (aborted) reject(abortedError())
              else hashHere()
            }
          },
          this.#starved ? SHORT_PATIENCE : PATIENCE,
        )
      })
    } finally {
      clearInterval(timer)
      this.#claims.delete(words)
      if (claimedBy(words) === Claimant.Pool) {
        this.#starved = false
        this.#begun = Infinity
      }
    }
  }

  /** False if this is the only operation, because the threads are then about to start, and if any of its batches is being hashed. */
  #isStarved(): boolean {
    const waited = process.uptime() - this.#begun
    if (runningOperations() < 2 && waited < LONGEST_PATIENCE) return false
    for (const words of this.#claims) if (claimedBy(words) !== Claimant.Nobody) return false
    return true
  }

  /** Determined as late as this because most operations never wait. */
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
    return await hashInTurns(jobs, { hashType, control: shared, ahead: undefined }, () => fairTurn(control))
  } finally {
    // The calling thread cannot wait for other threads, so nothing was read ahead. This tells readers to stop looking for the file.
    if (ahead) new BytesAhead(ahead.memory, ahead.piece, shared).end()
  }
}
