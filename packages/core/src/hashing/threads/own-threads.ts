import { Worker, type MessagePort } from 'node:worker_threads'
import { clearTimeout, monotonic, setTimeout } from '../../real-time.ts'
import { ownFile } from '../../source/optional-package.ts'
import { THREAD_CODE } from './thread-code.ts'
import { NoThreads } from './without-threads.ts'

/** The tasks that threads know. */
export type TaskName = 'hashBatch' | 'readAhead'

/** Threads that do one task each at a time. */
export interface TaskThreads {
  /** How many there are at the most. */
  readonly maxThreads: number
  /** Rejects with {@link NoThreads} where no thread can be had; then nobody has begun the task. */
  run(name: TaskName, task: unknown, transferList?: readonly MessagePort[]): Promise<unknown>
}

export interface ThreadTask {
  name: string
  task: unknown
}

export type ThreadAnswer = { result: unknown } | { error: unknown }

export interface ThreadData {
  /** File from which optional packages are looked up. */
  packagesFrom: string
}

/** Idle threads go after this time, in milliseconds. */
const IDLE_TIMEOUT = 5_000
/** Of a thread's heap, for new objects. What hashing leaves behind is small and short-lived: less of it at once stays in the cache. */
const YOUNG_MEGABYTES = 3
/** So long after a thread could not be started no other is tried, in milliseconds. */
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
 * The threads that a process makes for its hashing. Each task settles, whatever becomes of its thread: of one that
 * cannot start, ends, or answers what nobody asked for. Tasks are begun in the order in which they came.
 */
export class OwnThreads implements TaskThreads {
  readonly maxThreads: number
  readonly #threads = new Set<Thread>()
  readonly #waiting: Waiting[] = []
  #failure: { cause: unknown; at: number } | undefined
  #closed = false
  /** How many tasks threads have answered. */
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

  /** The threads that there are now. */
  get threads(): Worker[] {
    return [...this.#threads].map(({ worker }) => worker)
  }

  /** How many tasks no thread has begun. */
  get queueSize(): number {
    return this.#waiting.length
  }

  /** How many threads have a task. */
  get busy(): number {
    return [...this.#threads].filter(({ task }) => task).length
  }

  /** Ends all threads at once, and so their tasks and those that wait. */
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
    // Threads without work do not keep the process alive.
    worker.unref()
    thread.idle ??= setTimeout(() => void this.#end(thread, closed()), IDLE_TIMEOUT).unref()
  }

  /** False where no thread can be started now. */
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
    worker.on('exit', (code) => void this.#end(thread, new Error(`The thread ended with the exit code ${code}.`)))
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
      void this.#end(thread, new Error('The thread sent a message that is no answer.'))
      return
    }
    if (task) this.completed++
    thread.task = undefined
    thread.idle = undefined
    this.#distribute()
  }

  /** However a thread ended, or is to end: who waits for it is told, and others get the tasks that are left. */
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
    execArgv: [], // the program's own preloads have no business in these threads
  })
}

function closed(): Error {
  return new Error('The threads were ended by closeHashPool().')
}
