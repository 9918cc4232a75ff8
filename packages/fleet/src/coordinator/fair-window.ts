import { ModelSealError } from '@modelseal/core/errors'
import { report } from '../telemetry/fleet-events.ts'

/** Work that waits for its turn. */
interface Turn {
  /** The model that it is for: models share the window by bytes. */
  readonly model: string
  /** Where the bytes are: only so many jobs read one source at a time. */
  readonly source: string
  readonly bytes: number
}

interface Waiting {
  readonly turn: Turn
  readonly begin: () => void
}

/** Bounds how many jobs are given out at a time. A huge model and small ones take turns, so that neither waits for all of the other. */
export class FairWindow {
  readonly #size: number
  readonly #perSource: number
  readonly #waiting = new Map<string, Waiting[]>()
  /** Bytes that each model was given, of those that have work. */
  readonly #given = new Map<string, number>()
  readonly #bySource = new Map<string, number>()
  #running = 0

  constructor(size: number, perSource: number) {
    this.#size = size
    this.#perSource = perSource
  }

  /**
   * Runs the work when it is its turn.
   *
   * @throws {@link ModelSealError} `ABORTED`
   */
  async run<T>(turn: Turn, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    await this.#admitted(turn, signal)
    try {
      return await work()
    } finally {
      this.#running -= 1
      report({ type: 'window', inUse: -1, waiting: 0 })
      this.#count(turn.source, -1)
      this.#beginNext()
    }
  }

  /** A model has no more work. */
  leave(model: string): void {
    this.#given.delete(model)
  }

  #admitted(turn: Turn, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(aborted())
        return
      }
      const queue = this.#waiting.get(turn.model) ?? []
      this.#waiting.set(turn.model, queue)
      // A new model begins where the others are, or it would have the window for itself until it had caught up.
      if (!this.#given.has(turn.model))
        this.#given.set(turn.model, this.#given.size === 0 ? 0 : Math.min(...this.#given.values()))
      const stop = () => {
        queue.splice(queue.indexOf(waiting), 1)
        report({ type: 'window', inUse: 0, waiting: -1 })
        reject(aborted())
      }
      const waiting: Waiting = {
        turn,
        begin: () => {
          signal?.removeEventListener('abort', stop)
          resolve()
        },
      }
      signal?.addEventListener('abort', stop, { once: true })
      queue.push(waiting)
      report({ type: 'window', inUse: 0, waiting: 1 })
      this.#beginNext()
    })
  }

  #beginNext(): void {
    while (this.#running < this.#size) {
      const next = this.#next()
      if (!next) return
      const { model, source, bytes } = next.turn
      this.#running += 1
      report({ type: 'window', inUse: 1, waiting: -1 })
      this.#count(source, 1)
      this.#given.set(model, (this.#given.get(model) ?? 0) + bytes)
      next.begin()
    }
  }

  /** The first job of the model that was given the fewest bytes, and whose source is not busy. */
  #next(): Waiting | undefined {
    let least: string | undefined
    for (const [model, queue] of this.#waiting) {
      const [first] = queue
      if (!first) this.#waiting.delete(model)
      else if ((this.#bySource.get(first.turn.source) ?? 0) >= this.#perSource) continue
      else if (least === undefined || this.#bytes(model) < this.#bytes(least)) least = model
    }
    return least === undefined ? undefined : this.#waiting.get(least)?.shift()
  }

  #bytes(model: string): number {
    return this.#given.get(model) ?? 0
  }

  #count(source: string, by: number): void {
    const count = (this.#bySource.get(source) ?? 0) + by
    if (count === 0) this.#bySource.delete(source)
    else this.#bySource.set(source, count)
  }
}

function aborted(): ModelSealError {
  return new ModelSealError('ABORTED', 'The caller aborted the operation.')
}
