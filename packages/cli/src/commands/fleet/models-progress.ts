import type { ProgressCallback } from '@modelseal/core'

/** One progress of all models: those that are done, and those that are being hashed. */
export class ModelsProgress {
  readonly #report: ProgressCallback | undefined
  readonly #current = new Map<string, readonly [done: number, total: number]>()
  #finished = 0

  constructor(report: ProgressCallback | undefined) {
    this.#report = report
  }

  readonly onProgress = (model: string, done: number, total: number): void => {
    this.#current.set(model, [done, total])
    this.#tell()
  }

  finish(model: string): void {
    const [, total = 0] = this.#current.get(model) ?? []
    this.#current.delete(model)
    this.#finished += total
  }

  #tell(): void {
    let [done, total] = [this.#finished, this.#finished]
    for (const [some, all] of this.#current.values()) {
      done += some
      total += all
    }
    this.#report?.(done, total)
  }
}
