import type { HashedAmount } from '../../manifest/contents.ts'
import type { FileRequest } from '../../source/size-limit.ts'
import type { IsolationLevel } from '../placing/isolation.ts'
import type { PlacedFiles, PlaceOptions, Placing } from '../placing/placed-files.ts'

/** The source of a loaded model's bytes. */
export interface ServedFiles {
  /** Names of the known files, relative to the model. */
  readonly names: readonly string[]
  /** How files have been handed out so far. */
  readonly used: readonly IsolationLevel[]
  /** Sentences that say where files were placed if not in the directory for temporary files, and why. */
  readonly notes: readonly string[]
  /** In bytes. */
  size(name: string): number
  /**
   * True if these files should reach the runtime as buffers, false if by path. Once no place for paths was found, also
   * true for files that would have had paths, if allowed.
   */
  inMemory(names: readonly string[]): boolean
  /** @returns a buffer that is not shared */
  read(name: string): Promise<Uint8Array<ArrayBuffer>>
  /** Reads several files concurrently and returns them in the order of the requests. */
  readAll(requests: readonly FileRequest[]): Promise<Uint8Array<ArrayBuffer>[]>
  /** Gives files paths from which a runtime can load them. */
  place(names: readonly string[], options?: PlaceOptions): Promise<PlacedFiles>
  /** Throws if a placed file has changed. */
  confirm(): void
  /** Removes the placed files. */
  dispose(): Promise<void>
}

/** The files of a manifest, each handed out only if it matches. */
export interface CheckedFiles extends ServedFiles {
  /** What has matched so far. */
  readonly checked: HashedAmount
  /** Checks every file that has not been handed out. */
  checkRest(): Promise<void>
}

/** What verified and unverified files have in common: files that are placed, and a source that is closed with them. */
export abstract class OpenedFiles {
  readonly #placing: Placing
  readonly #close: () => Promise<void>

  /** @param close ends running work and releases the source */
  constructor(placing: Placing, close: () => Promise<void>) {
    this.#placing = placing
    this.#close = close
  }

  abstract readAll(requests: readonly FileRequest[]): Promise<Uint8Array<ArrayBuffer>[]>

  get notes(): string[] {
    return this.#placing.notes
  }

  async read(name: string): Promise<Uint8Array<ArrayBuffer>> {
    const [bytes] = await this.readAll([{ name }])
    return bytes ?? new Uint8Array()
  }

  confirm(): void {
    this.#placing.confirm()
  }

  async dispose(): Promise<void> {
    try {
      await this.#close()
    } finally {
      await this.#placing.dispose()
    }
  }
}
