import { join } from 'node:path'
import { Readable } from 'node:stream'
import { ModelSealError } from '../../errors.ts'
import { writeFileWhole } from '../../source/write-file.ts'
import { cacheFolder, checkCacheFolder, makeCacheFolder } from '../../source/private/cache-directory.ts'
import { readTrustedFile } from '../../source/trusted/trusted-file.ts'
import { tufFault } from './fault.ts'
import { parseRecord, recordText, type TufRecord } from './record-text.ts'
import type { TufRepository } from './repository.ts'

/** What the verified metadata of a record states. */
export interface VerifiedRecord {
  /** The root metadata that it depends on. */
  root: Buffer
  /** When the metadata expires (ISO 8601). */
  expires: string
}

export const TRUSTED_ROOT_TARGET = 'trusted_root.json'
export const SIGNING_CONFIG_TARGET = 'signing_config.v0.2.json'

/** The record of the public-good instance has 60 KB. */
const MAX_RECORD_BYTES = 16 * 1024 * 1024

/** The folder of the cache with the records. */
const KIND = 'sigstore'

/** Path of the record of a repository; undefined if this user has no cache. */
export function recordPath(url: string): string | undefined {
  const folder = cacheFolder(KIND)
  return folder && join(folder, nameOf(url))
}

function nameOf(url: string): string {
  return `${encodeURIComponent(url)}.json`
}

/**
 * Reads a record from the cache. It is untrusted until {@link verifyRecord} has verified it.
 *
 * @returns undefined if there is none
 * @throws {@link ModelSealError} `CACHE_UNSAFE`, `TRUST_ROOT_INVALID`, `JSON_*`, `BASE64_INVALID`, `FILE_*`
 */
export async function readRecord(url: string): Promise<TufRecord | undefined> {
  const path = recordPath(url)
  if (path === undefined) return undefined
  await checkCacheFolder(KIND)
  const file = { what: 'cached Sigstore root', maxBytes: MAX_RECORD_BYTES }
  // An older record can be verified, too, so no other user may be able to put one there.
  const bytes = await readTrustedFile(path, file, { code: 'CACHE_UNSAFE' }).catch((error: unknown) => {
    if (error instanceof ModelSealError && error.code === 'FILE_NOT_FOUND') return undefined
    throw error
  })
  return bytes && parseRecord(bytes, path)
}

/** Writes a record whole or not at all. @throws {@link ModelSealError} `CACHE_UNSAFE`, `FILE_WRITE_FAILED` */
export async function writeRecord(url: string, record: TufRecord): Promise<void> {
  const folder = await makeCacheFolder(KIND)
  const file = { what: 'cached Sigstore root', failed: 'FILE_WRITE_FAILED', mode: 0o600 } as const
  await writeFileWhole(join(folder, nameOf(url)), Buffer.from(recordText(record)), file)
}

/**
 * Verifies a record without the network, starting from the initial trusted root metadata (TUF 1.0.33,
 * section 5), with one exception: metadata that expired after it was fetched is accepted. It is older
 * than the repository intends, but still newer than the included root.
 *
 * @throws {@link ModelSealError} `TUF_*`
 */
export async function verifyRecord(record: TufRecord, { anchor, url }: TufRepository): Promise<VerifiedRecord> {
  const { Metadata, MetadataKind } = await import('@tufjs/models')
  const parsed = (bytes: Buffer) => JSON.parse(bytes.toString()) as Parameters<typeof Metadata.fromJSON>[1]
  try {
    // 5.3: each root is signed by the keys of the one before it and by its own.
    let trusted = { bytes: anchor, root: Metadata.fromJSON(MetadataKind.Root, parsed(anchor)) }
    for (const bytes of record.roots) {
      const root = Metadata.fromJSON(MetadataKind.Root, parsed(bytes))
      const expected = trusted.root.signed.version + 1
      if (root.signed.version < expected) continue
      if (root.signed.version > expected)
        throw new Error(`Expected version ${expected} of root.json, got ${root.signed.version}`)
      trusted.root.verifyDelegate(MetadataKind.Root, root)
      root.verifyDelegate(MetadataKind.Root, root)
      trusted = { bytes, root }
    }
    const { root } = trusted
    // 5.4
    const timestamp = Metadata.fromJSON(MetadataKind.Timestamp, parsed(record.timestamp))
    root.verifyDelegate(MetadataKind.Timestamp, timestamp)
    // 5.5
    const { snapshotMeta } = timestamp.signed
    snapshotMeta.verify(record.snapshot)
    const snapshot = Metadata.fromJSON(MetadataKind.Snapshot, parsed(record.snapshot))
    root.verifyDelegate(MetadataKind.Snapshot, snapshot)
    checkVersion('snapshot.json', snapshotMeta.version, snapshot.signed.version)
    // 5.6
    const targetsMeta = own(snapshot.signed.meta, 'targets.json')
    if (!targetsMeta) throw new Error('Missing targets.json in snapshot')
    targetsMeta.verify(record.targets)
    const targets = Metadata.fromJSON(MetadataKind.Targets, parsed(record.targets))
    root.verifyDelegate(MetadataKind.Targets, targets)
    checkVersion('targets.json', targetsMeta.version, targets.signed.version)
    // 5.7
    const files = { [TRUSTED_ROOT_TARGET]: record.trustedRoot, [SIGNING_CONFIG_TARGET]: record.signingConfig }
    for (const [name, bytes] of Object.entries(files)) {
      if (bytes === undefined) continue
      const target = own(targets.signed.targets, name)
      if (!target) throw new Error(`Missing ${name} in targets`)
      await target.verify(Readable.from([bytes]))
    }
    const ends = [root, timestamp, snapshot, targets].map(({ signed }) => Date.parse(signed.expires))
    return {
      root: trusted.bytes,
      expires: new Date(Math.min(...ends)).toISOString(),
    }
  } catch (cause) {
    throw tufFault(cause, url, recordPath(url))
  }
}

/**
 * True if the initial trusted root metadata is later than all root metadata in the record, so that the record cannot be
 * verified from it.
 */
export function isSuperseded({ roots }: TufRecord, { anchor }: TufRepository): boolean {
  return versionOf(roots.at(-1)) < versionOf(anchor)
}

/** NaN if there is none, so that an unreadable root is not skipped. */
function versionOf(root: Buffer | undefined): number {
  try {
    const { signed } = JSON.parse(String(root)) as { signed: { version: unknown } }
    return Number(signed.version)
  } catch {
    return NaN
  }
}

function own<T>(object: Record<string, T>, name: string): T | undefined {
  return Object.hasOwn(object, name) ? object[name] : undefined
}

function checkVersion(name: string, expected: number, found: number): void {
  if (found !== expected) throw new Error(`Expected version ${expected} of ${name}, got ${found}`)
}
