import { lstatSync } from 'node:fs'
import { join } from 'node:path'
import { checkedMaxBundleBytes, readBundle } from '../../bundle/read-bundle.ts'
import type { FoundBundle } from '../../bundle/bundle.ts'
import { ModelSealError } from '../../errors.ts'
import { signal as abortSignal } from '../../kinds.ts'
import { listed } from '../../manifest/compare-listing.ts'
import type { Manifest } from '../../manifest/manifest.ts'
import type { SerializedError } from '../../error-details.ts'
import { nextTurn } from '../../source/aborted.ts'
import { modelLocation, sourceAt } from '../../source/model-location.ts'
import type { BundleCandidate, ModelFiles, ModelSource } from '../../source/model-source.ts'
import { OpenedSource } from '../../source/opened-source.ts'
import { snapshot, type Shape } from '../../snapshot.ts'
import { BundleReader } from '../bundles/bundle-reader.ts'
import { findBundles, type FoundModel } from '../bundles/find-bundles.ts'
import { signatureCopy } from '../open-options.ts'
import { inspectBundle, type FileSizes, type InspectedBundle } from './inspect-bundle.ts'
import { PolicyEntries } from './policy-entry.ts'
import type { InspectedAttestation } from './read-attestations.ts'

export interface InspectOptions {
  /** The bundle of the model: a path, or a location in the format of the source. Default: those beside the model. */
  signature?: string | undefined
  /** Maximum size of a bundle, in bytes. Default: 32 MiB. */
  maxBundleBytes?: number | undefined
  signal?: AbortSignal | undefined
}

/** What the bundles and the attestations of a model say. */
export interface InspectedModel {
  /** The model; absent if a bundle was given. */
  model?: string
  /** The commit or digest at which the bundles were read. */
  revision?: string
  /** The branch or tag that was resolved to `revision`. */
  requested?: string
  bundles: readonly InspectedBundle[]
  /** What was attested about the model; empty if a bundle was given. */
  attestations: readonly InspectedAttestation[]
  /** Why the attestations could not be read, such as that there are too many. One that cannot be read has its own error. */
  attestationsError?: SerializedError
}

const OPTIONS: Shape<InspectOptions> = { signature: signatureCopy, maxBundleBytes: true, signal: abortSignal }

/**
 * Reads what the bundles of a model say: who signed what, how and when, and what was attested about it. Nothing is verified: no file of
 * the model is read, and no signer is trusted. Anyone can write a bundle that names anyone.
 *
 * @param given a bundle, or a model whose bundles are looked for where a load looks for them: a path, a URL (`https:` or that
 * of a registered scheme), or a source
 * @throws {@link ModelSealError} `BUNDLE_NOT_FOUND`, `MODEL_NOT_FOUND`, `INVALID_ARGUMENT`, `ABORTED`, and what the source
 * throws. A bundle that cannot be read is in the result, with its error, and so is one that is not a signature of a model
 * @example
 * ```ts
 * import { inspectModel } from '@modelseal/core/verification'
 *
 * const { bundles } = await inspectModel('models/vad')
 * for (const { path, signer, statement } of bundles) console.log(path, signer?.description, statement?.rootDigest)
 * ```
 */
export async function inspectModel(
  given: string | URL | ModelSource,
  options?: InspectOptions,
): Promise<InspectedModel> {
  const { signature, maxBundleBytes, signal } = snapshot(options, OPTIONS, 'inspectModel')
  const maxBytes = checkedMaxBundleBytes(maxBundleBytes)
  const opened = await OpenedSource.open(sourceAt(modelLocation(given), undefined), { signal })
  try {
    const model = await opened.model()
    const own =
      signature === undefined && model.isFile ? await asBundle(opened, model, { maxBytes, signal }) : undefined
    const entries = new PolicyEntries()
    if (own) {
      const bundle = await inspectBundle(own, { signal, entries, sizes: () => Promise.resolve(new Map()) })
      return { bundles: [bundle], attestations: [] }
    }
    const found = await findBundles(opened, signature, { maxBundleBytes, signal, verb: 'inspect' })
    const { files, bundles } = found
    const inspected: InspectedBundle[] = []
    const sizes = (manifest: Manifest) => sizesOf(files, manifest, opened, signal)
    for (const one of bundles) inspected.push(await inspectBundle(one, { signal, entries, sizes }))
    const { revision, requested } = opened
    return {
      model: model.path,
      ...(revision === undefined ? {} : { revision }),
      ...(requested === undefined ? {} : { requested }),
      bundles: inspected,
      ...(await attested(opened, found, signal)),
    }
  } finally {
    await opened.close()
  }
}

/** The signatures of a model can be shown without its attestations. */
async function attested(
  opened: OpenedSource,
  found: FoundModel,
  signal: AbortSignal | undefined,
): Promise<Pick<InspectedModel, 'attestations' | 'attestationsError'>> {
  try {
    // Imported lazily: other users of this entry point need none of it.
    const { attestationsOf } = await import('./read-attestations.ts')
    return { attestations: await attestationsOf(opened, found, signal) }
  } catch (error) {
    if (!(error instanceof ModelSealError) || error.code === 'ABORTED') throw error
    return { attestations: [], attestationsError: error.toJSON() }
  }
}

interface Reading {
  maxBytes: number
  signal: AbortSignal | undefined
}

/** Names that bundles have. */
const BUNDLE_NAME = /\.(?:sig|sigstore|jsonl?)$/i

/** The file itself, if it is a bundle; undefined if it is a model. */
async function asBundle(opened: OpenedSource, model: ModelFiles, reading: Reading): Promise<FoundBundle | undefined> {
  const { name, path, local } = model
  if (local) {
    try {
      return { path: local.path, bundle: await readBundle(local.path, reading) }
    } catch (error) {
      if (!(error instanceof ModelSealError) || error.code === 'ABORTED') throw error
      return /\.(?:sig|sigstore)$/i.test(name) ? { path: local.path, error } : undefined
    }
  }
  if (!BUNDLE_NAME.test(name)) return undefined
  const candidate: BundleCandidate = { path, read: (request, receive) => model.read({ ...request, name }, receive) }
  const [found] = (await new BundleReader(opened, reading).readAll([candidate])).found
  return found && ('bundle' in found || /\.(?:sig|sigstore)$/i.test(name)) ? found : undefined
}

/** Files looked at between two turns of the event loop. */
const FILES_PER_TURN = 500

/** Sizes of the signed files as the disk or the source says. */
async function sizesOf(
  files: ModelFiles,
  manifest: Manifest,
  { reader }: OpenedSource,
  signal: AbortSignal | undefined,
): Promise<FileSizes> {
  const { local, isFile } = files
  const sizes = new Map<string, number | undefined>()
  if (manifest.serialization.method === 'shards') return sizes
  if (local) {
    let count = 0
    for (const name of manifest.files.keys()) {
      if (++count % FILES_PER_TURN === 0) await nextTurn(signal)
      sizes.set(name, sizeAt(isFile ? local.path : join(local.path, name)))
    }
  } else for (const { name, size } of await listed(files, reader, signal)) sizes.set(name, size)
  return sizes
}

function sizeAt(path: string): number | undefined {
  try {
    const stat = lstatSync(path)
    return stat.isFile() ? stat.size : undefined
  } catch {
    return undefined
  }
}
