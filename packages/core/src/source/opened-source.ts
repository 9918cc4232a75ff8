import { shown, type ModelSealError } from '../errors.ts'
import { DEFAULT_MAX_BYTES } from './size-limit.ts'
import type {
  BundleCandidate,
  BundleGroup,
  ClaimsCandidate,
  ModelDirectory,
  ModelFiles,
  ModelSource,
  NamePattern,
  SourceLoad,
  SourceSession,
  PlainModel,
} from './model-source.ts'
import { valueOf, withoutPrototype } from '../snapshot.ts'
import { SizeLimit, TOGETHER } from './size-limit.ts'
import { isOwnSource } from './own-sources.ts'
import {
  answered,
  checkedCandidate,
  checkedClaims,
  checkedDirectory,
  checkedFiles,
  checkedGroup,
  checkedSession,
  checkedUnverified,
  sourceFailed,
} from './answers/source-answers.ts'
import { SourceReader } from './answers/source-reader.ts'

/** More places than any model has for bundles. A search that ended here silently could miss a bundle that claims something revoked. */
const MAX_GROUPS = 1_000
/** One for each attestation that is read. A file for all of them is usual. */
const MAX_CLAIMS_PLACES = 1_000
/** How long a source may take to close. */
const CLOSE_MS = 5_000

/** A source that was opened for one load. All requests to it are bounded. */
export class OpenedSource {
  /** Makes all requests before files are handed out. */
  readonly reader: SourceReader
  readonly #session: SourceSession
  readonly #isOwn: boolean
  readonly #load: SourceLoad

  /** @throws {@link ModelSealError} `SOURCE_FAILED`, `SOURCE_TIMEOUT`, `ABORTED`, and what the source throws */
  static async open(source: ModelSource, given: SourceLoad = { signal: undefined }): Promise<OpenedSource> {
    const load = withoutPrototype(given)
    const isOwn = isOwnSource(source)
    let opening: SourceSession | Promise<SourceSession> | undefined
    try {
      const reader = new SourceReader({ isOwn, detached: load.detached }, load.signal)
      const session = await reader.ask(SOURCE, () => (opening = source.open(load)), checkedSession)
      return new OpenedSource(session, isOwn, load)
    } catch (error) {
      closeUnused(opening)
      throw error
    }
  }

  private constructor(session: SourceSession, isOwn: boolean, load: SourceLoad) {
    this.#session = session
    this.#isOwn = isOwn
    this.#load = load
    this.reader = this.newReader()
  }

  /** A reader for files that are handed out together and closed together. */
  newReader(): SourceReader {
    const { signal, detached } = this.#load
    return new SourceReader({ timeouts: this.#session.timeouts, isOwn: this.#isOwn, detached }, signal)
  }

  /** What a mutable name was resolved to. */
  get revision(): string | undefined {
    return this.#session.revision
  }

  /** The mutable name. */
  get requested(): string | undefined {
    return this.#session.requested
  }

  /** Unchecked. */
  get packageUrl(): string | undefined {
    return this.#session.packageUrl
  }

  async model(): Promise<ModelFiles> {
    return this.reader.ask(MODEL, () => this.#session.model(), checkedFiles)
  }

  async *bundles(names?: readonly NamePattern[]): AsyncGenerator<BundleGroup> {
    const what = 'places of bundles'
    let count = 0
    for await (const group of this.reader.each(
      what,
      () => this.#session.bundles(names && this.#namesFor(names)),
      checkedGroup,
    )) {
      if (++count > MAX_GROUPS) throw sourceFailed(what, `more than ${MAX_GROUPS} groups of bundles`)
      yield group
    }
  }

  /** Where attestations of a model may be. */
  async *claims(files: ModelFiles): AsyncGenerator<ClaimsCandidate> {
    const what = 'places of attestations'
    let count = 0
    for await (const place of this.reader.each(what, () => this.#session.claims?.(files) ?? [], checkedClaims)) {
      if (++count > MAX_CLAIMS_PLACES) throw sourceFailed(what, `more than ${MAX_CLAIMS_PLACES} places of attestations`)
      yield place
    }
  }

  bundleAt(signature: string): BundleCandidate | undefined {
    const what = 'signature bundle'
    const given = answered(what, () => this.#session.bundleAt?.(signature))
    return given && answered(what, () => checkedCandidate(given))
  }

  /** The directories above a single file. */
  async *directories(): AsyncGenerator<ModelDirectory> {
    const what = 'directories of the model'
    let count = 0
    for await (const directory of this.reader.each(what, () => this.#session.directories?.() ?? [], checkedDirectory)) {
      if (++count > MAX_GROUPS) throw sourceFailed(what, `more than ${MAX_GROUPS} directories`)
      yield directory
    }
  }

  /** The unverified model. If the source gives only the file itself, that file is all it contains. */
  async unverified(): Promise<PlainModel> {
    if (this.#session.unverified) {
      return this.reader.ask(MODEL, () => this.#session.unverified?.() as PlainModel, checkedUnverified)
    }
    const files = await this.model()
    const alone = files.isFile ? { entry: files.name, names: [files.name] } : { entry: undefined, names: undefined }
    return { files, ...alone }
  }

  /**
   * The limit on the total size of all files: the lower one of the source and the caller. Files that are not on this
   * machine always have a limit.
   *
   * @param maxBytes limit of the caller
   */
  limit(files: ModelFiles, maxBytes: number | undefined): SizeLimit | undefined {
    const { maxBytes: bySource, option } = this.#session.limit ?? { maxBytes: Infinity, option: '' }
    const byDefault = files.local || bySource < Infinity ? Infinity : DEFAULT_MAX_BYTES
    const byCaller = maxBytes ?? byDefault
    if (byCaller === Infinity && bySource === Infinity) return undefined
    return bySource <= byCaller
      ? new SizeLimit(bySource, `${TOGETHER} (${shown(option)})`)
      : new SizeLimit(byCaller, `${TOGETHER} ("maxBytes")`)
  }

  /** Maximum total size of all bundles read during the search. */
  get maxSearchBytes(): number {
    return this.#session.limit?.maxBytes ?? Infinity
  }

  /**
   * Ends all running work, in bounded time.
   *
   * @returns the error if the source failed to close
   */
  async close(): Promise<ModelSealError | undefined> {
    await this.reader.stop()
    const { idle = CLOSE_MS } = this.#session.timeouts ?? {}
    const limit = Math.min(idle, CLOSE_MS)
    const { detached } = this.#load
    const closing = new SourceReader({ timeouts: { idle: limit, total: limit }, detached }, undefined)
    try {
      await closing.ask(
        SOURCE,
        () => this.#session.close?.(),
        () => undefined,
      )
      return undefined
    } catch (error) {
      // ask() throws nothing else.
      return error as ModelSealError
    }
  }

  /** Patterns belong to the policy, so other sources get copies. */
  #namesFor(names: readonly NamePattern[]): readonly NamePattern[] {
    if (this.#isOwn) return names
    return names.map((pattern) => ({
      matches: (name) => pattern.matches(name),
      spelled: pattern.spelled.map((components) => [...components]),
      depths: [...pattern.depths],
    }))
  }
}

/** A session that came too late, or in the wrong form: what it holds is released all the same. Not waited for, as it may never come. */
function closeUnused(opening: unknown): void {
  void (async () => {
    const session: unknown = await opening
    if (typeof session !== 'object' || session === null) return
    const close = valueOf(session, 'close')
    if (typeof close === 'function') await Reflect.apply(close, session, [])
  })().catch(() => {})
}

const SOURCE = 'source of the model'
const MODEL = 'model'
