import { compareListing } from '../../manifest/compare-listing.ts'
import { Contents, type FurtherDigests } from '../../manifest/contents.ts'
import { findSigned, type NameOptions } from '../../manifest/find-signed.ts'
import { nameWithin } from '../../manifest/ignores.ts'
import type { Manifest } from '../../manifest/manifest.ts'
import { notSigned } from '../../manifest/mismatch.ts'
import { SignedComparison } from '../../manifest/signed-comparison.ts'
import { StreamedFiles } from '../../manifest/streamed-files.ts'
import type { FoundBundle } from '../../bundle/bundle.ts'
import type { Rule } from '../../policy/rule.ts'
import { withoutPrototype } from '../../snapshot.ts'
import type { LocalSource } from '../../source/local/local-source.ts'
import type { ModelFiles } from '../../source/model-source.ts'
import type { SourceReader } from '../../source/answers/source-reader.ts'
import type { VerifiedSignature } from '../../verification/verified-signature.ts'
import type { FoundModel } from '../bundles/find-bundles.ts'
import type { AcceptedJudging } from '../judging/judging.ts'
import type { Load } from '../load.ts'
import { copyFromDisk } from '../placing/copy-from-disk.ts'
import type { AllowedIsolation } from '../placing/isolation.ts'
import { VerifiedFiles, type SignedFiles } from './verified-files.ts'
import { WarmLoad } from './warm-load.ts'

/** The files of a model, and for models on this machine, what may make hashing unnecessary. */
export interface OpenedContents {
  served: VerifiedFiles
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
  if (!local) return { served: new VerifiedFiles(await streamed(load, model, reader), allowed, close) }
  const contents = await onDisk(load, model, local, accepted)
  if (rule.require.files !== 'loaded') await contents.checkSizes()
  const warm = await WarmLoad.start({ contents, source: local, signature, startedAt: now }, rule)
  return { served: new VerifiedFiles(signedOnDisk(contents), allowed, close), warm }
}

async function onDisk(
  load: Load,
  { found, signature: { manifest }, rule, further, otherBundles }: AcceptedModel,
  local: LocalSource,
  accepted: readonly AcceptedJudging[],
): Promise<Contents> {
  const { onProgress, maxBytes } = load.options
  const bundles = [...found.bundles, ...otherBundles]
  const limit = (await load.opened()).limit(found.files, maxBytes)
  const names = nameOptions(load, { files: found.files, manifest, bundles, rule })
  const options = withoutPrototype({ ...names, onProgress, further, limit, warn: load.warnInto(accepted) })
  return Contents.compareNames(local, manifest, options)
}

async function streamed(load: Load, model: AcceptedModel, reader: SourceReader): Promise<SignedFiles> {
  const { found, signature, rule, further, otherBundles } = model
  const { files } = found
  const { manifest } = signature
  const { onProgress, maxBytes } = load.options
  const limit = (await load.opened()).limit(files, maxBytes)
  const comparison = new SignedComparison(files, manifest)
  const bundles = [...found.bundles, ...otherBundles]
  const announced = await compareListing(files, reader, manifest, nameOptions(load, { files, manifest, bundles, rule }))
  if (rule.require.files !== 'loaded') comparison.checkStated(announced.values())
  const streams = new StreamedFiles(
    { files, reader, limit },
    comparison,
    withoutPrototype({ further, onProgress, announced }),
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
