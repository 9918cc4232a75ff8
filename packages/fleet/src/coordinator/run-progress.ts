import type { ModelProgress, RunProgress } from '../queue/work-queue.ts'

/** Models of which the progress is told one by one. */
const MOST_TOLD = 8
/** In seconds, over which the rate is measured. */
const RATE_OVER = 15
const SAMPLE_EVERY = 0.5

/** Counts how far a run is. Keeps only the models that are being worked on. */
export class CountedProgress {
  readonly #current = new Map<string, ModelProgress>()
  readonly #bytes: () => number
  readonly #samples: { at: number; bytes: number }[] = [{ at: process.uptime(), bytes: 0 }]
  #models = 0
  #failed = 0

  /** @param bytes how many have been hashed so far */
  constructor(bytes: () => number) {
    this.#bytes = bytes
  }

  begin(model: string): void {
    this.#current.set(model, { model, done: 0, total: 0 })
  }

  hashed(model: string, done: number, total: number): void {
    if (this.#current.has(model)) this.#current.set(model, { model, done, total })
  }

  end(model: string, isFailed: boolean): void {
    this.#current.delete(model)
    this.#models += 1
    if (isFailed) this.#failed += 1
  }

  /** How far the run is now. */
  now(): RunProgress {
    const bytes = this.#bytes()
    const current = [...this.#current.values()].sort((one, other) => other.total - one.total).slice(0, MOST_TOLD)
    const others = this.#current.size - current.length
    return { models: this.#models, failed: this.#failed, current, others, bytes, bytesPerSecond: this.#rate(bytes) }
  }

  #rate(bytes: number): number {
    const at = process.uptime()
    const samples = this.#samples
    if (at - (samples.at(-1)?.at ?? 0) >= SAMPLE_EVERY) samples.push({ at, bytes })
    while (samples.length > 1 && at - (samples[1]?.at ?? at) > RATE_OVER) samples.shift()
    const [first] = samples
    // Bytes do not count any more if a result is rejected.
    return first && at > first.at ? Math.max(Math.round((bytes - first.bytes) / (at - first.at)), 0) : 0
  }
}
