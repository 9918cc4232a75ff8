import { checkedMaxBundleBytes, readBundle } from '../../bundle/read-bundle.ts'
import { checkContents } from '../../manifest/check-contents.ts'
import type { ContentsOptions } from '../../manifest/contents.ts'
import { ignoredNames, namesWithin } from '../../manifest/ignores.ts'
import { callback, flag, givenPath, listOf, required, signal, text } from '../../kinds.ts'
import { snapshot, type Shape } from '../../snapshot.ts'
import { compareListing } from '../../manifest/compare-listing.ts'
import { selectNames } from '../../manifest/find-signed.ts'
import { SignedComparison } from '../../manifest/arriving/signed-comparison.ts'
import { StreamedFiles } from '../../manifest/arriving/streamed-files.ts'
import { withRemoteModel, type RemoteModel } from '../../signing/models/remote-model.ts'
import { openLocalSource, localPlace, type LocalSource } from '../../source/local/local-source.ts'
import { pathHere } from '../../source/model-location.ts'
import type { ModelFiles, ModelSource } from '../../source/model-source.ts'
import type { VerifiedSignature } from '../../verification/verified-signature.ts'
import { findBundles, type FoundModel } from '../bundles/find-bundles.ts'
import { signatureCopy } from '../open-options.ts'
import { readerFromHere, type ReadFile } from '../../source/read-small-file.ts'
import type { SignatureTime, VerifiedIdentity } from '../../results.ts'
import { verifierCopy, verifyBundle, type Verifier } from './verifier.ts'

export interface VerifyOptions extends Pick<
  ContentsOptions,
  'ignoreGitPaths' | 'ignoreUnsignedFiles' | 'signal' | 'onProgress'
> {
  /** Path of the bundle, or its location in the format of the model's source. */
  signature: string
  /** The trusted signer. */
  verifier: Verifier
  /** Paths to ignore, with everything below them. Relative paths are relative to the model. No globs. */
  ignorePaths?: readonly string[] | undefined
  /** Maximum size of the bundle, in bytes. Default: 32 MiB; the bundle of a model with 100,000 files takes 17 MiB. */
  maxBundleBytes?: number | undefined
  /** Maximum total size in bytes of a model that is not on this machine. Default: 4 GiB. */
  maxBytes?: number | undefined
  /** Checks only these signed files or directories. The rest stays unverified. */
  files?: readonly string[] | undefined
}

const OPTIONS: Shape<VerifyOptions> = {
  signature: required(signatureCopy),
  verifier: required(verifierCopy),
  ignorePaths: listOf(givenPath),
  maxBundleBytes: true,
  maxBytes: true,
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
  /** The commit or digest that was read, for a model whose source has revisions. */
  revision?: string
}

/**
 * Verifies a model against one given signer, without a policy (OMS 8).
 *
 * @param model path of a directory or file, its URL (`https:` or that of a registered scheme), or a source
 * @throws {@link ModelSealError} `BUNDLE_NOT_FOUND`, `BUNDLE_TOO_LARGE`, `METHOD_MISMATCH`, `KEY_MISMATCH`,
 * `SIGNATURE_INVALID`, `CERTIFICATE_*`, `CHAIN_*`, `CRL_*`, `TIMESTAMP_*`, `FILE_MISSING`, `FILE_UNSIGNED`,
 * `FILE_MISMATCH`, and the codes of reading, parsing and hashing, and of the source
 * @example
 * ```ts
 * await verifyModel('models/vad', { signature: 'models/vad/model.sig', verifier: { publicKey: 'release.pub' } })
 * ```
 */
export async function verifyModel(model: string | URL | ModelSource, given: VerifyOptions): Promise<VerifyResult> {
  const options = snapshot(given, OPTIONS, 'verifyModel')
  const read = readerFromHere()
  const path = pathHere(model)
  if (path === undefined) return withRemoteModel(model, options, (remote) => verifyRemote(remote, options, read))
  const signature = localPlace(options.signature)
  return verifyLocal(await openLocalSource(path), await verified(signature, options, read), { ...options, signature })
}

async function verifyLocal(
  source: LocalSource,
  signature: VerifiedSignature,
  options: VerifyOptions,
): Promise<VerifyResult> {
  const { manifest } = signature
  const { files: checked, bytes } = await checkContents(source, manifest, {
    ...options,
    only: options.files && namesWithin(source, options.files),
    ignored: ignoredNames(source, [...(options.ignorePaths ?? []), options.signature]),
  })
  return resultOf(signature, checked, bytes)
}

async function verifyRemote(remote: RemoteModel, options: VerifyOptions, read: ReadFile): Promise<VerifyResult> {
  const { verifier, maxBundleBytes, signal } = options
  const found = await findBundles(remote.opened, options.signature, { maxBundleBytes, signal, verb: 'verify' })
  const [bundle] = found.bundles
  if (!bundle || 'error' in bundle) throw bundle?.error ?? new RangeError('no bundle was found')
  const signature = await verifyBundle(bundle.bundle, verifier, read)
  const { local } = found.files
  const result = local
    ? await verifyLocal(local, signature, { ...options, signature: bundle.path })
    : await verifyStreams(remote, { signature, found, bundle: bundle.path }, options)
  const { revision } = remote
  return { ...result, ...(revision === undefined ? {} : { revision }) }
}

async function verifyStreams(
  remote: RemoteModel,
  { signature, found, bundle }: { signature: VerifiedSignature; found: FoundModel; bundle: string },
  options: VerifyOptions,
): Promise<VerifyResult> {
  const { manifest } = signature
  const { files } = found
  const only = found.entry === undefined ? options.files : [found.entry]
  const selected = selectNames(manifest, only)
  const ignored = [...remote.ignoredNames(options.ignorePaths ?? []), ...namesIn(files, bundle)]
  const comparison = new SignedComparison(files, manifest)
  const reader = remote.opened.newReader()
  try {
    const announced = selected ? undefined : await compareListing(files, reader, manifest, { ...options, ignored })
    if (announced) comparison.checkStated(announced.values())
    const limit = remote.opened.limit(files, options.maxBytes)
    const streams = new StreamedFiles({ files, reader, limit }, comparison, {
      further: { hashTypes: [], check: () => {} },
      onProgress: options.onProgress,
      announced,
      revision: remote.revision,
      signal: options.signal,
    })
    await streams.checkRest(comparison.names.filter((name) => selected?.has(name) !== false))
    return resultOf(signature, streams.checked.files, streams.checked.bytes)
  } finally {
    await reader.stop()
  }
}

/** The name of the bundle in the model. If it is signed, it is read like other files all the same. */
function namesIn({ path }: ModelFiles, bundle: string): string[] {
  const directory = path.endsWith('/') ? path : `${path}/`
  return bundle.startsWith(directory) ? [bundle.slice(directory.length)] : []
}

function resultOf({ signer, time, manifest }: VerifiedSignature, checked: number, bytes: number): VerifyResult {
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
