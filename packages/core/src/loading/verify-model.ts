import { resolve } from 'node:path'
import { readBundle } from '../bundle/read-bundle.ts'
import type { UnverifiedBundle } from '../bundle/bundle.ts'
import { readPublicKey } from '../bundle/public-key.ts'
import { Contents, type ContentsOptions } from '../manifest/contents.ts'
import { ignoredNames, namesWithin } from '../manifest/ignores.ts'
import { openLocalSource } from '../source/local-source.ts'
import { verifyKeyBundle } from '../verification/key.ts'
import type { VerifiedSignature, VerifiedSigner } from '../verification/verified-signature.ts'

/** Trusts one key: for callers who know their signer and need no policy. */
export interface KeyVerifier {
  /** Path of the public key: PEM (SPKI). */
  publicKey: string
}

export interface VerifyOptions extends Pick<
  ContentsOptions,
  'ignoreGitPaths' | 'ignoreUnsignedFiles' | 'signal' | 'onProgress'
> {
  /** Path of the bundle. */
  signature: string
  /** Whom to trust. */
  verifier: KeyVerifier
  /** Paths left out with all below them; relative ones are relative to the model. No globs. */
  ignorePaths?: readonly string[] | undefined
  /** Only these signed files, or directories of such, are checked; the rest stays unverified. */
  files?: readonly string[] | undefined
}

/** What was verified. */
export interface VerifyResult {
  signer: VerifiedSigner
  /** SHA-256 in lowercase hex. */
  rootDigest: string
  /** Files checked, of those that the manifest lists: fewer where `files` was given. */
  files: { checked: number; signed: number }
  /** Bytes hashed. */
  bytes: number
}

/**
 * Verifies a model against one given signer, without a policy (OMS 8).
 *
 * @throws {@link ModelSealError} `BUNDLE_NOT_FOUND`, `METHOD_MISMATCH`, `KEY_MISMATCH`,
 * `SIGNATURE_INVALID`, `FILE_MISSING`, `FILE_UNSIGNED`, `FILE_MISMATCH`, and the others of
 * reading, parsing and hashing
 * @example
 * ```ts
 * await verifyModel('models/vad', { signature: 'models/vad/model.sig', verifier: { publicKey: 'release.pub' } })
 * ```
 */
export async function verifyModel(path: string, options: VerifyOptions): Promise<VerifyResult> {
  const source = await openLocalSource(path)
  const bundle = await readBundle(resolve(options.signature))
  const { signer, manifest } = await verifyBundle(bundle, options.verifier)
  const contents = await Contents.compareNames(source, manifest, {
    ...options,
    only: options.files && namesWithin(source, options.files),
    ignored: ignoredNames(source, [...(options.ignorePaths ?? []), resolve(options.signature)]),
  })
  await contents.checkRest()
  const { files: checked, bytes } = contents.checked
  return { signer, rootDigest: manifest.rootDigest, files: { checked, signed: manifest.files.size }, bytes }
}

async function verifyBundle(bundle: UnverifiedBundle, { publicKey }: KeyVerifier): Promise<VerifiedSignature> {
  return verifyKeyBundle(bundle, await readPublicKey(publicKey), publicKey)
}
