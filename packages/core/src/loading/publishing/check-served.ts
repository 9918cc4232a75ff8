import { createHash } from 'node:crypto'
import { LARGEST_BUNDLE_BYTES, type FoundBundle } from '../../bundle/bundle.ts'
import { ModelSealError, shown, type FileProblem } from '../../errors.ts'
import type { ProgressCallback } from '../../hashing/hash-files.ts'
import { callback, flag, signal as signalCopy } from '../../kinds.ts'
import { compareListing } from '../../manifest/compare-listing.ts'
import { mismatch } from '../../manifest/mismatch.ts'
import { SignedComparison } from '../../manifest/arriving/signed-comparison.ts'
import { StreamedFiles } from '../../manifest/arriving/streamed-files.ts'
import { snapshot, withoutPrototype, type Shape } from '../../snapshot.ts'
import type { ModelFiles, ModelSource, SourceEntry } from '../../source/model-source.ts'
import { OpenedSource } from '../../source/opened-source.ts'
import { readAttestationFiles } from '../attestations/read-attestations.ts'
import { findBundles } from '../bundles/find-bundles.ts'
import type { Publication } from './publication.ts'

export interface CheckServedOptions {
  /** Reads every byte. Default: only the files whose digest the source does not state. */
  full?: boolean | undefined
  signal?: AbortSignal | undefined
  onProgress?: ProgressCallback | undefined
}

const OPTIONS: Shape<CheckServedOptions> = { full: flag, signal: signalCopy, onProgress: callback }

/** What a source was found to serve. */
export interface ServedModel {
  /** The commit or digest at which everything was read. */
  readonly revision: string | undefined
  /** Number of files that are listed, and of those that were read and hashed. */
  readonly files: { readonly listed: number; readonly read: number }
  /** Number of bytes that were read of them. */
  readonly bytes: number
}

/**
 * Compares what a source serves with what was published: its listing with the manifest (names and sizes), the SHA-256
 * digests that it states with the signed ones, and the bundles byte for byte. Files without a digest that can be
 * compared are read and hashed; with `full`, all are.
 *
 * What a source states of a file that is not read is its word: it may still send other bytes. A load notices that.
 *
 * @throws {@link ModelSealError} `FILE_MISSING`, `FILE_UNSIGNED`, `FILE_MISMATCH`, `BUNDLE_NOT_FOUND`, and what the source
 * throws
 * @example
 * ```ts
 * const publication = await preparePublication('models/vad', { signedBy: { verifier: { publicKey: 'release.pub' } } })
 * await checkServed(huggingFaceSource('hf://org/vad'), publication, { full: true })
 * ```
 */
export async function checkServed(
  source: ModelSource,
  publication: Publication,
  given?: CheckServedOptions,
): Promise<ServedModel> {
  const options = snapshot(given, OPTIONS, 'checkServed')
  const { signal, onProgress, full = false } = options
  const { manifest, bundles } = publication
  const opened = await OpenedSource.open(source, { signal })
  const reader = opened.newReader()
  try {
    const files = await opened.model()
    const comparison = new SignedComparison(files, manifest)
    const ignored = bundles.map(({ name }) => name)
    const entries = await compareListing(files, reader, manifest, withoutPrototype({ ignored, signal }))
    compareSizes(files.path, publication, entries)
    comparison.checkStated(entries.values())
    await checkBundles(opened, publication, signal)
    await checkAttestations(opened, files, publication, signal)
    const isProven = publication.files.filter(
      ({ name, sha256 }) => sha256 !== undefined && entries.get(name)?.sha256 === sha256,
    )
    const proven = new Set(full ? [] : isProven.map(({ name }) => name))
    const further = withoutPrototype({ hashTypes: [], check: () => {} })
    const streams = new StreamedFiles(
      { files, reader, limit: undefined },
      comparison,
      withoutPrototype({ further, onProgress, announced: entries }),
    )
    await streams.checkRest(comparison.names.filter((name) => !proven.has(name)))
    const { files: read, bytes } = streams.checked
    return { revision: opened.revision, files: { listed: entries.size, read }, bytes }
  } finally {
    await reader.stop()
    await opened.close()
  }
}

function compareSizes(path: string, { files }: Publication, entries: ReadonlyMap<string, SourceEntry>): void {
  const problems = files.flatMap(({ name, size }): FileProblem[] => {
    const stated = entries.get(name)?.size
    if (stated === undefined || stated === size) return []
    return [{ code: 'FILE_MISMATCH', file: name, expected: `${size} bytes`, found: `${stated} bytes` }]
  })
  if (problems.length > 0) throw mismatch(path, problems, () => undefined)
}

/** A load must find the bundles where it looks. */
async function checkBundles(
  opened: OpenedSource,
  { bundles }: Publication,
  signal: AbortSignal | undefined,
): Promise<void> {
  const limits = { maxBundleBytes: LARGEST_BUNDLE_BYTES, signal }
  const { bundles: served } = await findBundles(opened, undefined, limits).catch(unlessNone)
  const digests = served.flatMap((found) => ('bundle' in found ? [found.bundle.digest] : []))
  const missing = bundles.find(({ bytes }) => !digests.includes(createHash('sha256').update(bytes).digest('hex')))
  if (!missing) return
  const { name, bytes } = missing
  throw new ModelSealError('BUNDLE_NOT_FOUND', `The bundle ${shown(name)} is not served as it was published.`, {
    file: name,
    expected: `${bytes.length} bytes with the same content`,
    found: served.length === 0 ? 'no bundle' : `other content at ${served.map(({ path }) => shown(path)).join(', ')}`,
  })
}

/** A load that requires them must find them. */
async function checkAttestations(
  opened: OpenedSource,
  files: ModelFiles,
  { attestations, manifest }: Publication,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (attestations.length === 0) return
  const isSigned = (name: string) => manifest.files.has(name)
  const served = await readAttestationFiles(opened, { files, isSigned }, signal)
  const digests = new Set(served.flatMap((found) => ('bundle' in found ? [found.bundle.digest] : [])))
  const missing = attestations.find(({ bytes }) => !digests.has(createHash('sha256').update(bytes).digest('hex')))
  if (!missing) return
  throw new ModelSealError(
    'ATTESTATION_MISSING',
    `Cannot find the attestation ${shown(missing.path)} among those that are served.`,
    {
      file: missing.path,
      expected: `an attestation of the type ${shown(missing.type)} with the same content`,
      found: `${served.length} attestations, none of which is this one`,
    },
  )
}

function unlessNone(error: unknown): { bundles: FoundBundle[] } {
  if (error instanceof ModelSealError && error.code === 'BUNDLE_NOT_FOUND') return { bundles: [] }
  throw error
}
