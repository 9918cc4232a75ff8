import { isHashType, type HashType } from '../hashing/algorithms.ts'
import type { ProgressCallback } from '../hashing/hash-files.ts'
import { buildManifest, type BuildOptions, type BuiltManifest } from '../manifest/build.ts'
import { GIT_PATHS, ignoredNames } from '../manifest/ignores.ts'
import { compareCodePoints } from '../manifest/order.ts'
import type { Serialization } from '../manifest/serialization.ts'
import { callback, flag, givenPath, invalidOption, listOf, signal } from '../kinds.ts'
import { knownOptions, withoutPrototype, type Shape } from '../snapshot.ts'
import { openLocalSource, type LocalSource } from '../source/local/local-source.ts'
import { countedBundles, type CountedBundles } from './counted-bundles.ts'

export interface DigestOptions {
  /** Hash of files and shards. Default `sha256`. */
  hashType?: HashType | undefined
  /** Bytes of a shard; given, each file is hashed in shards of this size (OMS 6.3.2). */
  shardSize?: number | undefined
  /** True to follow links that stay within the model. Default false: a link is refused. */
  allowSymlinks?: boolean | undefined
  /** Paths left out with all below them; relative ones are relative to the model. No globs. */
  ignorePaths?: readonly string[] | undefined
  /** False to take `.git`, `.gitignore`, `.gitattributes` and `.github` in. Default true. */
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
  /** Signature bundles in the directory, which were counted as any other file. Absent where there are none. */
  bundles?: CountedBundles
}

/**
 * Computes the root digest of a model (OMS 6.5.1): the identity that a signature is over. A bundle in the directory counts, unless
 * `ignorePaths` has it, so the digest is then not the one that was signed; `bundles` says so, with the digest without it.
 *
 * @returns SHA-256 in lowercase hex, files and bytes
 * @throws {@link ModelSealError} as `signModel`
 * @example
 * ```ts
 * console.log(`sha256:${(await digestModel('models/vad')).rootDigest}`)
 * ```
 */
export async function digestModel(path: string, given?: DigestOptions): Promise<ModelDigest> {
  const options = knownOptions(given, DIGEST_OPTIONS, 'digestModel')
  const source = await openLocalSource(path)
  const { manifest, files, bytes } = await buildManifest(source, serializationFor(source, options, []), options)
  const bundles = await countedBundles(source, manifest)
  return { rootDigest: manifest.rootDigest, files, bytes, ...(bundles ? { bundles } : {}) }
}

/**
 * As {@link digestModel}, for a caller who has to know what entered the digest.
 *
 * @throws {@link ModelSealError} as there, and `FILE_TOO_LARGE` beyond the limit
 */
export async function manifestOf(
  path: string,
  options: DigestOptions & Pick<BuildOptions, 'limit' | 'leftOut'>,
): Promise<BuiltManifest> {
  const source = await openLocalSource(path)
  return buildManifest(source, serializationFor(source, options, []), options)
}

/** How a model is hashed. @param signatures paths of bundles, which are left out */
export function serializationFor(
  source: LocalSource,
  options: DigestOptions,
  signatures: readonly string[],
): Serialization {
  const gitPaths = options.ignoreGitPaths === false || source.kind === 'file' ? [] : GIT_PATHS
  // OMS 6.2: the signature file itself is left out wherever it lies; what is left out is recorded.
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
