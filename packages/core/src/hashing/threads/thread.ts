import { parentPort, workerData } from 'node:worker_threads'
import { findPackagesFrom } from '../../source/optional-package.ts'
import { hashBatch, readAhead } from './worker.ts'
import type { ThreadAnswer, ThreadData, ThreadTask } from './own-threads.ts'

// The main module of modelseal's own hashing threads: answers one task after another.

const TASKS = { hashBatch, readAhead } as { [name: string]: (task: unknown) => unknown }

findPackagesFrom((workerData as ThreadData).packagesFrom)
parentPort?.on('message', ({ name, task }: ThreadTask) => {
  let answer: ThreadAnswer
  try {
    answer = { result: TASKS[name]?.(task) }
  } catch (error) {
    answer = { error }
  }
  // If the answer cannot be sent, the thread ends with that error, and its task fails.
  parentPort?.postMessage(answer)
})
parentPort?.postMessage('ready')
