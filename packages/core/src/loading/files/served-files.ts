import type { HashedAmount } from '../../manifest/contents.ts'
import type { FileRequest } from '../../source/size-limit.ts'
import type { IsolationLevel } from '../placing/isolation.ts'
import type { PlacedFiles, PlaceOptions } from '../placing/placed-files.ts'

/** Where a loaded model's bytes come from. */
export interface ServedFiles {
  /** Names of the files that are known, relative to the model. */
  readonly names: readonly string[]
  /** How files were handed out so far. */
  readonly used: readonly IsolationLevel[]
  /** Where files were placed if not in the directory for temporary files, and why: sentences. */
  readonly notes: readonly string[]
  /** In bytes. */
  size(name: string): number
  /**
   * True where these files are to reach a runtime as buffers, false where by their paths. Once there was no place for
   * paths, true also for files that would have had some, where that is allowed.
   */
  inMemory(names: readonly string[]): boolean
  /** @returns a buffer that nobody else has */
  read(name: string): Promise<Uint8Array<ArrayBuffer>>
  /** The same for several, at the same time, in the order of the requests. */
  readAll(requests: readonly FileRequest[]): Promise<Uint8Array<ArrayBuffer>[]>
  /** Gives files a path from which a runtime can load them. */
  place(names: readonly string[], options?: PlaceOptions): Promise<PlacedFiles>
  /** Refuses where a file that was placed is not what it was. */
  confirm(): void
  /** Takes back what was placed. */
  dispose(): Promise<void>
}

/** The files of a manifest, each handed out only as it was signed. */
export interface CheckedFiles extends ServedFiles {
  /** What has been found equal so far. */
  readonly checked: HashedAmount
  /** Checks every file that was not handed out yet. */
  checkRest(): Promise<void>
}
