import { createRequire, syncBuiltinESMExports } from 'node:module'
import type * as WorkerThreads from 'node:worker_threads'
import { handToThreads } from '@modelseal/core/environment'
import { FILE } from './children.ts'

const require = createRequire(import.meta.url)

/**
 * Has every worker thread start with this package and the environment of this thread, whatever options the program
 * gives it. By itself a thread starts with those of the process, unless it is given its own; and one that runs code
 * from a string heeds no `--import`.
 */
export function guardThreads(): void {
  const threads = require('node:worker_threads') as typeof WorkerThreads
  threads.Worker = class Worker extends threads.Worker {
    constructor(filename: string | URL, options: WorkerThreads.WorkerOptions = {}) {
      // Once more for each, since programs can change what threads inherit.
      handToThreads()
      super(filename, withRegister(options))
    }
  }
  syncBuiltinESMExports()
}

function withRegister(options: WorkerThreads.WorkerOptions): WorkerThreads.WorkerOptions {
  const { env = process.env, execArgv, eval: isCode = false } = options
  if (typeof env === 'object') {
    const { NODE_OPTIONS = '' } = env
    return { ...options, env: { ...env, NODE_OPTIONS: `--require=${JSON.stringify(FILE)} ${NODE_OPTIONS}` } }
  }
  // With the environment of the process, what it started with holds for threads that have no options of their own.
  return execArgv || isCode ? { ...options, execArgv: ['--require', FILE, ...(execArgv ?? [])] } : options
}
