import type { LocalSource } from './local/local-source.ts'
import type { SourceAbilities, SourceLoad } from './source-abilities.ts'

export type { SourceLoad } from './source-abilities.ts'

/**
 * A place from which models are loaded: a directory, a web server, a hub, a registry, an object store.
 * `openVerifiedModel()` and the adapters accept a source wherever they accept a path.
 *
 * A source is never trusted. Each file is hashed as it arrives and compared with the signed manifest. If names, sizes
 * or listings are wrong, or a stream never ends, the model is refused with a typed error. A source only has to answer
 * requests; see {@link SourceSession} for what a load requests.
 *
 * @example A source that reads from a map of files, including the bundle:
 * ```ts
 * import { openVerifiedModel } from '@modelseal/core'
 * import type { BundleCandidate, ModelFiles, ModelSource } from '@modelseal/core/source'
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
 *   const bundle: BundleCandidate = {
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
 * const store = new Map<string, Uint8Array>() // The content of each file by its name, with model.sig.
 * const model = await openVerifiedModel(storeSource('store://models/vad', store), { policy: 'trust-policy.yaml' })
 * ```
 */
export interface ModelSource extends SourceAbilities {
  /** What policy rules are matched against, and what verdicts and messages call the model. */
  readonly place: ModelPlace
  /** Begins one load. Nothing is requested from the source before this call. */
  open(load: SourceLoad): SourceSession | Promise<SourceSession>
}

/**
 * A place that policy rules match: an absolute path (`match.path`), or an absolute URL without credentials
 * (`match.url`). The query and fragment of the URL are never shown.
 */
export type ModelPlace =
  { readonly path: string; readonly url?: undefined } | { readonly url: string; readonly path?: undefined }

/** The interface of a source during one load, and while the model is open. */
export interface SourceSession {
  /** What a mutable name was resolved to for this load, such as a commit or a digest. Verdicts record it. */
  readonly revision?: string | undefined
  /** The name that was resolved, such as a branch or a tag. Verdicts record it. */
  readonly requested?: string | undefined
  /**
   * The package URL of the model at its {@link revision}, such as `pkg:huggingface/acme/vad@COMMIT`, by which policies and advisory
   * feeds can revoke it. Only for a source that knows it without trusting anybody, as from the URL that it was given.
   */
  readonly packageUrl?: string | undefined
  /** Maximum total size of all files, and the option that sets it. Default: the limit of the load, or else 4 GiB. */
  readonly limit?: { readonly maxBytes: number; readonly option: string } | undefined
  /** How long to wait. Default: 30 seconds for the next bytes, and 10 minutes for a file. */
  readonly timeouts?: SourceTimeouts | undefined
  /** The requested model. */
  model(): ModelFiles | Promise<ModelFiles>
  /**
   * Where bundles of the model may be, in order of precedence: at most 1,000 groups. The first group in which a bundle exists decides.
   *
   * @param names where the rule says the bundles are; undefined for the usual places of this kind of source
   */
  bundles(names?: readonly NamePattern[]): Iterable<BundleGroup> | AsyncIterable<BundleGroup>
  /**
   * Where attestations of a model may be: at most 1,000 places. Called only if a rule requires attestations, or if somebody wants
   * to see or keep them.
   *
   * @param files the signed model, as {@link model} or a {@link ModelDirectory} returned it
   */
  claims?(files: ModelFiles): Iterable<ClaimsCandidate> | AsyncIterable<ClaimsCandidate>
  /** The bundle that the option `signature` names; undefined if the option is a path on this machine. */
  bundleAt?(signature: string): BundleCandidate | undefined
  /** For a single file: the directories above it, nearest first. One of them may have been signed as a whole. */
  directories?(): Iterable<ModelDirectory> | AsyncIterable<ModelDirectory>
  /**
   * The model as a program without modelseal would see it, for rules in the mode `audit` or `skip`. Throws if the
   * source cannot identify files without signed digests. Default: {@link model}.
   */
  unverified?(): PlainModel | Promise<PlainModel>
  /**
   * Ends all running work within 5 seconds. Called once, when the model is closed or was refused. If it throws, the
   * error becomes a warning.
   */
  close?(): void | Promise<void>
}

/** In milliseconds. */
export interface SourceTimeouts {
  /**
   * Maximum time between two pieces of a file. `Infinity` for a source that enforces its own timeouts; then only an
   * abort ends a read.
   */
  readonly idle: number
  /** Maximum time for a whole file, or `Infinity` as above. */
  readonly total: number
}

/** The files of a model: a directory, or one file. */
export interface ModelFiles {
  /** Name of the directory or file in messages. Must not contain secrets. */
  readonly path: string
  /** The last component of the path. */
  readonly name: string
  /** True if the model is a single file. */
  readonly isFile: boolean
  /**
   * Reads one file: calls `receive` once with the content as it arrives, and awaits it. Resources of the read may be
   * released when `receive` has settled. If there is no such file, returns without calling `receive`. The return value
   * is ignored.
   */
  read(request: ReadRequest, receive: Receive): Promise<void>
  /**
   * Lists all files, if the source can. With a listing, a model with files that the manifest does not name is refused
   * (`FILE_UNSIGNED`), as on disk. Without one, such files are simply never read.
   */
  list?: ((signal: AbortSignal | undefined) => Iterable<SourceEntry> | AsyncIterable<SourceEntry>) | undefined
  /**
   * The same files on this machine, as `filesAt()` returns them, if the source has all of the named ones in a cache.
   * Called once the signature was accepted and the listing compared. The files are then hashed and handed out like those of a
   * local model, and receipts apply. Returns undefined if {@link read} must deliver them.
   */
  onDisk?:
    | ((
        names: readonly string[],
        signal: AbortSignal | undefined,
      ) => Promise<ModelFiles | undefined> | ModelFiles | undefined)
    | undefined
  /**
   * For files on this machine: threads hash them in place, runtimes may load them in place, and receipts may make
   * hashing unnecessary. Only `filesAt()` creates this value.
   */
  readonly local?: LocalSource | undefined
}

/** A request for a file. */
export interface ReadRequest {
  /** Relative, with `/` between components. No component is empty, `.` or `..`. */
  readonly name: string
  /** The signed content, if known, for stores that address files by digest. */
  readonly signed?: SignedContent | undefined
  /**
   * The requested bytes, from `start` to `end`, exclusive. Default: the whole file. Requested to continue an interrupted
   * download. A source that cannot provide a range must throw.
   */
  readonly range?: { readonly start: number; readonly end: number } | undefined
  /** Maximum size that the load accepts, in bytes. */
  readonly maxBytes?: number | undefined
  /** True if a source with a cache need not keep the file: the load keeps it on a disk, or nobody reads it again. */
  readonly kept?: boolean | undefined
  /**
   * True if an answer from a cache (`cached`) did not have the signed content: the source must fetch the file again, and
   * may replace what it had.
   */
  readonly again?: boolean | undefined
  /** Aborted when the file is no longer needed. */
  readonly signal: AbortSignal
}

/** The signed content of a file. */
export interface SignedContent {
  /** `sha256`, `blake2b` or another hash type of the standard. */
  readonly hashType: string
  /** In lowercase hex: one digest of the file, or one of each shard. */
  readonly digests: readonly string[]
  /** In bytes. Known for models signed in shards. */
  readonly size?: number | undefined
}

/** The content of a file as it arrives. */
export interface SourceBody {
  /** Announced length in bytes. Used for buffer sizes and progress, but not trusted. */
  readonly size?: number | undefined
  /**
   * True if some of it comes from a cache of the source. If it is not the signed content, the file is then requested once
   * more, with `again`.
   */
  readonly cached?: boolean | undefined
  /** Read once, to the end or until the load needs no more. */
  readonly chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>
}

/**
 * Receives the content of a file. Pieces are copied before they are hashed, so the source may reuse their memory. Those
 * of `Downloads` (`@modelseal/core/http`) that it passes on as they are need not be.
 * Resolves when all content was received, and rejects if the load cannot use it.
 */
export type Receive = (body: SourceBody) => Promise<void>

/** One file of a listing. */
export interface SourceEntry {
  /** Relative, with `/` between components. */
  readonly name: string
  /** In bytes, if the listing includes it. */
  readonly size?: number | undefined
  /**
   * SHA-256 of the content in lowercase hex, if the source states it. If it is not the signed digest, the model is
   * refused (`FILE_MISMATCH`) before the file is read. It never makes a file count as verified.
   */
  readonly sha256?: string | undefined
  /**
   * Identifies this content of the file, such as an ETag, if the source reads it in the version that it listed and refuses any other. Several
   * machines that list the same version read the same bytes. Default: the {@link SourceSession.revision}.
   */
  readonly version?: string | undefined
}

/** Bundles that count together, such as those of several signers. */
export interface BundleGroup {
  /** The bundles that may exist, in order of precedence. */
  readonly candidates: readonly BundleCandidate[]
  /** The parent directory that they sign. Default: the requested model. */
  readonly directory?: ModelDirectory | undefined
  /** True if any of them, not only the first, may sign the requested file. */
  readonly unordered?: boolean | undefined
  /** Places to list in the message that no bundle was found. Default: those of the candidates. */
  readonly looked?: readonly string[] | undefined
  /** A directory inside the requested one that has a bundle of its own. The message that no bundle was found suggests it. */
  readonly nested?: string | undefined
}

/** A bundle that may exist. */
export interface BundleCandidate {
  /** Its name in messages and verdicts. */
  readonly path: string
  /**
   * True if signatures and attestations are mixed, as among what is attached to an artifact in a registry. The statement in
   * the bundle decides which it is: a search for bundles leaves attestations out, and a search for attestations leaves
   * signatures of models out.
   */
  readonly mixed?: boolean | undefined
  /** Like {@link ModelFiles.read}. */
  read(request: BundleRequest, receive: Receive): Promise<void>
}

/** A file that may exist and contain attestations: bundles whose statements are about the model. */
export interface ClaimsCandidate extends BundleCandidate {
  /** True for JSON lines, each of which is a bundle; otherwise the file is one bundle. */
  readonly lines?: boolean | undefined
  /** Its name in the model, if it is one of the files of the model. If the manifest names it, it is content and is not read. */
  readonly name?: string | undefined
}

/** {@link ReadRequest} without a name. */
export type BundleRequest = Omit<ReadRequest, 'name' | 'signed' | 'range'>

/** A directory above the requested file. */
export interface ModelDirectory {
  /** The name of the requested file in it. */
  readonly entry: string
  files(): ModelFiles | Promise<ModelFiles>
}

/** A model that is read unverified. */
export interface PlainModel {
  /** A directory, so that files beside a single file can be read as well. */
  readonly files: ModelFiles
  /** The single file in it that was requested. */
  readonly entry?: string | undefined
  /** Names that are known without a listing. */
  readonly names?: readonly string[] | undefined
}

/** A compiled pattern for bundle names from a rule, relative to the model. */
export interface NamePattern {
  matches(name: string): boolean
  /** The components of each alternative; undefined for components with wildcards. */
  readonly spelled: readonly (readonly (string | undefined)[])[]
  /** For each alternative, the maximum number of components in a name that it matches. */
  readonly depths: readonly number[]
}
