import type { AsyncLocalStorage } from 'node:async_hooks'

/** A call in progress. What it calls in turn is a part of it. */
interface Call {
  of: Calls
  isOver: boolean
}

let storage: AsyncLocalStorage<Call> | undefined

/** Loaded when it is first needed: most programs release nothing. */
function inProgress(): AsyncLocalStorage<Call> {
  storage ??= new (process.getBuiltinModule('node:async_hooks').AsyncLocalStorage)()
  return storage
}

/** The calls in progress of everything that runtimes created from one model. */
export class Calls {
  #running = 0
  readonly #check: () => void
  readonly #ended: () => void

  /**
   * @param check throws if no call may begin
   * @param ended called after the last one in progress has ended
   */
  constructor(check: () => void, ended: () => void) {
    this.#check = check
    this.#ended = ended
  }

  get areRunning(): boolean {
    return this.#running > 0
  }

  /** @throws what the check throws, unless it is a part of a call in progress */
  run<T>(work: () => T): T {
    const call = this.#start()
    try {
      return inProgress().run(call, work)
    } finally {
      this.#finish(call)
    }
  }

  /** Like {@link run}. */
  async runAsync<T>(work: () => T): Promise<Awaited<T>> {
    const call = this.#start()
    try {
      return await inProgress().run(call, work)
    } finally {
      this.#finish(call)
    }
  }

  #start(): Call {
    const outer = inProgress().getStore()
    if (outer?.of !== this || outer.isOver) this.#check()
    this.#running++
    return { of: this, isOver: false }
  }

  #finish(call: Call): void {
    call.isOver = true
    this.#running--
    if (this.#running === 0) this.#ended()
  }
}
