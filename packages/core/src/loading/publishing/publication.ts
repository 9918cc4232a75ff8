import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { checkedMaxBundleBytes, readBundleWithBytes } from '../../bundle/read-bundle.ts'
import { statementSteps } from '../../bundle/statement.ts'
import { ModelSealError, shown } from '../../errors.ts'
import type { ProgressCallback } from '../../hashing/hash-files.ts'
import { callback, path as pathCopy, required, signal as signalCopy } from '../../kinds.ts'
import { checkContents } from '../../manifest/check-contents.ts'
import { ignoredOnVerifying } from '../../manifest/find-signed.ts'
import { modelIdentity } from '../../manifest/identity.ts'
import { ignoredNames, ignoring } from '../../manifest/ignores.ts'
import { UNNAMED_FILE, type Manifest } from '../../manifest/manifest.ts'
import { isWithin } from '../../manifest/names.ts'
import { snapshot, type Shape } from '../../snapshot.ts'
import { unreadable } from '../../source/file-errors.ts'
import { CLAIMS_NAME } from '../../source/claims-name.ts'
import { localPlace, openLocalSource, type LocalSource } from '../../source/local/local-source.ts'
import type { SourceEntry } from '../../source/model-source.ts'
import { readerFromHere } from '../../source/read-small-file.ts'
import { inTurns } from '../../source/turns.ts'
import { bundleNames } from '../bundles/bundle-names.ts'
import type { OpenOptions } from '../open-options.ts'
import { openVerifiedModel } from '../open-verified-model.ts'
import { verifierCopy, verifyBundle, type Verifier } from '../operations/verifier.ts'
import {
  publishableAttestations,
  type PublishedAttestation,
  type UnpublishedAttestation,
} from './published-attestations.ts'

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

/** Where a load looks for a bundle first. */
const USUAL_NAME = 'model.sig'
/** Where it looks otherwise. */
const OTHER_NAME = /^[^/]+\.oms\.sig$/

/** A bundle to publish. */
export interface PublishedBundle {
  /** Name beside the files, under which a load finds it: `model.sig`, or `signer-N.oms.sig` if there are several. */
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
  /** The attestations about this very model. */
  readonly attestations: readonly PublishedAttestation[]
  /** Attestations that were found and are not published. */
  readonly leftOut: readonly UnpublishedAttestation[]
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
  const { attestations, leftOut } = await publishableAttestations(source, manifest, options.signal)
  const files = await filesOf(source, manifest)
  return { manifest, signers, bundles: named(manifest, bundles), files, attestations, leftOut }
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
  const { bundle, bytes } = await readAt(path, options)
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
  // A rule may be content with the files that are loaded. The load has compared the names, as the rule demands.
  if (verdict.files.checked !== verdict.files.signed)
    await checkContents(source, manifest, { signal, onProgress, ignoreUnsignedFiles: true })
  const bundles: { path: string; bytes: Buffer }[] = []
  for (const path of paths) {
    // What was accepted was read before. Signatures of the same files are judged again by those who load them.
    const { bundle, bytes } = await readAt(path, options)
    const { manifest: found } = await inTurns(statementSteps(bundle.envelope.payload), signal)
    if (modelIdentity(found) !== modelIdentity(manifest)) throw bundleChanged(path)
    bundles.push({ path, bytes })
  }
  return { manifest, bundles, signers: counted.flatMap(({ signer }) => (signer ? [signer.description] : [])) }
}

function usualPlace({ kind, path }: LocalSource): string {
  return kind === 'directory' ? join(path, USUAL_NAME) : `${path}.sig`
}

function readAt(path: string, { maxBundleBytes, signal }: PublicationOptions): ReturnType<typeof readBundleWithBytes> {
  return readBundleWithBytes(path, { maxBytes: checkedMaxBundleBytes(maxBundleBytes), signal })
}

/** @throws {@link ModelSealError} `INVALID_ARGUMENT` if a signed file has the name of the bundle that a load looks for first */
function named(manifest: Manifest, bundles: Checked['bundles']): PublishedBundle[] {
  const [first] = bundles
  if (first && manifest.files.has(USUAL_NAME)) throw nameTaken(first.path)
  const names = bundleNames(USUAL_NAME, bundles.length, new Set(manifest.files.keys()))
  return bundles.map(({ path, bytes }, index) => ({ name: names[index] ?? USUAL_NAME, path, bytes }))
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
    const isSigned = manifest.files.has(name) || name === CLAIMS_NAME || (isSharded && size === 0)
    return isSigned || isWithin(name, isIgnored) ? [] : [name]
  })
}

/** The bundles at a place that keep a load from finding exactly the published ones. */
export interface OtherBundles {
  /** One where a load looks first: the published ones take its place. */
  readonly hiding: readonly string[]
  /** Those that a load would read beside the published ones. */
  readonly beside: readonly string[]
}

/**
 * The bundles at a place that searches for bundles as Hugging Face does: `model.sig`, or else `*.oms.sig`.
 *
 * @param entries files that are at the place already
 */
export function otherBundlesAmong({ manifest, bundles }: Publication, entries: Iterable<SourceEntry>): OtherBundles {
  const own = new Set(bundles.map(({ name }) => name))
  if (own.has(USUAL_NAME)) return { hiding: [], beside: [] }
  const others = [...entries].map(({ name }) => name).filter((name) => !own.has(name) && !manifest.files.has(name))
  return {
    hiding: others.filter((name) => name === USUAL_NAME),
    beside: others.filter((name) => OTHER_NAME.test(name)),
  }
}

function bundleChanged(path: string): ModelSealError {
  return new ModelSealError('FILE_CHANGED', `Cannot publish the bundle ${shown(path)}: it changed meanwhile.`, {
    file: path,
    hint: 'Sign the model again, and let nothing else write to the bundle.',
  })
}

function nameTaken(path: string): ModelSealError {
  return new ModelSealError(
    'INVALID_ARGUMENT',
    `Cannot publish the bundle ${shown(path)}: a signed file has the name of a bundle.`,
    {
      file: path,
      found: `a signed file named ${shown(USUAL_NAME)}, which a load would take for the bundle`,
      hint: 'Rename the file, and sign the model again.',
    },
  )
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
