import type { Manifest } from '../../manifest/manifest.ts'
import type { Serialization } from '../../manifest/serialization.ts'
import type { SigningWarning } from '../doubtful-files.ts'

/** A model that is to be signed, wherever it is. */
export interface ModelToSign {
  /** Name of the model in messages. */
  readonly path: string
  /** The name that is signed. */
  readonly name: string
  readonly isFile: boolean
  /**
   * The names of paths that a user wants to ignore.
   *
   * @throws {@link ModelSealError} `INVALID_ARGUMENT`
   */
  ignoredNames(paths: readonly string[]): string[]
  /** Names of the bundles in the model: those of other signers are not part of it, so that all sign the same content. */
  bundles(): Promise<string[]>
  /** Whether the model has a `claims.jsonl` that contains attestations, and not other content. */
  hasAttestations(): Promise<boolean>
  /** Whether a file of the model is a bundle. */
  isBundle(name: string): Promise<boolean>
  /**
   * The content of a file.
   *
   * @returns undefined if the model does not have it
   * @throws {@link ModelSealError} `FILE_TOO_LARGE`, and what a source throws
   */
  smallFile(name: string, maxBytes: number): Promise<Uint8Array | undefined>
  /** Names of all files that are signed. */
  fileNames(serialization: Serialization): Promise<string[]>
  /** Size of the largest file that is signed, in bytes. Infinity if it is not known before the files are read. */
  largestSize(serialization: Serialization): Promise<number>
  /** What the signer should check. */
  warnings(manifest: Manifest): Promise<SigningWarning[]>
}

/** Where publishers put bundles in a model. */
export function mayBeBundle(name: string): boolean {
  return name === 'model.sig' || (name.endsWith('.oms.sig') && !name.includes('/'))
}
