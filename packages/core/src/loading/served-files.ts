/** Where a loaded model's bytes come from. */
export interface ServedFiles {
  /** Names of the files that are known, relative to the model. */
  readonly names: readonly string[]
  /** @returns a buffer that nobody else has */
  read(name: string): Promise<Uint8Array<ArrayBuffer>>
}
