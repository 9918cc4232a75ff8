import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { MessagePort } from 'node:worker_threads'
import { codeOf } from '../../any-realm.ts'
import type { TaskName, TaskThreads } from './own-threads.ts'
import { workerFile } from './thread-code.ts'
import { NoThreads } from './without-threads.ts'

/** A pool of worker threads, reduced to what is needed here. `Piscina` implements it. */
export interface ThreadPool {
  /** Runs the function `name` of the module `filename` with `task` in one of the threads. */
  run(task: unknown, options: { filename: string; name: string; transferList?: MessagePort[] }): Promise<unknown>
  /** Maximum number of threads. */
  readonly maxThreads: number
}

/** Codes of the errors by which Node.js refuses to start a thread. */
const NOT_STARTED: ReadonlySet<string | undefined> = new Set(['ERR_ACCESS_DENIED', 'ERR_WORKER_INIT_FAILED'])

/** The threads of the program's own pool. */
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

/** @throws {@link NoThreads} if a bundler left the module out */
function workerModule(): string {
  const file = workerFile()
  if (existsSync(file)) return file.href
  throw new NoThreads(new Error(`The program's pool must load ${fileURLToPath(file)}, which does not exist.`))
}
