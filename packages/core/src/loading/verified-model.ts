import type { Manifest } from '../manifest/manifest.ts'
import type { Verdict } from '../policy/verdict.ts'
import type { ServedFiles } from './served-files.ts'

/**
 * A model all of whose signed files were found as its signature says, under a policy that accepts
 * the signer. Made by `openVerifiedModel` only.
 *
 * Under a rule in the mode `audit` or `skip` it may be one that was loaded unverified: then
 * `verdict.decision` is `tolerated` or `skipped`, there is no manifest, and files are read as they
 * lie on disk.
 */
export class VerifiedModel<T = undefined> {
  readonly #served: ServedFiles
  /** Who signed, under which rule, what was hashed, how long it took. */
  readonly verdict: Verdict
  /** The names and digests that were signed; undefined for a model that was loaded unverified. */
  readonly manifest: Manifest | undefined
  /** What the loader's `gather` returned. */
  readonly gathered: T

  /** @internal */
  constructor(served: ServedFiles, manifest: Manifest | undefined, verdict: Verdict, gathered: T) {
    this.#served = served
    this.manifest = manifest
    this.verdict = verdict
    this.gathered = gathered
  }

  /** Names of all signed files, relative to the model; a single file goes by its basename. */
  get files(): string[] {
    return [...this.#served.names]
  }

  /**
   * Reads one signed file, hashing what is read once more: the buffer that is returned is the one
   * that was hashed, whatever happened to the file since the model was opened.
   *
   * @throws {@link ModelSealError} `FILE_NOT_SIGNED`, `FILE_MISMATCH`, `FILE_CHANGED`,
   * `FILE_UNREADABLE`, `FILE_REVOKED`, `ABORTED`
   */
  read(name: string): Promise<Uint8Array<ArrayBuffer>> {
    return this.#served.read(name)
  }

  /** Releases what the model holds; under the isolation `memory` that is nothing yet. */
  async [Symbol.asyncDispose](): Promise<void> {}
}
