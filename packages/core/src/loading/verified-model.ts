import type { Contents } from '../manifest/contents.ts'
import type { Manifest } from '../manifest/manifest.ts'
import type { Verdict } from '../policy/verdict.ts'

/**
 * A model all of whose signed files were found as its signature says, under a policy that accepts
 * the signer. Made by `openVerifiedModel` only.
 */
export class VerifiedModel<T = undefined> {
  readonly #contents: Contents
  /** Who signed, under which rule, what was hashed, how long it took. */
  readonly verdict: Verdict
  /** The names and digests that were signed. */
  readonly manifest: Manifest
  /** What the loader's `gather` returned. */
  readonly gathered: T

  /** @internal */
  constructor(contents: Contents, manifest: Manifest, verdict: Verdict, gathered: T) {
    this.#contents = contents
    this.manifest = manifest
    this.verdict = verdict
    this.gathered = gathered
  }

  /** Names of all signed files, relative to the model; a single file goes by its basename. */
  get files(): string[] {
    return this.#contents.names
  }

  /**
   * Reads one signed file, hashing what is read once more: the buffer that is returned is the one
   * that was hashed, whatever happened to the file since the model was opened.
   *
   * @throws {@link ModelSealError} `FILE_NOT_SIGNED`, `FILE_MISMATCH`, `FILE_CHANGED`,
   * `FILE_UNREADABLE`, `ABORTED`
   */
  read(name: string): Promise<Uint8Array<ArrayBuffer>> {
    return this.#contents.read(name)
  }

  /** Releases what the model holds; under the isolation `memory` that is nothing yet. */
  async [Symbol.asyncDispose](): Promise<void> {}
}
