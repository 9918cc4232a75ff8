import { createRequire, syncBuiltinESMExports } from 'node:module'
import type * as WorkerThreads from 'node:worker_threads'
import { handToThreads } from '@modelseal/core/environment'
import { FILE } from './children.ts'

const require = createRequire(import.meta.url)

/**
 * Makes every worker thread start with this package and the environment of this thread, whatever options the program
 * gives it. Normally, a thread starts with the options of the process unless it gets its own, and a thread that runs code
 * from a string ignores `--import`.
 */
export function guardThreads(): void {
  const threads = require('node:worker_threads') as typeof WorkerThreads
  threads.Worker = new Proxy(threads.Worker, {
    construct(Worker, [filename, options = {}]: [unknown, Options?], newTarget) {
      // Repeated for each thread, because programs can change what threads inherit.
      handToThreads()
      return constructed(
        waysToStart(options).map((given) => () => Reflect.construct(Worker, [filename, given], newTarget) as object),
      )
    },
  })
  syncBuiltinESMExports()
}

type Options = WorkerThreads.WorkerOptions

/** Options to try in order. The next ones are tried only if Node.js rejects the previous ones as invalid in a thread. */
function waysToStart(options: Options): [Options, ...Options[]] {
  const { execArgv, eval: isCode = false } = options
  const env = options.env ?? process.env
  const byArguments = (inherited: string[]) => ({ ...options, execArgv: ['--require', FILE, ...inherited] })
  if (typeof env === 'object') {
    const { NODE_OPTIONS = '' } = env
    const byVariable = {
      ...options,
      env: { ...env, NODE_OPTIONS: `--require=${JSON.stringify(FILE)} ${NODE_OPTIONS}` },
    }
    if (env !== process.env) return [byVariable]
    // A thread may inherit options that are only valid for a process (--use-openssl-ca), but must not be given them.
    return [byVariable, byArguments(execArgv ?? process.execArgv), byArguments(execArgv ?? [])]
  }
  // With the environment of the process, a thread without its own options gets those that the process started with.
  return execArgv || isCode ? [byArguments(execArgv ?? [])] : [options]
}

function constructed([first, ...others]: (() => object)[]): object {
  try {
    return first?.() ?? {}
  } catch (error) {
    if (others.length === 0 || (error as NodeJS.ErrnoException).code !== 'ERR_WORKER_INVALID_EXEC_ARGV') throw error
    return constructed(others)
  }
}
