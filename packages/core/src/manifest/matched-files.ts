import type { SourceFile } from '../source/local/source-file.ts'

/** The files of a model that were hashed and found to match, each counted once. */
export class MatchedFiles {
  readonly #names = new Set<string>()
  /** Those that were hashed somewhere else only. */
  readonly #elsewhere = new Set<string>()
  #bytes = 0

  get amount(): { files: number; bytes: number } {
    return { files: this.#names.size, bytes: this.#bytes }
  }

  has(name: string): boolean {
    return this.#names.has(name)
  }

  wasHashedHere(name: string): boolean {
    return this.#names.has(name) && !this.#elsewhere.has(name)
  }

  add({ name, identity }: SourceFile, isElsewhere: boolean): void {
    if (isElsewhere) this.#elsewhere.add(name)
    else this.#elsewhere.delete(name)
    if (this.#names.has(name)) return
    this.#names.add(name)
    this.#bytes += identity.size
  }
}
