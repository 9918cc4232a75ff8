import { createReadStream } from 'node:fs'
import { Readable } from 'node:stream'
import { ASYNC_DISPOSE } from '../any-realm.ts'
import { disposeIfCompiled } from './async-dispose.ts'
import { checkedText, choice, listOf, text } from '../kinds.ts'
import { snapshot, type Shape } from '../snapshot.ts'
import type { Manifest } from '../manifest/manifest.ts'
import type { AcceptedVerdict, UnverifiedVerdict, Verdict } from '../results.ts'
import { believedAttestations, type BelievedAttestations } from './attestations/attestation.ts'
import type { Accepted } from './judging/judging.ts'
import { modelClosed } from './model-closed.ts'
import type { PlacedFiles, PlaceOptions } from './placing/placed-files.ts'
import type { ServedFiles } from './files/served-files.ts'
import { follow } from './standing/live-models.ts'
import type { Standing } from './standing/standing.ts'

const NAME = 'the name of a file'
const NAMES = listOf(text)
const PLACE_OPTIONS: Shape<PlaceOptions> = { isolation: choice('copy') }

/** What `openVerifiedModel` returns. `decision` tells the two types apart. */
export type OpenedModel<T = undefined> = VerifiedModel<T> | UnverifiedModel<T>

/** The outcome of a load. */
interface Loaded<T> {
  verdict: Verdict
  gathered: T
  standing: Standing
}

/** What verified and unverified models have in common. */
abstract class ModelHandle<T, V extends Verdict> {
  readonly #served: ServedFiles
  #closed = false
  /** Who signed, which rule applied, what was hashed, and how long it took. */
  readonly verdict: V
  /** What the loader's `gather` returned. */
  readonly gathered: T

  /** @internal */
  readonly standing: Standing

  protected constructor(served: ServedFiles, { verdict, gathered, standing }: Loaded<T>) {
    this.#served = served
    // The load completes the verdict before anyone else gets the model.
    this.verdict = verdict as V
    this.gathered = gathered
    this.standing = standing
  }

  /**
   * Is aborted if the model is revoked after it was loaded: a watched policy, or an advisory feed that the policy follows, has changed, and
   * would now refuse it. Its `reason` is a {@link ModelSealError} with the code `MODEL_REVOKED`, whose `cause` says why. The
   * model then hands out no more files. It is watched until it is closed; what an adapter created, until it is released or no longer used.
   *
   * @example
   * ```ts
   * model.revoked.addEventListener('abort', () => server.stop(model.revoked.reason))
   * ```
   */
  get revoked(): AbortSignal {
    return this.standing.revoked
  }

  /**
   * Goes on watching after the model is closed, for as long as somebody has the signal or the given object.
   *
   * @internal
   */
  keepWatching(created: object): void {
    this.standing.heldBy(created)
    follow(this.standing)
  }

  /** Names of all signed files, relative to the model; for a single file, its basename. */
  get files(): string[] {
    return [...this.#served.names]
  }

  /**
   * Reads one signed file and hashes it again. The returned buffer is the one that was hashed, whatever happened to the
   * file since the model was opened.
   *
   * @throws {@link ModelSealError} `FILE_NOT_SIGNED`, `FILE_MISMATCH`, `FILE_CHANGED`, `FILE_UNREADABLE`,
   * `FILE_REVOKED`, `ABORTED`; `MODEL_REVOKED` after it was revoked; `INVALID_ARGUMENT` after {@link close}
   */
  async read(name: string): Promise<Uint8Array<ArrayBuffer>> {
    this.#checkOpen()
    return this.#served.read(checkedText(name, NAME))
  }

  /**
   * Streams one signed file: from memory if it is small, otherwise from where {@link place} puts it, so that no byte is
   * returned before the whole file was checked.
   *
   * @throws {@link ModelSealError} what {@link read} and {@link place} throw
   */
  async stream(name: string): Promise<ReadableStream<Uint8Array>> {
    this.#checkOpen()
    checkedText(name, NAME)
    if (!this.#served.inMemory([name])) {
      try {
        return Readable.toWeb(createReadStream(await this.path(name))) as ReadableStream<Uint8Array>
      } catch (error) {
        // There was no place for it, but enough memory.
        if (!this.#served.inMemory([name])) throw error
      }
    }
    return new Blob([await this.read(name)]).stream()
  }

  /**
   * The path of one signed file for a runtime that loads by path; see {@link place}.
   *
   * @throws {@link ModelSealError} what {@link place} throws
   */
  async path(name: string): Promise<string> {
    return (await this.place([name])).path(name)
  }

  /**
   * Gives each signed file a path below one directory that only this user can enter. The path leads to the hashed
   * bytes: a copy, or (`in-place`) a link to the very file, which only root and this user can write to. All files of
   * one call get the same kind of path. The paths are valid until the model is closed.
   *
   * Load first, then call {@link confirm}, then {@link close} the model.
   *
   * @throws {@link ModelSealError} `FILE_NOT_SIGNED`, `FILE_MISMATCH`, `FILE_CHANGED`, `FILE_REVOKED`,
   * `ISOLATION_REFUSED`, `COPY_FAILED`, `FILE_UNREADABLE`, `ABORTED`; `MODEL_REVOKED` after it was revoked;
   * `INVALID_ARGUMENT` after {@link close}
   * @example
   * ```ts
   * const model = await openVerifiedModel('models/llama', { isolation: 'in-place' })
   * const weights = await model.path('model.gguf')
   * const session = await runtime.load(weights)
   * model.confirm()
   * await model.close()
   * ```
   */
  async place(names: readonly string[], options?: PlaceOptions): Promise<PlacedFiles> {
    this.#checkOpen()
    const { isolation } = snapshot(options, PLACE_OPTIONS, 'place')
    return this.#served.place(NAMES(names, 'names') as readonly string[], { isolation })
  }

  /**
   * Call this after a runtime has loaded from paths. Throws if a file that was placed `in-place` changed in the
   * meantime.
   *
   * @throws {@link ModelSealError} `FILE_CHANGED`; `MODEL_REVOKED` after it was revoked; `INVALID_ARGUMENT` after {@link close}, when nothing can be
   * confirmed any more
   */
  confirm(): void {
    this.#checkOpen()
    this.#served.confirm()
  }

  /**
   * Closes the model: removes the paths that {@link place} returned and closes their files. Buffers that {@link read}
   * returned stay valid. A closed model returns no more files; only `verdict`, `manifest`, `files` and `gathered` can
   * still be read. Calling it again has no effect. `await using` does the same if the realm has `Symbol.asyncDispose`.
   * vm contexts of Node.js 22, such as those of Jest, may lack it; there, `await using` works only if compiled by
   * Babel, esbuild or Oxc.
   *
   * @example
   * ```ts
   * const model = await openVerifiedModel('models/llama')
   * try {
   *   await runtime.load(await model.path('model.gguf'))
   *   model.confirm()
   * } finally {
   *   await model.close()
   * }
   * ```
   */
  async close(): Promise<void> {
    this.#closed = true
    this.standing.close()
    await this.#served.dispose()
  }

  /**
   * @internal
   * @throws {@link ModelSealError} `MODEL_REVOKED`, `INVALID_ARGUMENT` after {@link close}
   */
  checkOpen(): void {
    this.#checkOpen()
  }

  #checkOpen(): void {
    if (this.#closed) throw modelClosed()
    this.standing.check()
  }

  /** Same as {@link close}. */
  [ASYNC_DISPOSE](): Promise<void> {
    return this.close()
  }

  static {
    disposeIfCompiled(this.prototype)
  }
}

/**
 * A model whose signed files all match its signature, under a policy that accepts the signer. Only `openVerifiedModel`
 * creates one.
 */
export class VerifiedModel<T = undefined> extends ModelHandle<T, AcceptedVerdict> {
  readonly decision = 'accepted'
  /** The names and digests that were signed. */
  readonly manifest: Manifest
  /** What was attested about the model by attestations that satisfied the rule. */
  readonly attestations: BelievedAttestations

  /** @internal */
  constructor(served: ServedFiles, accepted: Accepted, loaded: Loaded<T>) {
    super(served, loaded)
    this.manifest = accepted.signature.manifest
    this.attestations = believedAttestations(accepted.attestations)
  }
}

/**
 * A model that was opened unverified, because a rule in the mode `audit` or `skip` says so. Its files are read as they
 * are on disk. Only `openVerifiedModel` creates one.
 */
export class UnverifiedModel<T = undefined> extends ModelHandle<T, UnverifiedVerdict> {
  /** An unverified model has no manifest. */
  readonly manifest = undefined

  /** @internal */
  // eslint-disable-next-line @typescript-eslint/no-useless-constructor -- public for the loader; that of the base class is protected
  constructor(served: ServedFiles, loaded: Loaded<T>) {
    super(served, loaded)
  }

  /** `tolerated` if a rule in the mode `audit` would have refused it, `skipped` under a rule in the mode `skip`. */
  get decision(): 'tolerated' | 'skipped' {
    // Whoever receives the verdict could write another decision into it.
    return this.verdict.decision === 'skipped' ? 'skipped' : 'tolerated'
  }
}
