import type { HashedAmount } from '../../manifest/contents.ts'
import type { Target } from '../../source/private/partial-file.ts'
import type { FileRequest } from '../../source/size-limit.ts'
import type { AllowedIsolation, IsolationLevel } from '../placing/isolation.ts'
import { Placing, type PlaceableFiles, type PlacedFiles, type PlaceOptions } from '../placing/placed-files.ts'
import { OpenedFiles, type CheckedFiles } from './served-files.ts'

/** The files of a manifest. Each is compared with it whenever it is read. */
export interface SignedFiles extends PlaceableFiles {
  readonly names: readonly string[]
  readonly checked: HashedAmount
  /** @returns the buffers that were hashed, in the order of the requests */
  readAll(requests: readonly FileRequest[]): Promise<Uint8Array<ArrayBuffer>[]>
  /** Saves files in a directory of the caller. */
  save(targets: readonly Target[]): Promise<void>
  /** Checks every file that has not been read. */
  checkRest(): Promise<void>
}

/** Hands out the files of a manifest in the ways that the caller and the policy allow. */
export class VerifiedFiles extends OpenedFiles implements CheckedFiles {
  readonly #files: SignedFiles
  readonly #allowed: AllowedIsolation
  readonly #placing: Placing
  #read = false

  /** @param close ends running work and releases the source */
  constructor(files: SignedFiles, allowed: AllowedIsolation, close: () => Promise<void>) {
    const placing = new Placing(files, allowed)
    super(placing, close)
    this.#files = files
    this.#allowed = allowed
    this.#placing = placing
  }

  get names(): readonly string[] {
    return this.#files.names
  }

  get used(): IsolationLevel[] {
    return [...(this.#read ? (['memory'] as const) : []), ...this.#placing.used]
  }

  get checked(): HashedAmount {
    return this.#files.checked
  }

  size(name: string): number {
    return this.#files.size(name)
  }

  /** Remote files are read into memory if allowed, because there is nothing to map. */
  inMemory(names: readonly string[]): boolean {
    const bytes = this.#files.onDisk ? names.reduce((sum, name) => sum + this.size(name), 0) : 0
    return this.#allowed.inMemory(bytes) || (this.#placing.impossible && this.#allowed.inMemoryInstead(bytes))
  }

  async readAll(requests: readonly FileRequest[]): Promise<Uint8Array<ArrayBuffer>[]> {
    this.#allowed.checkReading()
    const buffers = await this.#files.readAll(requests)
    this.#read = true
    return buffers
  }

  place(names: readonly string[], options?: PlaceOptions): Promise<PlacedFiles> {
    return this.#placing.place(names, options)
  }

  save(targets: readonly Target[]): Promise<void> {
    return this.#files.save(targets)
  }

  checkRest(): Promise<void> {
    return this.#files.checkRest()
  }
}
