import type { LocalSource } from './local/local-source.ts'

/**
 * A place that a model is loaded from: a directory, a web server, a hub, a registry, an object store. `openVerifiedModel()` and
 * the adapters take one wherever they take a path.
 *
 * What a source says is never proof. Each file is hashed as it arrives and compared with the signed manifest; names, sizes and
 * listings may be wrong, and streams may never end: such a model is refused with a typed error. A source only has to answer, and
 * to say what it asked for. See {@link SourceSession} for what a load asks of it.
 *
 * @example
 * A source over a map of files, with the bundle among them:
 * ```ts
 * import { openVerifiedModel } from '@modelseal/core'
 * import type { ModelFiles, ModelSource } from '@modelseal/core/source'
 *
 * function storeSource(url: string, store: ReadonlyMap<string, Uint8Array>): ModelSource {
 *   const files: ModelFiles = {
 *     path: url,
 *     name: 'vad',
 *     isFile: false,
 *     async read({ name }, receive) {
 *       const bytes = store.get(name)
 *       if (bytes) await receive({ size: bytes.length, chunks: [bytes] })
 *     },
 *   }
 *   const bundle = {
 *     path: `${url}/model.sig`,
 *     read: (request, receive) => files.read({ ...request, name: 'model.sig' }, receive),
 *   }
 *   return {
 *     place: { url },
 *     open: () => ({
 *       model: () => files,
 *       bundles: () => [{ candidates: [bundle] }],
 *     }),
 *   }
 * }
 *
 * const model = await openVerifiedModel(storeSource('store://models/vad', store), { policy: 'trust-policy.yaml' })
 * ```
 */
export interface ModelSource {
  /** What the rules of a policy match, and what verdicts and messages call the model. */
  readonly place: ModelPlace
  /** Begins one load. Nothing is asked of the source before. */
  open(load: SourceLoad): SourceSession | Promise<SourceSession>
}

/**
 * A place, by which rules are matched: an absolute path (`match.path`), or an absolute URL without credentials (`match.url`). A
 * query or fragment of the URL is shown to nobody.
 */
export type ModelPlace =
  { readonly path: string; readonly url?: undefined } | { readonly url: string; readonly path?: undefined }

/** One load, as a source sees it. */
export interface SourceLoad {
  /** Aborted when the caller aborts the load. */
  readonly signal: AbortSignal | undefined
}

/** What a source answers during one load, and while the model is open. */
export interface SourceSession {
  /** What a name that can move was resolved to, once for this load: a commit, or a digest. Verdicts record it. */
  readonly revision?: string | undefined
  /** How much all files may have together, and by which option. Default: what the load allows, else 4 GiB. */
  readonly limit?: { readonly maxBytes: number; readonly option: string } | undefined
  /** How long to wait. Default 30 seconds for the next bytes, and 10 minutes for a file. */
  readonly timeouts?: SourceTimeouts | undefined
  /** The model that was asked for. */
  model(): ModelFiles | Promise<ModelFiles>
  /**
   * Where bundles of the model may be, the groups that count first coming first. The first group decides in which a bundle exists.
   *
   * @param names where the rule says that bundles are; undefined for the places that are usual for this kind of source
   */
  bundles(names?: readonly NamePattern[]): Iterable<BundleGroup> | AsyncIterable<BundleGroup>
  /** A bundle by the option `signature`; undefined where that is a path on this machine. */
  bundleAt?(signature: string): BundleCandidate | undefined
  /** For a single file: the directories that it lies in, nearest first. One of them may have been signed as a whole. */
  directories?(): Iterable<ModelDirectory> | AsyncIterable<ModelDirectory>
  /**
   * The model as a program sees it that loads it without a check: for rules in the mode `audit` or `skip`. A source whose
   * files mean nothing without signed digests throws here. Default: {@link model}.
   */
  unverified?(): UnverifiedModel | Promise<UnverifiedModel>
  /** Ends what is under way, within 5 seconds. Called once, when the model is closed or was refused. What it throws becomes a warning. */
  close?(): void | Promise<void>
}

/** In milliseconds. */
export interface SourceTimeouts {
  /** From one piece of a file to the next. `Infinity` for a source that watches over that itself; then only an abort ends a reading. */
  readonly idle: number
  /** For a whole file; `Infinity` as above. */
  readonly total: number
}

/** The files of a model: a directory, or one file. */
export interface ModelFiles {
  /** Names the directory or file in messages; without secrets. */
  readonly path: string
  /** The last component of its path; for a single file, the file's name. */
  readonly name: string
  /** True for a model that is one file. */
  readonly isFile: boolean
  /**
   * Reads one file: calls `receive` once, with its content as it arrives, and waits for it. Whatever belongs to the reading may be
   * released when `receive` has settled. Where there is no such file, it returns without a call of `receive`; what it returns has
   * no meaning.
   */
  read(request: ReadRequest, receive: Receive): Promise<void>
  /**
   * Lists all files, where the source can. Files that the manifest does not name then refuse the model (`FILE_UNSIGNED`), as they
   * do on disk; without a listing, they are only never read.
   */
  list?: ((signal: AbortSignal | undefined) => Iterable<SourceEntry> | AsyncIterable<SourceEntry>) | undefined
  /**
   * For files that lie on this machine: threads hash them where they lie, runtimes may load them in place, and receipts may
   * spare a load the hashing. Only `filesAt()` makes it.
   */
  readonly local?: LocalSource | undefined
}

/** What is asked for. */
export interface ReadRequest {
  /** Relative, with `/` between its components; none of them is empty, `.` or `..`. */
  readonly name: string
  /** What was signed, where that is known: for stores that keep files by their digests. */
  readonly signed?: SignedContent | undefined
  /** The bytes that are asked for, from the first to the one before `end`. Default: the whole file. */
  readonly range?: { readonly start: number; readonly end: number } | undefined
  /** How much the load has use for, in bytes: more is refused. */
  readonly maxBytes?: number | undefined
  /** Aborted when nobody waits for the file any more. */
  readonly signal: AbortSignal
}

/** The signed content of a file. */
export interface SignedContent {
  /** `sha256`, `blake2b` or another hash type of the standard. */
  readonly hashType: string
  /** Lowercase hex: one digest of the file, or one of each shard. */
  readonly digests: readonly string[]
  /** In bytes; known for models that were signed in shards. */
  readonly size?: number | undefined
}

/** The content of a file as it arrives. */
export interface SourceBody {
  /** Bytes that were announced. They size buffers and show progress, and are not believed. */
  readonly size?: number | undefined
  /** Read once, to the end or until the load has no use for more. */
  readonly chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>
}

/**
 * Takes the content of a file: copies of its pieces are hashed, and the source may use their memory again. Resolves to nothing when
 * all of it was taken, and rejects where the load has no use for it.
 */
export type Receive = (body: SourceBody) => Promise<void>

/** One file of a listing. */
export interface SourceEntry {
  /** Relative, with `/` between its components. */
  readonly name: string
  /** In bytes, where the listing says so. */
  readonly size?: number | undefined
}

/** Bundles that count together, as those of several signers do. */
export interface BundleGroup {
  /** The bundles that may exist, in the order in which they count. */
  readonly candidates: readonly BundleCandidate[]
  /** The directory above that they are about. Default: the model that was asked for. */
  readonly directory?: ModelDirectory | undefined
  /** True where any of them may be about the file that was asked for, and not only the first. */
  readonly unordered?: boolean | undefined
  /** Places for the message that no bundle was found. Default: those of the candidates. */
  readonly looked?: readonly string[] | undefined
}

/** A bundle that may exist. */
export interface BundleCandidate {
  /** Names it in messages and verdicts. */
  readonly path: string
  /** As {@link ModelFiles.read}. */
  read(request: BundleRequest, receive: Receive): Promise<void>
}

/** {@link ReadRequest} without a name. */
export type BundleRequest = Omit<ReadRequest, 'name' | 'signed' | 'range'>

/** A directory above the file that was asked for. */
export interface ModelDirectory {
  /** The name of that file in it. */
  readonly entry: string
  files(): ModelFiles | Promise<ModelFiles>
}

/** A model that is read without a check. */
export interface UnverifiedModel {
  /** A directory, so that what lies beside a single file can be read, too. */
  readonly files: ModelFiles
  /** The single file in it that was asked for. */
  readonly entry?: string | undefined
  /** Names that can be told without a listing. */
  readonly names?: readonly string[] | undefined
}

/** A compiled pattern of a rule for the names of bundles, relative to the model. */
export interface NamePattern {
  matches(name: string): boolean
  /** For each alternative its components; undefined for one with wildcards. */
  readonly spelled: readonly (readonly (string | undefined)[])[]
  /** For each alternative, of how many components a name is at most that it covers. */
  readonly depths: readonly number[]
}
