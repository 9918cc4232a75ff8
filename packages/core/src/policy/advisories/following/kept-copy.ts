import { lstat } from 'node:fs/promises'
import { join } from 'node:path'
import { cacheFolder, makeCacheFolder } from '../../../source/private/cache-directory.ts'
import { readTrustedFile } from '../../../source/trusted/trusted-file.ts'
import { writeFileWhole } from '../../../source/write-file.ts'
import { MAX_FEED_BYTES } from '../feed-statement.ts'
import { usableTag } from './fetch-feed.ts'
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
  const bytes = await readPrivate(nameOf(id), FILE)
  return bytes && parsed(bytes)
}

/** @returns undefined if there is no such file of the cache that only this user can have written and can read */
export async function readPrivate(
  name: string,
  file: { what: string; maxBytes: number },
): Promise<Buffer<ArrayBuffer> | undefined> {
  const folder = cacheFolder(KIND)
  if (folder === undefined) return undefined
  const path = join(folder, name)
  try {
    // Checks every directory on the path, too.
    const bytes = await readTrustedFile(path, file, { code: 'CACHE_UNSAFE' })
    const { mode } = await lstat(path)
    return process.geteuid && (mode & OTHERS) !== 0 ? undefined : bytes
  } catch {
    return undefined
  }
}

/**
 * Writes such a file, whole or not at all.
 *
 * @throws {@link ModelSealError} `CACHE_UNSAFE`, `FILE_WRITE_FAILED`
 */
export async function writePrivate(name: string, content: Buffer, { what }: { what: string }): Promise<void> {
  const path = join(await makeCacheFolder(KIND), name)
  await writeFileWhole(path, content, { what, failed: 'FILE_WRITE_FAILED', mode: 0o600 })
}

/** A text that identifies the file of the kept copy and its state. Unlike the time of the last change, renaming does not change it. */
export async function keptState(id: string): Promise<string> {
  const folder = cacheFolder(KIND)
  return folder === undefined ? ABSENT : stateOf(join(folder, nameOf(id)))
}

const ABSENT = 'absent'

async function stateOf(path: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs } = await lstat(path, { bigint: true })
    return [dev, ino, size, mtimeNs].join(':')
  } catch {
    return ABSENT
  }
}

/**
 * Keeps a feed for other processes and later ones, whole or not at all, instead of the copy with a certain state.
 *
 * There is no lock, which a process that is killed would leave behind. Another process could replace the copy after its state was
 * compared and before the new file is renamed: two system calls. What was lost then is written again by the next confirmation in
 * the process that knows it, a minute later at most. Should that process end before, the next one begins with the older version, until it
 * asks the source.
 *
 * @param state of the copy whose content is known
 * @returns the state of the new copy; undefined if the copy had another state
 * @throws {@link ModelSealError} `CACHE_UNSAFE`, `FILE_WRITE_FAILED`
 */
export async function keepCopy(id: string, copy: KeptCopy, state: string): Promise<string | undefined> {
  const { bytes, confirmedAt, etag } = copy
  const path = join(await makeCacheFolder(KIND), nameOf(id))
  const header = JSON.stringify({ format: FORMAT, confirmedAt, etag })
  const content = Buffer.concat([Buffer.from(`${header}\n`), bytes])
  let written = ABSENT
  const mayReplace = async (temporary: string) => {
    written = await stateOf(temporary)
    return (await stateOf(path)) === state
  }
  const isKept = await writeFileWhole(path, content, { ...FILE, failed: 'FILE_WRITE_FAILED', mode: 0o600, mayReplace })
  return isKept ? written : undefined
}

function nameOf(id: string): string {
  return `${id}.jsonl`
}

/** Milliseconds since 1970 (ECMAScript, "Time Values and Time Range"). */
function isTime(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value <= 8.64e15
}

function parsed(content: Buffer): KeptCopy | undefined {
  // Without a line break, the header is empty, which is not valid JSON.
  const end = content.indexOf(LINE_FEED)
  if (end > MAX_HEADER_BYTES) return undefined
  try {
    const header = JSON.parse(content.toString('utf8', 0, end)) as Partial<Record<string, unknown>> | null
    const { format, confirmedAt, etag } = header ?? {}
    if (format !== FORMAT || !isTime(confirmedAt)) return undefined
    return { bytes: content.subarray(end + 1), confirmedAt, etag: usableTag(etag) }
  } catch {
    return undefined
  }
}
