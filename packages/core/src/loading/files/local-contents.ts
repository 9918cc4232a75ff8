import type { Contents, HashedAmount } from '../../manifest/contents.ts'
import type { FileRequest } from '../../source/size-limit.ts'
import type { AllowedIsolation, IsolationLevel } from '../placing/isolation.ts'
import { Placing, type PlacedFiles, type PlaceOptions } from '../placing/placed-files.ts'
import type { CheckedFiles } from './served-files.ts'

/** Serves the files of a manifest from this machine. */
export class LocalContents implements CheckedFiles {
  readonly #contents: Contents
  readonly #allowed: AllowedIsolation
  readonly #placing: Placing

  #read = false

  constructor(contents: Contents, allowed: AllowedIsolation) {
    this.#contents = contents
    this.#allowed = allowed
    this.#placing = new Placing(contents, allowed)
  }

  get names(): readonly string[] {
    return this.#contents.names
  }

  get used(): IsolationLevel[] {
    return [...(this.#read ? (['memory'] as const) : []), ...this.#placing.used]
  }

  get notes(): string[] {
    return this.#placing.notes
  }

  get checked(): HashedAmount {
    return this.#contents.checked
  }

  size(name: string): number {
    return this.#contents.file(name).identity.size
  }

  inMemory(names: readonly string[]): boolean {
    const bytes = names.reduce((sum, name) => sum + this.size(name), 0)
    return this.#allowed.inMemory(bytes) || (this.#placing.impossible && this.#allowed.inMemoryInstead(bytes))
  }

  async read(name: string): Promise<Uint8Array<ArrayBuffer>> {
    const [bytes] = await this.readAll([{ name }])
    return bytes ?? new Uint8Array()
  }

  async readAll(requests: readonly FileRequest[]): Promise<Uint8Array<ArrayBuffer>[]> {
    this.#allowed.checkReading()
    const buffers = await this.#contents.readAll(requests)
    this.#read = true
    return buffers
  }

  place(names: readonly string[], options?: PlaceOptions): Promise<PlacedFiles> {
    return this.#placing.place(names, options)
  }

  confirm(): void {
    this.#placing.confirm()
  }

  dispose(): Promise<void> {
    return this.#placing.dispose()
  }

  checkRest(): Promise<void> {
    return this.#contents.checkRest()
  }
}
