import { foreignFileSystem } from '../source/file-system.ts'
import { at } from './batches.ts'
import { hashThere, type Batch } from './hash-batch.ts'
import type { HashResult } from './hash-file.ts'
import { hashInTurns } from './hash-in-turns.ts'
import { runningOperations, type ThreadPool } from './pool.ts'
import { BytesAhead } from './read-ahead.ts'
import { claim, newClaim, sharedControl } from './shared-control.ts'

/** How long a batch waits for a thread that other operations keep busy, in milliseconds. A thread starts in 50. */
const PATIENCE = 150

/**
 * Has a thread of the pool hash. Where other operations keep all threads busy, however long they take, the calling thread
 * does it instead, so that no operation waits for the end of another.
 */
export async function hashThereOrHere(pool: ThreadPool, batch: Batch): Promise<HashResult[]> {
  const words = newClaim()
  const there = hashThere(pool, { ...batch, claim: words })
  there.catch(() => {}) // where the calling thread has done it, nobody looks
  return new Promise((resolve, reject) => {
    const timer = setInterval(() => {
      if (!mayHashHere(batch) || !claim(words)) return
      clearInterval(timer)
      hashHereInstead(batch).then(resolve, reject)
    }, PATIENCE)
    there.then(resolve, reject).finally(() => clearInterval(timer))
  })
}

/** Not alone: then the threads are this operation's, and begin soon. Not where a read may take any time. */
function mayHashHere({ jobs }: Batch): boolean {
  return runningOperations() > 1 && foreignFileSystem(at(jobs, 0).file.path) === undefined
}

async function hashHereInstead({ jobs, hashType, control, ahead }: Batch): Promise<HashResult[]> {
  const shared = sharedControl(control)
  const turns = { taken: 0 }
  try {
    await nextFairTurn(turns)
    return await hashInTurns(jobs, hashType, shared, () => nextFairTurn(turns))
  } finally {
    // Nothing was read ahead: the calling thread would have to wait for it. Readers need not look for it any more.
    if (ahead) new BytesAhead(ahead.memory, ahead.piece, shared).end()
  }
}

interface Waiting {
  turns: { taken: number }
  go: () => void
}

const waiting: Waiting[] = []

/** One of those that wait goes on in each turn of the event loop: the one that has had the fewest. */
function nextFairTurn(turns: { taken: number }): Promise<void> {
  return new Promise((go) => {
    waiting.push({ turns, go })
    if (waiting.length === 1) setImmediate(letOneGo)
  })
}

function letOneGo(): void {
  let least = 0
  for (let i = 1; i < waiting.length; i++) if (at(waiting, i).turns.taken < at(waiting, least).turns.taken) least = i
  const [next] = waiting.splice(least, 1)
  if (waiting.length > 0) setImmediate(letOneGo)
  if (!next) return
  next.turns.taken++
  next.go()
}
