import type { IsolationLevel } from './isolation.ts'
import type { PlacedFiles } from './placed-files.ts'

/** Where a loaded model's bytes come from. */
export interface ServedFiles {
  /** Names of the files that are known, relative to the model. */
  readonly names: readonly string[]
  /** How files were handed out so far. */
  readonly used: readonly IsolationLevel[]
  /** In bytes. */
  size(name: string): number
  /** True where these files are to reach a runtime as buffers, false where by their paths. */
  inMemory(names: readonly string[]): boolean
  /** @returns a buffer that nobody else has */
  read(name: string): Promise<Uint8Array<ArrayBuffer>>
  /** Gives files a path from which a runtime can load them. */
  place(names: readonly string[]): Promise<PlacedFiles>
  /** Refuses where a file that was placed is not what it was. */
  confirm(): void
  /** Takes back what was placed. */
  dispose(): Promise<void>
}
