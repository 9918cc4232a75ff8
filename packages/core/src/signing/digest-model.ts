import { isHashType, type HashType } from '../hashing/algorithms.ts'
import type { ProgressCallback } from '../hashing/hash-files.ts'
import { buildManifest, listFiles, type BuildOptions, type BuiltManifest } from '../manifest/build.ts'
import { GIT_PATHS } from '../manifest/ignores.ts'
import { compareCodePoints } from '../manifest/order.ts'
import type { Serialization } from '../manifest/serialization.ts'
import { callback, choice, flag, givenPath, invalidOption, listOf, signal } from '../kinds.ts'
import { snapshot, withoutPrototype, type Shape } from '../snapshot.ts'
import { openLocalSource } from '../source/local/local-source.ts'
import type { SourceFile } from '../source/local/source-file.ts'
import { pathHere } from '../source/model-location.ts'
import type { ModelSource } from '../source/model-source.ts'
import { countedBundles, type CountedBundles } from './counted-bundles.ts'
import { withDatasetShards, type DatasetOptions } from './datasets/shards.ts'
import { LocalModel } from './models/local-model.ts'
import type { ModelToSign } from './models/model-to-sign.ts'
import { withRemoteModel, type RemoteModel } from './models/remote-model.ts'

export interface DigestOptions extends DatasetOptions {
  /**
   * Maximum total size in bytes of a model that is not on this machine. Default: 4 GiB. A model on this machine has no
   * limit.
   */
  maxBytes?: number | undefined
  /** Hash algorithm of files and shards. Default: `sha256`. */
  hashType?: HashType | undefined
  /** Shard size in bytes. If given, each file is hashed in shards of this size (OMS 6.3.2). */
  shardSize?: number | undefined
  /** Whether to follow links that stay within the model. Default: false, which refuses links. */
  allowSymlinks?: boolean | undefined
  /** Paths to ignore, with everything below them. Relative paths are relative to the model. No globs. */
  ignorePaths?: readonly string[] | undefined
  /** Whether to ignore `.git`, `.gitignore`, `.gitattributes` and `.github`. Default: true. */
  ignoreGitPaths?: boolean | undefined
  signal?: AbortSignal | undefined
  onProgress?: ProgressCallback | undefined
}

export const DIGEST_OPTIONS: Shape<DigestOptions> = {
  hashType: true,
  shardSize: true,
  format: choice('dataset'),
  wholeFiles: flag,
  allowSymlinks: flag,
  ignorePaths: listOf(givenPath),
  ignoreGitPaths: flag,
  maxBytes: true,
  signal,
  onProgress: callback,
}

/** The root digest of a model. */
export interface ModelDigest {
  /** The commit or digest that was read, for a model whose source has revisions. */
  revision?: string
  /** SHA-256 in lowercase hex. */
  rootDigest: string
  files: number
  bytes: number
  /** Signature bundles and attestations in the directory, which were hashed like any other file. Absent if there are none. */
  bundles?: CountedBundles
}

/**
 * Computes the root digest of a model (OMS 6.5.1), which identifies the signed content. A bundle in the directory is
 * hashed as well unless it is in `ignorePaths`, so the digest then differs from the signed one; `bundles` reports that,
 * with the digest without it.
 *
 * @returns SHA-256 in lowercase hex, files and bytes
 * @throws {@link ModelSealError} like `signModel`
 * @example
 * ```ts
 * console.log(`sha256:${(await digestModel('models/vad')).rootDigest}`)
 * ```
 */
export async function digestModel(model: string | URL | ModelSource, given?: DigestOptions): Promise<ModelDigest> {
  const options = snapshot(given, DIGEST_OPTIONS, 'digestModel')
  const path = pathHere(model)
  if (path === undefined) return withRemoteModel(model, options, (remote) => remoteDigest(remote, options))
  const source = await openLocalSource(path)
  return localDigest(new LocalModel(source, options.signal), options)
}

async function localDigest(model: LocalModel, options: DigestOptions): Promise<ModelDigest> {
  const { source } = model
  const serialization = await withDatasetShards(model, serializationFor(model, options, []), options)
  const { manifest, files, bytes } = await buildManifest(source, serialization, options)
  const bundles = await countedBundles(model, manifest)
  return { rootDigest: manifest.rootDigest, files, bytes, ...(bundles ? { bundles } : {}) }
}

async function remoteDigest(model: RemoteModel, options: DigestOptions): Promise<ModelDigest> {
  if (model.local) return localDigest(new LocalModel(model.local, options.signal), options)
  const serialization = await withDatasetShards(model, serializationFor(model, options, []), options)
  const { manifest, files, bytes } = await model.build(serialization, options)
  const bundles = await countedBundles(model, manifest)
  const { revision } = model
  return {
    rootDigest: manifest.rootDigest,
    files,
    bytes,
    ...(revision === undefined ? {} : { revision }),
    ...(bundles ? { bundles } : {}),
  }
}

/** Without those that depend on the files. */
type HashingOptions = Omit<DigestOptions, keyof DatasetOptions>

/**
 * Like {@link digestModel}, for callers that need to know what went into the digest.
 *
 * @throws {@link ModelSealError} like {@link digestModel}, and `FILE_TOO_LARGE` beyond the limit
 */
export async function manifestOf(
  path: string,
  options: HashingOptions & Pick<BuildOptions, 'limit' | 'leftOut'>,
): Promise<BuiltManifest> {
  const source = await openLocalSource(path)
  return buildManifest(source, serializationFor(new LocalModel(source), options, []), options)
}

/**
 * The files that {@link manifestOf} hashes, in the states in which they are now.
 *
 * @throws {@link ModelSealError} like {@link digestModel}
 */
export async function filesOf(
  path: string,
  options: HashingOptions & Pick<BuildOptions, 'leftOut'>,
): Promise<readonly SourceFile[]> {
  const source = await openLocalSource(path)
  return listFiles(source, serializationFor(new LocalModel(source), options, []), options)
}

/** How to hash a model. @param signatures names or paths of bundles, which are excluded */
export function serializationFor(
  model: Pick<ModelToSign, 'isFile' | 'ignoredNames'>,
  options: HashingOptions,
  signatures: readonly string[],
): Serialization {
  const gitPaths = options.ignoreGitPaths === false || model.isFile ? [] : GIT_PATHS
  // OMS 6.2: the signature file itself is excluded wherever it is, and the manifest records what was excluded.
  const ignored = [...gitPaths, ...model.ignoredNames(options.ignorePaths ?? []), ...signatures]
  const { hashType = 'sha256', shardSize, allowSymlinks = false } = options
  if (!isHashType(hashType)) throw invalidOption('hashType', 'sha256, blake2b or blake3', hashType)
  if (shardSize !== undefined && !(Number.isSafeInteger(shardSize) && shardSize > 0)) {
    throw invalidOption('shardSize', 'a positive number of bytes', shardSize)
  }
  return withoutPrototype<Serialization>({
    ...(shardSize === undefined ? { method: 'files' } : { method: 'shards', shardSize }),
    hashType,
    allowSymlinks,
    ...(!model.isFile ? { ignorePaths: [...new Set(ignored)].sort(compareCodePoints) } : {}),
  })
}
