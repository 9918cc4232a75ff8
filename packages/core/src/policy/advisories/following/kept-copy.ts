import { lstat } from 'node:fs/promises'
import { join } from 'node:path'
import { cacheFolder, checkCacheFolder, makeCacheFolder } from '../../../source/private/cache-directory.ts'
import { readTrustedFile } from '../../../source/trusted/trusted-file.ts'
import { writeFileWhole } from '../../../source/write-file.ts'
import { fileState } from '../../reading/file-state.ts'
import { MAX_FEED_BYTES } from '../feed-statement.ts'
import type { KnownVersion } from './version.ts'

/** A feed file that was kept. Nothing in it is trusted until it has been verified again. */
type KeptCopy = Pick<KnownVersion, 'confirmedAt' | 'etag'> & { bytes: Buffer }

/** The folder of the cache. */
const KIND = 'advisories'
const FORMAT = 'modelseal-advisory-1'
/** The first line, which says when the feed was confirmed. */
const MAX_HEADER_BYTES = 4_096
const LINE_FEED = 0x0a
/** Anybody but this user. */
const OTHERS = 0o077
const FILE = { what: 'kept copy of the advisory feed', maxBytes: MAX_FEED_BYTES + MAX_HEADER_BYTES }

/** @returns undefined if there is none that only this user can have written and can read */
export async function readKeptCopy(id: string): Promise<KeptCopy | undefined> {
  const folder = cacheFolder(KIND)
  if (folder === undefined) return undefined
  const path = join(folder, nameOf(id))
  try {
    await checkCacheFolder(KIND)
    const bytes = await readTrustedFile(path, FILE, { code: 'CACHE_UNSAFE' })
    const { mode } = await lstat(path)
    return process.geteuid && (mode & OTHERS) !== 0 ? undefined : parsed(bytes)
  } catch {
    return undefined
  }
}

/**
 * Keeps a feed for other processes and later ones. Whole or not at all; the last of several writers wins.
 *
 * @throws {@link ModelSealError} `CACHE_UNSAFE`, `FILE_WRITE_FAILED`
 */
export async function keepCopy(id: string, { bytes, confirmedAt, etag }: KeptCopy): Promise<void> {
  const folder = await makeCacheFolder(KIND)
  const header = JSON.stringify({ format: FORMAT, confirmedAt, etag: tagThatFits(etag) })
  const content = Buffer.concat([Buffer.from(`${header}\n`), bytes])
  await writeFileWhole(join(folder, nameOf(id)), content, { ...FILE, failed: 'FILE_WRITE_FAILED', mode: 0o600 })
}

/** Differs if the copy was written meanwhile. */
export async function keptState(id: string): Promise<string | undefined> {
  const folder = cacheFolder(KIND)
  return folder === undefined ? undefined : fileState(join(folder, nameOf(id)))
}

/** Without it, the feed is merely fetched again. */
function tagThatFits(etag: string | undefined): string | undefined {
  return etag !== undefined && etag.length <= MAX_HEADER_BYTES / 4 ? etag : undefined
}

function nameOf(id: string): string {
  return `${id}.jsonl`
}

function parsed(content: Buffer): KeptCopy | undefined {
  const end = content.indexOf(LINE_FEED)
  if (end < 0 || end > MAX_HEADER_BYTES) return undefined
  try {
    const header = JSON.parse(content.toString('utf8', 0, end)) as Partial<Record<string, unknown>> | null
    const { format, confirmedAt, etag } = header ?? {}
    if (format !== FORMAT || typeof confirmedAt !== 'number') return undefined
    return { bytes: content.subarray(end + 1), confirmedAt, etag: typeof etag === 'string' ? etag : undefined }
  } catch {
    return undefined
  }
}
