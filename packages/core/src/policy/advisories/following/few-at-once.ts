import { clearTimeout, setTimeout } from '../../../real-time.ts'

const MOST = 8
/** Work that takes longer lets the next one begin, in milliseconds: servers that do not answer must not keep other feeds from being fetched. */
const PATIENCE = 500

/** Begins work on 8 feeds at a time. */
export class FewAtOnce {
  #free = MOST
  readonly #waiting: (() => void)[] = []
  readonly #isDetached: boolean

  /** @param isDetached true if what waits for its turn must not keep the process alive */
  constructor(isDetached: boolean) {
    this.#isDetached = isDetached
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    while (this.#free === 0) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    this.#free -= 1
    let isDone = false
    const done = () => {
      if (isDone) return
      isDone = true
      clearTimeout(patience)
      this.#free += 1
      this.#waiting.shift()?.()
    }
    const patience = setTimeout(done, PATIENCE)
    if (this.#isDetached) patience.unref()
    try {
      return await work()
    } finally {
      done()
    }
  }
}
