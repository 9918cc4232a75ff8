import { isHashType, type HashType } from '../hashing/algorithms.ts'
import type { ProgressCallback } from '../hashing/hash-files.ts'
import { buildManifest, type BuildOptions, type BuiltManifest } from '../manifest/build.ts'
import { GIT_PATHS, ignoredNames } from '../manifest/ignores.ts'
import { compareCodePoints } from '../manifest/order.ts'
import type { Serialization } from '../manifest/serialization.ts'
import { callback, flag, givenPath, invalidOption, listOf, signal } from '../kinds.ts'
import { snapshot, withoutPrototype, type Shape } from '../snapshot.ts'
import { openLocalSource, type LocalSource } from '../source/local/local-source.ts'
import { countedBundles, type CountedBundles } from './counted-bundles.ts'

export interface DigestOptions {
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
  allowSymlinks: flag,
  ignorePaths: listOf(givenPath),
  ignoreGitPaths: flag,
  signal,
  onProgress: callback,
}

/** The root digest of a model. */
export interface ModelDigest {
  /** SHA-256 in lowercase hex. */
  rootDigest: string
  files: number
  bytes: number
  /** Signature bundles in the directory, which were hashed like any other file. Absent if there are none. */
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
export async function digestModel(path: string, given?: DigestOptions): Promise<ModelDigest> {
  const options = snapshot(given, DIGEST_OPTIONS, 'digestModel')
  const source = await openLocalSource(path)
  const { manifest, files, bytes } = await buildManifest(source, serializationFor(source, options, []), options)
  const bundles = await countedBundles(source, manifest)
  return { rootDigest: manifest.rootDigest, files, bytes, ...(bundles ? { bundles } : {}) }
}

/**
 * Like {@link digestModel}, for callers that need to know what went into the digest.
 *
 * @throws {@link ModelSealError} like {@link digestModel}, and `FILE_TOO_LARGE` beyond the limit
 */
export async function manifestOf(
  path: string,
  options: DigestOptions & Pick<BuildOptions, 'limit' | 'leftOut'>,
): Promise<BuiltManifest> {
  const source = await openLocalSource(path)
  return buildManifest(source, serializationFor(source, options, []), options)
}

/** How to hash a model. @param signatures paths of bundles, which are excluded */
export function serializationFor(
  source: LocalSource,
  options: DigestOptions,
  signatures: readonly string[],
): Serialization {
  const gitPaths = options.ignoreGitPaths === false || source.kind === 'file' ? [] : GIT_PATHS
  // OMS 6.2: the signature file itself is excluded wherever it is, and the manifest records what was excluded.
  const ignored = [...gitPaths, ...ignoredNames(source, [...(options.ignorePaths ?? []), ...signatures])]
  const { hashType = 'sha256', shardSize, allowSymlinks = false } = options
  if (!isHashType(hashType)) throw invalidOption('hashType', 'sha256, blake2b or blake3', hashType)
  if (shardSize !== undefined && !(Number.isSafeInteger(shardSize) && shardSize > 0)) {
    throw invalidOption('shardSize', 'a positive number of bytes', shardSize)
  }
  return withoutPrototype<Serialization>({
    ...(shardSize === undefined ? { method: 'files' } : { method: 'shards', shardSize }),
    hashType,
    allowSymlinks,
    ...(source.kind === 'directory' ? { ignorePaths: [...new Set(ignored)].sort(compareCodePoints) } : {}),
  })
}
