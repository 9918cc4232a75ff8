import { checkedMaxBundleBytes, readBundle } from '../../bundle/read-bundle.ts'
import { checkContents } from '../../manifest/check-contents.ts'
import type { ContentsOptions } from '../../manifest/contents.ts'
import { ignoredNames, namesWithin } from '../../manifest/ignores.ts'
import { callback, flag, givenPath, listOf, path, required, signal, text } from '../../kinds.ts'
import { snapshot, type Shape } from '../../snapshot.ts'
import { openLocalSource, localPlace } from '../../source/local/local-source.ts'
import { readerFromHere, type ReadFile } from '../../source/read-small-file.ts'
import type { SignatureTime, VerifiedIdentity } from '../../results.ts'
import { verifierCopy, verifyBundle, type Verifier } from './verifier.ts'

export interface VerifyOptions extends Pick<
  ContentsOptions,
  'ignoreGitPaths' | 'ignoreUnsignedFiles' | 'signal' | 'onProgress'
> {
  /** Path of the bundle. */
  signature: string
  /** The trusted signer. */
  verifier: Verifier
  /** Paths to ignore, with everything below them. Relative paths are relative to the model. No globs. */
  ignorePaths?: readonly string[] | undefined
  /** Maximum size of the bundle, in bytes. Default: 32 MiB; the bundle of a model of 100,000 files has 17 MiB. */
  maxBundleBytes?: number | undefined
  /** Checks only these signed files or directories. The rest stays unverified. */
  files?: readonly string[] | undefined
}

const OPTIONS: Shape<VerifyOptions> = {
  signature: required(path),
  verifier: required(verifierCopy),
  ignorePaths: listOf(givenPath),
  maxBundleBytes: true,
  files: listOf(text),
  ignoreGitPaths: flag,
  ignoreUnsignedFiles: flag,
  signal,
  onProgress: callback,
}

/** What was verified. */
export interface VerifyResult {
  signer: VerifiedIdentity
  /** Present if timestamp authorities were given and the bundle has a timestamp. */
  time?: SignatureTime
  /** SHA-256 in lowercase hex. */
  rootDigest: string
  /** Number of files checked, and of files in the manifest. Fewer are checked if `files` was given. */
  files: { checked: number; signed: number }
  /** Bytes hashed. */
  bytes: number
}

/**
 * Verifies a model against one given signer, without a policy (OMS 8).
 *
 * @throws {@link ModelSealError} `BUNDLE_NOT_FOUND`, `BUNDLE_TOO_LARGE`, `METHOD_MISMATCH`, `KEY_MISMATCH`,
 * `SIGNATURE_INVALID`, `CERTIFICATE_*`, `CHAIN_*`, `CRL_*`, `TIMESTAMP_*`, `FILE_MISSING`, `FILE_UNSIGNED`,
 * `FILE_MISMATCH`, and the codes of reading, parsing and hashing
 * @example
 * ```ts
 * await verifyModel('models/vad', { signature: 'models/vad/model.sig', verifier: { publicKey: 'release.pub' } })
 * ```
 */
export async function verifyModel(path: string, given: VerifyOptions): Promise<VerifyResult> {
  const options = snapshot(given, OPTIONS, 'verifyModel')
  const read = readerFromHere()
  const source = await openLocalSource(path)
  const signature = localPlace(options.signature)
  const { signer, time, manifest } = await verified(signature, options, read)
  const { files: checked, bytes } = await checkContents(source, manifest, {
    ...options,
    only: options.files && namesWithin(source, options.files),
    ignored: ignoredNames(source, [...(options.ignorePaths ?? []), signature]),
  })
  return {
    signer,
    ...(time ? { time } : {}),
    rootDigest: manifest.rootDigest,
    files: { checked, signed: manifest.files.size },
    bytes,
  }
}

/** A separate function, so that the bundle, which may be large, can be freed before the model is hashed. */
async function verified(
  signature: string,
  { verifier, maxBundleBytes, signal }: VerifyOptions,
  read: ReadFile,
): ReturnType<typeof verifyBundle> {
  return verifyBundle(
    await readBundle(signature, { maxBytes: checkedMaxBundleBytes(maxBundleBytes), signal }),
    verifier,
    read,
  )
}
