import { parentPort, workerData } from 'node:worker_threads'
import { findPackagesFrom } from '../../source/optional-package.ts'
import { hashPieces } from '../arriving/hash-pieces.ts'
import { hashBatch, readAhead } from './worker.ts'
import type { ThreadAnswer, ThreadData, ThreadTask } from './own-threads.ts'

// The main module of modelseal's own hashing threads: answers one task after another.

const TASKS = { hashBatch, hashPieces, readAhead } as { [name: string]: (task: unknown) => unknown }

findPackagesFrom((workerData as ThreadData).packagesFrom)
parentPort?.on('message', (task: ThreadTask) => void answered(task))
parentPort?.postMessage('ready')

async function answered({ name, task }: ThreadTask): Promise<void> {
  let answer: ThreadAnswer
  try {
    answer = { result: await TASKS[name]?.(task) }
  } catch (error) {
    answer = { error }
  }
  // If the answer cannot be sent, the thread ends with that error, and its task fails.
  parentPort?.postMessage(answer)
}
