import { Worker, type MessagePort } from 'node:worker_threads'
import { clearTimeout, monotonic, setTimeout } from '../../real-time.ts'
import { ownFile } from '../../source/optional-package.ts'
import { THREAD_CODE } from './thread-code.ts'
import { NoThreads } from './without-threads.ts'

/** The tasks that threads know. */
export type TaskName = 'hashBatch' | 'hashPieces' | 'readAhead'

/** Threads that do one task each at a time. */
export interface TaskThreads {
  /** Maximum number of threads. */
  readonly maxThreads: number
  /** Rejects with {@link NoThreads} if no thread can be started. The task has then not begun. */
  run(name: TaskName, task: unknown, transferList?: readonly MessagePort[]): Promise<unknown>
}

export interface ThreadTask {
  name: string
  task: unknown
}

export type ThreadAnswer = { result: unknown } | { error: unknown }

export interface ThreadData {
  /** File that optional packages are resolved from. */
  packagesFrom: string
}

/** Idle threads end after this time, in milliseconds. */
const IDLE_TIMEOUT = 5_000
/** Size of a thread's young generation. Hashing leaves small, short-lived garbage, which stays in the CPU cache if there is less of it at once. */
const YOUNG_MEGABYTES = 3
/** After a thread failed to start, no other is tried for this time, in milliseconds. */
const RETRY_AFTER = 10_000

interface Waiting extends ThreadTask {
  transferList: readonly MessagePort[]
  resolve: (result: unknown) => void
  reject: (error: unknown) => void
}

interface Thread {
  worker: Worker
  started: boolean
  task: Waiting | undefined
  idle: NodeJS.Timeout | undefined
}

/**
 * The threads that a process starts for hashing. Every task settles, even if its thread cannot start, ends, or sends
 * an unexpected message. Tasks begin in the order in which they were given.
 */
export class OwnThreads implements TaskThreads {
  readonly maxThreads: number
  readonly #threads = new Set<Thread>()
  readonly #waiting: Waiting[] = []
  #failure: { cause: unknown; at: number } | undefined
  #closed = false
  /** Number of tasks that threads have answered. */
  completed = 0

  constructor(maxThreads: number) {
    this.maxThreads = maxThreads
  }

  run(name: TaskName, task: unknown, transferList: readonly MessagePort[] = []): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.#closed) {
        reject(closed())
        return
      }
      this.#waiting.push({ name, task, transferList, resolve, reject })
      this.#distribute()
    })
  }

  /** The threads that currently exist. */
  get threads(): Worker[] {
    return [...this.#threads].map(({ worker }) => worker)
  }

  /** Number of tasks that no thread has begun. */
  get queueSize(): number {
    return this.#waiting.length
  }

  /** Number of threads that have a task. */
  get busy(): number {
    return [...this.#threads].filter(({ task }) => task).length
  }

  /** Ends all threads at once. Running and waiting tasks fail. */
  async destroy(): Promise<void> {
    this.#closed = true
    for (const { reject } of this.#waiting.splice(0)) reject(closed())
    await Promise.all([...this.#threads].map((thread) => this.#end(thread, closed())))
  }

  #distribute(): void {
    for (const thread of this.#threads) if (thread.started && !thread.task) this.#give(thread)
    const starting = () => [...this.#threads].filter(({ started }) => !started).length
    while (this.#threads.size < this.maxThreads && starting() < this.#waiting.length) if (!this.#start()) break
    if (this.#threads.size > 0) return
    for (const { reject } of this.#waiting.splice(0)) reject(new NoThreads(this.#failure?.cause))
  }

  #give(thread: Thread): void {
    const { worker } = thread
    for (let next = this.#waiting.shift(); next; next = this.#waiting.shift()) {
      const { name, task, transferList, reject } = next
      try {
        worker.postMessage({ name, task }, transferList)
      } catch (error) {
        reject(error)
        continue
      }
      clearTimeout(thread.idle)
      thread.task = next
      worker.ref()
      return
    }
    // Idle threads must not keep the process alive.
    worker.unref()
    thread.idle ??= setTimeout(() => void this.#end(thread, closed()), IDLE_TIMEOUT).unref()
  }

  /** Returns false if no thread can be started now. */
  #start(): boolean {
    if (this.#failure && monotonic() - this.#failure.at < RETRY_AFTER) return false
    let thread: Thread
    try {
      thread = { worker: newWorker(), started: false, task: undefined, idle: undefined }
    } catch (cause) {
      this.#failed(cause)
      return false
    }
    const { worker } = thread
    this.#threads.add(thread)
    worker.on('message', (message: unknown) => this.#answered(thread, message))
    worker.on('messageerror', (error) => void this.#end(thread, error))
    worker.on('error', (error) => void this.#end(thread, error))
    worker.on('exit', (code) => void this.#end(thread, new Error(`The thread ended with exit code ${code}.`)))
    return true
  }

  #failed(cause: unknown): void {
    this.#failure = { cause, at: monotonic() }
  }

  #answered(thread: Thread, message: unknown): void {
    const { task, started } = thread
    const answer = (typeof message === 'object' && message !== null ? message : {}) as {
      error?: unknown
      result?: unknown
    }
    if (!started && message === 'ready') thread.started = true
    else if (task && Object.hasOwn(answer, 'error')) task.reject(answer.error)
    else if (task && Object.hasOwn(answer, 'result')) task.resolve(answer.result)
    else {
      void this.#end(thread, new Error('The thread sent an unexpected message.'))
      return
    }
    if (task) this.completed++
    thread.task = undefined
    thread.idle = undefined
    this.#distribute()
  }

  /** Handles a thread that ended or must end: its task fails, and other threads get the remaining tasks. */
  async #end(thread: Thread, cause: unknown): Promise<void> {
    const { worker, task, started, idle } = thread
    if (!this.#threads.delete(thread)) return
    clearTimeout(idle)
    if (!started) this.#failed(cause)
    task?.reject(cause)
    const ended = worker.terminate()
    if (!this.#closed) this.#distribute()
    await ended
  }
}

function newWorker(): Worker {
  const workerData: ThreadData = { packagesFrom: ownFile() }
  return new Worker(THREAD_CODE, {
    eval: typeof THREAD_CODE === 'string',
    name: 'modelseal hashing',
    workerData,
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MEGABYTES },
    execArgv: [], // these threads must not run the program's preloaded modules
  })
}

function closed(): Error {
  return new Error('The threads were ended by closeHashPool().')
}
