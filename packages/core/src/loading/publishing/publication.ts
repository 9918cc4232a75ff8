import { stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { parseOwnBundle } from '../../bundle/bundle.ts'
import { checkedMaxBundleBytes } from '../../bundle/read-bundle.ts'
import { statementSteps, writeStatement } from '../../bundle/statement.ts'
import { ModelSealError, shown } from '../../errors.ts'
import type { ProgressCallback } from '../../hashing/hash-files.ts'
import { callback, path as pathCopy, required, signal as signalCopy } from '../../kinds.ts'
import { checkContents } from '../../manifest/check-contents.ts'
import { ignoredOnVerifying } from '../../manifest/find-signed.ts'
import { ignoredNames, ignoring, nameWithin } from '../../manifest/ignores.ts'
import { UNNAMED_FILE, type Manifest } from '../../manifest/manifest.ts'
import { isWithin } from '../../manifest/names.ts'
import { snapshot, type Shape } from '../../snapshot.ts'
import { unreadable } from '../../source/file-errors.ts'
import { localPlace, openLocalSource, type LocalSource } from '../../source/local/local-source.ts'
import type { SourceEntry } from '../../source/model-source.ts'
import { BUNDLE_TO_READ, readerFromHere, readSmallFile } from '../../source/read-small-file.ts'
import { inTurns } from '../../source/turns.ts'
import type { OpenOptions } from '../open-options.ts'
import { openVerifiedModel } from '../open-verified-model.ts'
import { verifierCopy, verifyBundle, type Verifier } from '../operations/verifier.ts'

const USUAL_NAME = 'model.sig'

/** Who must have signed a model that is published. */
export type PublicationSigner =
  /** One signer, as for `verifyModel()`. */
  | { readonly verifier: Verifier }
  /** Whoever a trust policy accepts. Default: the policy that a load would find. */
  | { readonly policy: OpenOptions['policy'] }
  /** This process, just now: the `bundleDigest` that `signModel()` returned. The files are not hashed again. */
  | { readonly bundleDigest: string }

export interface PublicationOptions {
  signedBy: PublicationSigner
  /** Path of the bundle. Default: `model.sig` in the directory, `FILE.sig` beside a file; by policy, where a load looks. */
  signature?: string | undefined
  /** Maximum size of the bundle, in bytes. Default: 32 MiB. */
  maxBundleBytes?: number | undefined
  signal?: AbortSignal | undefined
  onProgress?: ProgressCallback | undefined
}

const OPTIONS: Shape<PublicationOptions> = {
  signedBy: required((value) => value),
  signature: pathCopy,
  maxBundleBytes: true,
  signal: signalCopy,
  onProgress: callback,
}

/** A file to publish. */
export interface PublishedFile {
  /** As it was signed. */
  readonly name: string
  /** Where it is on this machine. */
  readonly path: string
  /** In bytes. */
  readonly size: number
  /** In lowercase hex, if the model was signed with SHA-256 and not in shards. */
  readonly sha256: string | undefined
}

/** A bundle to publish. */
export interface PublishedBundle {
  /** Name beside the files. */
  readonly name: string
  readonly path: string
  readonly bytes: Buffer
}

/** A signed model on this machine whose files are what the signature says. */
export interface Publication {
  readonly manifest: Manifest
  readonly files: readonly PublishedFile[]
  /** One, or those that a policy counted. */
  readonly bundles: readonly PublishedBundle[]
  /** Each signer in one line; empty if this process signed. */
  readonly signers: readonly string[]
}

/**
 * Checks that a model on this machine is what its bundle says, before it is published: the signature must be valid and
 * by the given signer, and each file must have its signed content.
 *
 * @param path of the directory or file
 * @throws {@link ModelSealError} what `verifyModel()` and `openVerifiedModel()` throw; `FILE_CHANGED` if the bundle is
 * no longer the one that was written; `RESOURCE_NAME` for a file that was signed without its name
 * @example
 * ```ts
 * const publication = await preparePublication('models/vad', { signedBy: { verifier: { publicKey: 'release.pub' } } })
 * console.log(publication.files.map(({ name, size }) => `${name}: ${size} bytes`))
 * ```
 */
export async function preparePublication(path: string, given: PublicationOptions): Promise<Publication> {
  const options = snapshot(given, OPTIONS, 'preparePublication')
  const { signedBy } = options
  const source = await openLocalSource(path)
  const { manifest, bundles, signers } =
    'policy' in signedBy
      ? await acceptedByPolicy(source, options, signedBy.policy)
      : await signedOnce(source, options, signedBy)
  return { manifest, signers, bundles: named(source, manifest, bundles), files: await filesOf(source, manifest) }
}

interface Checked {
  manifest: Manifest
  bundles: readonly { path: string; bytes: Buffer }[]
  signers: readonly string[]
}

async function signedOnce(
  source: LocalSource,
  options: PublicationOptions,
  signedBy: Exclude<PublicationSigner, { policy: unknown }>,
): Promise<Checked> {
  const { signal, onProgress } = options
  const read = readerFromHere()
  const path = localPlace(options.signature ?? usualPlace(source))
  const bytes = await bundleBytes(path, options)
  const bundle = await parseOwnBundle(bytes, path, signal)
  const bundles = [{ path, bytes }]
  if ('bundleDigest' in signedBy) {
    if (bundle.digest !== signedBy.bundleDigest) throw bundleChanged(path)
    const { manifest } = await inTurns(statementSteps(bundle.envelope.payload), signal)
    return { manifest, bundles, signers: [] }
  }
  const verifier = verifierCopy(signedBy.verifier, 'verifier') as Verifier
  const { manifest, signer } = await verifyBundle(bundle, verifier, read)
  await checkContents(source, manifest, { signal, onProgress, ignored: ignoredNames(source, [path]) })
  return { manifest, bundles, signers: [signer.description] }
}

async function acceptedByPolicy(
  source: LocalSource,
  options: PublicationOptions,
  policy: OpenOptions['policy'],
): Promise<Checked> {
  const { signature, signal, onProgress, maxBundleBytes } = options
  const model = await openVerifiedModel(source.givenPath, { policy, signature, maxBundleBytes, signal, onProgress })
  await model.close()
  if (model.decision !== 'accepted') throw onlyTolerated(source)
  const { manifest, verdict } = model
  const counted = verdict.bundles.filter((bundle) => bundle.counted)
  const paths = counted.map((bundle) => bundle.path)
  // A rule may be content with the files that are loaded.
  if (verdict.files.checked !== verdict.files.signed)
    await checkContents(source, manifest, { signal, onProgress, ignored: ignoredNames(source, paths) })
  const bundles = await Promise.all(paths.map(async (path) => ({ path, bytes: await bundleBytes(path, options) })))
  for (const { path, bytes } of bundles) {
    // What was accepted was read before. Signatures of the same statement are judged again by those who load it.
    const { envelope } = await parseOwnBundle(bytes, path, signal)
    const { manifest: found } = await inTurns(statementSteps(envelope.payload), signal)
    if (!writeStatement(found).equals(writeStatement(manifest))) throw bundleChanged(path)
  }
  return { manifest, bundles, signers: counted.flatMap(({ signer }) => (signer ? [signer.description] : [])) }
}

function usualPlace({ kind, path }: LocalSource): string {
  return kind === 'directory' ? join(path, USUAL_NAME) : `${path}.sig`
}

async function bundleBytes(path: string, { maxBundleBytes }: PublicationOptions): Promise<Buffer> {
  return readSmallFile(path, { ...BUNDLE_TO_READ, maxBytes: checkedMaxBundleBytes(maxBundleBytes) })
}

/**
 * Where loads look: one bundle is `model.sig`, unless it has another name in the directory. Several count together only if the
 * names of all of them end with `.oms.sig`.
 */
function named(source: LocalSource, manifest: Manifest, bundles: Checked['bundles']): PublishedBundle[] {
  const used = new Set<string>()
  const isOne = bundles.length === 1
  return bundles.map(({ path, bytes }) => {
    const inside = source.kind === 'directory' ? nameWithin(source, path) : undefined
    const name = isOne ? (inside ?? USUAL_NAME) : `${basename(path).replace(/(?:\.oms)?\.sig$/, '')}.oms.sig`
    if (used.has(name) || manifest.files.has(name)) throw nameTaken(path, name)
    used.add(name)
    return { name, path, bytes }
  })
}

async function filesOf(source: LocalSource, manifest: Manifest): Promise<PublishedFile[]> {
  const { method, hashType } = manifest.serialization
  const isPlain = method === 'files' && hashType === 'sha256'
  const files: PublishedFile[] = []
  for (const { name, digests } of manifest.files.values()) {
    if (name === UNNAMED_FILE) throw unnamed(source)
    const path = source.kind === 'file' ? source.path : join(source.path, name)
    try {
      files.push({ name, path, size: (await stat(path)).size, sha256: isPlain ? digests[0] : undefined })
    } catch (error) {
      throw unreadable(path, 'file', error)
    }
  }
  return files
}

/**
 * The names that verifying the published model would refuse as unsigned.
 *
 * @param entries files that are at the place already
 */
export function unsignedAmong({ manifest, bundles }: Publication, entries: Iterable<SourceEntry>): string[] {
  const isIgnored = ignoring(ignoredOnVerifying(manifest, { ignored: bundles.map(({ name }) => name) }))
  const isSharded = manifest.serialization.method === 'shards'
  return [...entries].flatMap(({ name, size }) => {
    // OMS 6.3.2: an empty file has no shards, so it leaves no trace in the manifest.
    const isSigned = manifest.files.has(name) || (isSharded && size === 0)
    return isSigned || isWithin(name, isIgnored) ? [] : [name]
  })
}

function bundleChanged(path: string): ModelSealError {
  return new ModelSealError('FILE_CHANGED', `Cannot publish the bundle ${shown(path)}: it changed meanwhile.`, {
    file: path,
    hint: 'Sign the model again, and let nothing else write to the bundle.',
  })
}

function nameTaken(path: string, name: string): ModelSealError {
  return new ModelSealError('INVALID_ARGUMENT', `Cannot publish the bundle ${shown(path)}: its name is taken.`, {
    file: path,
    found: `another file named ${shown(name)}`,
    hint: 'Rename the bundle, or the file.',
  })
}

function unnamed({ path }: LocalSource): ModelSealError {
  return new ModelSealError('RESOURCE_NAME', `Cannot publish ${shown(path)}: it was signed without its name.`, {
    file: path,
    hint: 'Sign it again with modelseal, which signs a single file under its name.',
  })
}

function onlyTolerated({ path }: LocalSource): ModelSealError {
  return new ModelSealError('SIGNER_NOT_TRUSTED', `Cannot publish ${shown(path)}: the policy does not verify it.`, {
    file: path,
    expected: 'a rule in the mode "enforce"',
    hint: 'Name the signer, or use a policy whose rule for this model is in the mode "enforce".',
  })
}
