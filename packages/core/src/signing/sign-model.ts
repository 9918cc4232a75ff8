import { join, resolve } from 'node:path'
import { writeBundle } from '../bundle/bundle.ts'
import { IN_TOTO_PAYLOAD_TYPE, preAuthEncoding } from '../bundle/dsse.ts'
import { writeStatement } from '../bundle/statement.ts'
import type { ProgressCallback } from '../hashing/hash-files.ts'
import { buildManifest } from '../manifest/build.ts'
import { GIT_PATHS, ignoredNames } from '../manifest/ignores.ts'
import { compareCodePoints } from '../manifest/order.ts'
import type { Serialization } from '../manifest/serialization.ts'
import { openLocalSource, throwIfAborted, type LocalSource } from '../source/local-source.ts'
import type { Signer } from './signer.ts'
import { writeFileWhole } from './write-file.ts'

export interface DigestOptions {
  /** Paths left out with all below them; relative ones are relative to the model. No globs. */
  ignorePaths?: readonly string[] | undefined
  /** False to take `.git`, `.gitignore`, `.gitattributes` and `.github` in. Default true. */
  ignoreGitPaths?: boolean | undefined
  signal?: AbortSignal | undefined
  onProgress?: ProgressCallback | undefined
}

export interface SignOptions extends DigestOptions {
  signer: Signer
  /** Where the bundle goes. Default: `model.sig` in a model directory, `FILE.sig` beside a file. */
  signature?: string | undefined
}

/** What was signed. */
export interface SignedModel {
  /** Absolute path of the bundle. */
  signature: string
  /** SHA-256 in lowercase hex. */
  rootDigest: string
  files: number
  bytes: number
}

/**
 * Signs a model: hashes its files and writes a signature bundle (OMS 6).
 *
 * @throws {@link ModelSealError} `MODEL_NOT_FOUND`, `MODEL_EMPTY`, `SYMLINK_REFUSED`,
 * `FILE_SPECIAL`, `FILE_NAME`, `FILE_CHANGED`, `FILE_UNREADABLE`, `INVALID_ARGUMENT`,
 * `SIGNATURE_WRITE_FAILED`, `ABORTED`
 * @example
 * ```ts
 * const signer = await keySigner({ privateKey: 'release.key' })
 * const { rootDigest } = await signModel('models/vad', { signer })
 * ```
 */
export async function signModel(path: string, options: SignOptions): Promise<SignedModel> {
  const source = await openLocalSource(path)
  const signature = resolve(options.signature ?? defaultSignature(source))
  const { manifest, files, bytes } = await buildManifest(
    source,
    serializationFor(source, options, [signature]),
    options,
  )

  const payload = writeStatement(manifest)
  const encoded = preAuthEncoding(IN_TOTO_PAYLOAD_TYPE, payload)
  throwIfAborted(options.signal)
  const signed = await options.signer.sign(encoded, options.signal)
  const envelope = { payloadType: IN_TOTO_PAYLOAD_TYPE, payload, signature: signed.signature } as const
  await writeFileWhole(signature, writeBundle(signed.verificationMaterial, envelope))
  return { signature, rootDigest: manifest.rootDigest, files, bytes }
}

/**
 * Computes the root digest of a model (OMS 6.5.1): the identity that a signature is over.
 *
 * @returns SHA-256 in lowercase hex, files and bytes
 * @throws {@link ModelSealError} as {@link signModel}
 * @example
 * ```ts
 * console.log(`sha256:${(await digestModel('models/vad')).rootDigest}`)
 * ```
 */
export async function digestModel(path: string, options: DigestOptions = {}): Promise<Omit<SignedModel, 'signature'>> {
  const source = await openLocalSource(path)
  const { manifest, files, bytes } = await buildManifest(source, serializationFor(source, options, []), options)
  return { rootDigest: manifest.rootDigest, files, bytes }
}

/** Where a bundle goes, and is looked for first. */
export function defaultSignature(source: LocalSource): string {
  return source.kind === 'directory' ? join(source.path, 'model.sig') : `${source.path}.sig`
}

function serializationFor(source: LocalSource, options: DigestOptions, signatures: readonly string[]): Serialization {
  const gitPaths = options.ignoreGitPaths === false || source.kind === 'file' ? [] : GIT_PATHS
  // OMS 6.2: the signature file itself is left out wherever it lies; what is left out is recorded.
  const ignored = [...gitPaths, ...ignoredNames(source, [...(options.ignorePaths ?? []), ...signatures])]
  return {
    method: 'files',
    hashType: 'sha256',
    allowSymlinks: false,
    ...(source.kind === 'directory' ? { ignorePaths: [...new Set(ignored)].sort(compareCodePoints) } : {}),
  }
}
