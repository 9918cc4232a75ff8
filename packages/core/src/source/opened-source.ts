import { withoutPrototype } from '../snapshot.ts'
import { DEFAULT_MAX_BYTES } from './http/options.ts'
import type {
  BundleCandidate,
  BundleGroup,
  ModelDirectory,
  ModelFiles,
  ModelSource,
  NamePattern,
  SourceLoad,
  SourceSession,
  UnverifiedModel,
} from './model-source.ts'
import { SizeLimit, TOGETHER } from './size-limit.ts'
import { SourceReader } from './source-reader.ts'

/** More places than any model has bundles in: a search ends, whatever a source gives. */
const MAX_GROUPS = 1_000

/** A source that was opened for one load. Whatever is asked of it is asked within bounds. */
export class OpenedSource {
  /** For whatever is asked before files are handed out. */
  readonly reader: SourceReader
  readonly #session: SourceSession
  readonly #signal: AbortSignal | undefined

  /** @throws {@link ModelSealError} `SOURCE_FAILED`, `SOURCE_TIMEOUT`, `ABORTED`, and what the source throws */
  static async open(source: ModelSource, load: SourceLoad = { signal: undefined }): Promise<OpenedSource> {
    const session = await new SourceReader({}, load.signal).ask('source of the model', () => source.open(load))
    return new OpenedSource(session, load.signal)
  }

  private constructor(session: SourceSession, signal: AbortSignal | undefined) {
    this.#session = session
    this.#signal = signal
    this.reader = this.newReader()
  }

  /** For files that are handed out together, and whose reading ends together. */
  newReader(): SourceReader {
    return new SourceReader(this.#session, this.#signal)
  }

  /** What a name that can move was resolved to. */
  get revision(): string | undefined {
    const { revision } = this.#session
    return typeof revision === 'string' ? revision : undefined
  }

  model(): Promise<ModelFiles> {
    return this.reader.ask('model', () => this.#session.model())
  }

  async *bundles(names?: readonly NamePattern[]): AsyncGenerator<BundleGroup> {
    let count = 0
    for await (const group of this.reader.each('places of bundles', () => this.#session.bundles(names))) {
      if (++count > MAX_GROUPS) return
      yield group
    }
  }

  bundleAt(signature: string): BundleCandidate | undefined {
    return this.#session.bundleAt?.(signature)
  }

  /** The directories above a single file. */
  async *directories(): AsyncGenerator<ModelDirectory> {
    let count = 0
    for await (const directory of this.reader.each(
      'directories of the model',
      () => this.#session.directories?.() ?? [],
    )) {
      if (++count > MAX_GROUPS) return
      yield directory
    }
  }

  /** The model as it is without a check; a single file together with what lies beside it. */
  unverified(): Promise<UnverifiedModel> {
    return this.reader.ask('model', async () => {
      if (this.#session.unverified) return this.#session.unverified()
      const files = await this.#session.model()
      return files.isFile ? { files, entry: files.name, names: [files.name] } : { files }
    })
  }

  /**
   * How much of all files may be read: what the source says, or else the caller. What comes from afar has always a limit.
   *
   * @param maxBytes what the caller allows
   */
  limit(files: ModelFiles, maxBytes: number | undefined): SizeLimit | undefined {
    const { maxBytes: bySource, option } = withoutPrototype({ maxBytes: Infinity, option: '', ...this.#session.limit })
    const byDefault = files.local || bySource < Infinity ? Infinity : DEFAULT_MAX_BYTES
    const byCaller = maxBytes ?? byDefault
    if (byCaller === Infinity && bySource === Infinity) return undefined
    return bySource <= byCaller
      ? new SizeLimit(bySource, `${TOGETHER} ("${option}")`)
      : new SizeLimit(byCaller, `${TOGETHER} ("maxBytes")`)
  }

  /** How much all bundles may have together that are read to find those of the model. */
  get maxSearchBytes(): number {
    return this.#session.limit?.maxBytes ?? Infinity
  }

  /** Ends what is under way. */
  async close(): Promise<void> {
    await this.reader.stop()
    await this.#session.close?.()
  }
}
