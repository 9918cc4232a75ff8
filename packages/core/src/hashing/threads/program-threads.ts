import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { MessagePort } from 'node:worker_threads'
import { codeOf } from '../../any-realm.ts'
import type { TaskName, TaskThreads } from './own-threads.ts'
import { workerFile } from './thread-code.ts'
import { NoThreads } from './without-threads.ts'

/** A pool of worker threads, as far as it is needed here: a `Piscina` is one. */
export interface ThreadPool {
  /** Runs the function `name` of the module `filename` with `task` in one of the threads. */
  run(task: unknown, options: { filename: string; name: string; transferList?: MessagePort[] }): Promise<unknown>
  /** How many threads there are at the most. */
  readonly maxThreads: number
}

/** With these Node.js says that it starts no thread. */
const NOT_STARTED: ReadonlySet<string | undefined> = new Set(['ERR_ACCESS_DENIED', 'ERR_WORKER_INIT_FAILED'])

/** The threads of a pool that the program brought. */
export class ProgramThreads implements TaskThreads {
  readonly #pool: ThreadPool

  constructor(pool: ThreadPool) {
    this.#pool = pool
  }

  get maxThreads(): number {
    return this.#pool.maxThreads
  }

  async run(name: TaskName, task: unknown, transferList: readonly MessagePort[] = []): Promise<unknown> {
    const filename = workerModule()
    try {
      return await this.#pool.run(task, { filename, name, transferList: [...transferList] })
    } catch (error) {
      throw NOT_STARTED.has(codeOf(error)) ? new NoThreads(error) : error
    }
  }
}

/** @throws {@link NoThreads} where a bundler has left it behind */
function workerModule(): string {
  const file = workerFile()
  if (existsSync(file)) return file.href
  throw new NoThreads(new Error(`${fileURLToPath(file)}, which the pool of the program is to load, does not exist.`))
}
