import { ModelSealError } from '../../errors.ts'
import { compareListing } from '../../manifest/compare-listing.ts'
import { Contents, type FurtherDigests } from '../../manifest/contents.ts'
import { findSigned, type NameOptions } from '../../manifest/find-signed.ts'
import { nameWithin } from '../../manifest/ignores.ts'
import type { Manifest } from '../../manifest/manifest.ts'
import { notSigned } from '../../manifest/mismatch.ts'
import { SignedComparison } from '../../manifest/arriving/signed-comparison.ts'
import { StreamedFiles } from '../../manifest/arriving/streamed-files.ts'
import type { FoundBundle } from '../../bundle/bundle.ts'
import type { Rule } from '../../policy/rule.ts'
import { withoutPrototype } from '../../snapshot.ts'
import type { LocalSource } from '../../source/local/local-source.ts'
import { checkedFiles } from '../../source/answers/source-answers.ts'
import type { ModelFiles, SourceEntry } from '../../source/model-source.ts'
import type { SourceReader } from '../../source/answers/source-reader.ts'
import type { VerifiedSignature } from '../../verification/verified-signature.ts'
import type { FoundModel } from '../bundles/find-bundles.ts'
import type { AcceptedJudging } from '../judging/judging.ts'
import type { Load } from '../load.ts'
import { copyFromDisk, saveFromDisk } from '../placing/copy-from-disk.ts'
import type { AllowedIsolation } from '../placing/isolation.ts'
import { VerifiedFiles, type SignedFiles } from './verified-files.ts'
import { WarmLoad } from './warm-load.ts'

/** The files of a model, and for models on this machine, what may make hashing unnecessary. */
export interface OpenedContents {
  served: VerifiedFiles
  /** For ranges of the files. Stops when the files are closed. */
  reader: SourceReader
  /** True if they are in a cache of the source, which may be damaged. */
  cached?: true
  /** Undefined for remote files, for which nothing proves that they did not change. */
  warm?: WarmLoad
}

/** A model whose signature was accepted. */
export interface AcceptedModel {
  found: FoundModel
  signature: VerifiedSignature
  rule: Rule
  /** Further digests by which each file is judged. */
  further: FurtherDigests
  /** Bundles other than those of `found`. They do not count as content. */
  otherBundles: readonly FoundBundle[]
}

/**
 * Opens the files of an accepted manifest and compares their names. Nothing is hashed yet.
 *
 * @throws {@link ModelSealError} `FILE_NOT_SIGNED`, `FILE_MISSING`, `FILE_UNSIGNED`, `FILE_TOO_LARGE`, `FILE_MISMATCH`
 * (sizes), `FILE_REVOKED` (by a receipt), and what listing throws
 */
export async function openContents(
  load: Load,
  model: AcceptedModel,
  allowed: AllowedIsolation,
  accepted: readonly AcceptedJudging[],
): Promise<OpenedContents> {
  const now = Date.now()
  const { found, signature, rule } = model
  const { manifest } = signature
  if (found.entry !== undefined && !manifest.files.has(found.entry)) throw notSigned(found.entry)
  const reader = (await load.opened()).newReader()
  const close = load.closing(reader)
  const { local } = found.files
  const open = async (source: LocalSource, contents: Contents): Promise<OpenedContents> => {
    const allRead = rule.require.files !== 'loaded'
    if (allRead || load.isDataset) await contents.checkSizes(allRead)
    const warm = await WarmLoad.start({ contents, source, signature, startedAt: now }, rule)
    return { served: new VerifiedFiles(signedOnDisk(contents), allowed, close), reader, warm }
  }
  if (local) return open(local, await onDisk(load, model, found.files, accepted))
  const listing = await comparedListing(load, model, reader)
  const cached = await cachedFiles(load, model, reader)
  const contents = cached && (await onDisk(load, model, cached, accepted).catch(unlessAborted))
  if (cached?.local && contents) return { ...(await open(cached.local, contents)), cached: true }
  return { served: new VerifiedFiles(await streamed(load, model, { reader, ...listing }), allowed, close), reader }
}

/** A model whose files are in a cache of its source, which this load does not use. */
export function withoutCache(model: AcceptedModel): AcceptedModel {
  return { ...model, found: { ...model.found, files: { ...model.found.files, onDisk: undefined } } }
}

/** Where the source has all signed files in a cache; undefined if it has not. */
async function cachedFiles(
  load: Load,
  { found: { files }, signature: { manifest } }: AcceptedModel,
  reader: SourceReader,
): Promise<ModelFiles | undefined> {
  // A cache that turns out to be damaged when a dataset is read could not be left aside any more.
  if (files.isFile || !files.onDisk || load.isDataset) return undefined
  const names = [...manifest.fileNames()]
  const ask = () => files.onDisk?.(names, load.options.signal)
  const cached = await reader.ask('cache of the model', ask, (given) => given && checkedFiles(given))
  return cached?.local?.kind === 'directory' ? cached : undefined
}

/** A cache in which other files are, or not all of them, is not used. */
function unlessAborted(error: unknown): undefined {
  if (!(error instanceof ModelSealError) || error.code === 'ABORTED') throw error
}

async function onDisk(
  load: Load,
  { found, signature: { manifest }, rule, further, otherBundles }: AcceptedModel,
  files: ModelFiles,
  accepted: readonly AcceptedJudging[],
): Promise<Contents> {
  const { onProgress, maxBytes } = load.options
  const bundles = [...found.bundles, ...otherBundles]
  const limit = (await load.opened()).limit(files, maxBytes)
  const names = nameOptions(load, { files: found.files, manifest, bundles, rule })
  const options = withoutPrototype({ ...names, onProgress, further, limit, warn: load.warnInto(accepted) })
  return Contents.compareNames(files.local as LocalSource, manifest, options)
}

interface ComparedListing {
  comparison: SignedComparison
  /** Entries of the listing, by name. */
  announced: ReadonlyMap<string, SourceEntry>
}

async function comparedListing(load: Load, model: AcceptedModel, reader: SourceReader): Promise<ComparedListing> {
  const { found, signature, rule, otherBundles } = model
  const { files } = found
  const { manifest } = signature
  const comparison = new SignedComparison(files, manifest)
  const bundles = [...found.bundles, ...otherBundles]
  const announced = await compareListing(files, reader, manifest, nameOptions(load, { files, manifest, bundles, rule }))
  if (rule.require.files !== 'loaded' || load.isDataset) comparison.checkStated(announced.values())
  return { comparison, announced }
}

async function streamed(
  load: Load,
  { found: { files }, further }: AcceptedModel,
  { reader, comparison, announced }: ComparedListing & { reader: SourceReader },
): Promise<SignedFiles> {
  const { onProgress, maxBytes, signal } = load.options
  const opened = await load.opened()
  const limit = opened.limit(files, maxBytes)
  const { revision } = opened
  const streams = new StreamedFiles(
    { files, reader, limit },
    comparison,
    withoutPrototype({ further, onProgress, announced, revision, signal }),
  )
  const names = comparison.names
  return {
    names,
    get checked() {
      return streams.checked
    },
    size: (name) => streams.size(name),
    readAll: (requests) => streams.readAll(requests),
    copy: (copied, directory) => streams.copy(copied, directory),
    save: (targets) => streams.save(targets),
    checkRest: () => streams.checkRest(names),
  }
}

function signedOnDisk(contents: Contents): SignedFiles {
  return {
    get names() {
      return contents.names
    },
    get checked() {
      return contents.checked
    },
    onDisk: contents,
    size: (name) => contents.file(name).identity.size,
    readAll: (requests) => contents.readAll(requests),
    copy: (copied, directory) => copyFromDisk(contents, copied, directory),
    save: (targets) => saveFromDisk(contents, targets),
    checkRest: () => contents.checkRest(),
  }
}

/** A list with which the files of a model are compared. */
interface SignedList {
  files: ModelFiles
  manifest: Manifest
  /** They do not count as content. */
  bundles: readonly FoundBundle[]
  rule: Rule
}

/**
 * Only compares the names, as {@link openContents} does. Does nothing for a source that cannot list its files.
 *
 * @throws {@link ModelSealError} `FILE_MISSING`, `FILE_UNSIGNED`, and what listing throws
 */
export async function compareNames(load: Load, list: SignedList): Promise<void> {
  const { files, manifest } = list
  const options = nameOptions(load, list)
  if (files.local) await findSigned(files.local, manifest, options)
  else await compareListing(files, (await load.opened()).reader, manifest, options)
}

function nameOptions({ options: { signal } }: Load, { files, manifest, bundles, rule }: SignedList): NameOptions {
  const ignoreUnsignedFiles = rule.require.files === 'ignore-unsigned'
  const mayBeUnsigned = rule.require.unsigned
  // A file in the manifest is content, even if it is also a bundle.
  const ignored = bundles.flatMap((bundle) => nameOf(bundle, files) ?? []).filter((name) => !manifest.files.has(name))
  return withoutPrototype({ ignored, ignoreUnsignedFiles, mayBeUnsigned, signal })
}

/** Only a file that parses as a bundle counts as one, except for `model.sig`, which cannot be anything else. */
function nameOf(bundle: FoundBundle, { path, local }: ModelFiles): string | undefined {
  if ('error' in bundle && !/[\\/]model\.sig$/.test(bundle.path)) return undefined
  if (local) return nameWithin(local, bundle.path)
  const directory = path.endsWith('/') ? path : `${path}/`
  return bundle.path.startsWith(directory) ? bundle.path.slice(directory.length) : undefined
}
