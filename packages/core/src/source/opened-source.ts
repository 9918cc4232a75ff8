import { propertyOf } from '../any-realm.ts'
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
    const revision = this.#optional('revision')
    return typeof revision === 'string' ? revision : undefined
  }

  async model(): Promise<ModelFiles> {
    return plainFiles(await this.reader.ask('model', () => this.#session.model()))
  }

  async *bundles(names?: readonly NamePattern[]): AsyncGenerator<BundleGroup> {
    let count = 0
    for await (const group of this.reader.each('places of bundles', () => this.#session.bundles(names))) {
      if (++count > MAX_GROUPS) return
      yield withoutPrototype({ ...group })
    }
  }

  bundleAt(signature: string): BundleCandidate | undefined {
    return this.#optional('bundleAt')?.call(this.#session, signature)
  }

  /** The directories above a single file. */
  async *directories(): AsyncGenerator<ModelDirectory> {
    let count = 0
    for await (const directory of this.reader.each(
      'directories of the model',
      () => this.#optional('directories')?.call(this.#session) ?? [],
    )) {
      if (++count > MAX_GROUPS) return
      yield directory
    }
  }

  /** The model as it is without a check; a single file together with what lies beside it. */
  unverified(): Promise<UnverifiedModel> {
    return this.reader.ask('model', async () => {
      const unverified = this.#optional('unverified')
      const model = unverified ? await unverified.call(this.#session) : { files: await this.#session.model() }
      const files = plainFiles(model.files)
      const alone = files.isFile ? { entry: files.name, names: [files.name] } : {}
      return withoutPrototype({ ...alone, ...model, files })
    })
  }

  /**
   * How much of all files may be read: what the source says, or else the caller. What comes from afar has always a limit.
   *
   * @param maxBytes what the caller allows
   */
  limit(files: ModelFiles, maxBytes: number | undefined): SizeLimit | undefined {
    const { maxBytes: bySource, option } = withoutPrototype({
      maxBytes: Infinity,
      option: '',
      ...this.#optional('limit'),
    })
    const byDefault = files.local || bySource < Infinity ? Infinity : DEFAULT_MAX_BYTES
    const byCaller = maxBytes ?? byDefault
    if (byCaller === Infinity && bySource === Infinity) return undefined
    return bySource <= byCaller
      ? new SizeLimit(bySource, `${TOGETHER} ("${option}")`)
      : new SizeLimit(byCaller, `${TOGETHER} ("maxBytes")`)
  }

  /** How much all bundles may have together that are read to find those of the model. */
  get maxSearchBytes(): number {
    return this.#optional('limit')?.maxBytes ?? Infinity
  }

  /** Ends what is under way. */
  async close(): Promise<void> {
    await this.reader.stop()
    await this.#optional('close')?.call(this.#session)
  }

  /** What a source need not have is not looked up on `Object.prototype`. */
  #optional<K extends keyof SourceSession>(name: K): SourceSession[K] | undefined {
    return propertyOf(this.#session, name) as SourceSession[K] | undefined
  }
}

/** The files, and nothing that `Object.prototype` could lend them. */
export function plainFiles(files: ModelFiles): ModelFiles {
  const list = propertyOf(files, 'list') as ModelFiles['list']
  const { path, name, isFile } = files
  return withoutPrototype<ModelFiles>({
    path,
    name,
    isFile,
    local: propertyOf(files, 'local') as ModelFiles['local'],
    list: list?.bind(files),
    read: (request, receive) => files.read(request, receive),
  })
}
