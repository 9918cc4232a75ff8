import { createHash } from 'node:crypto'
import { readPrivate, writePrivate } from './kept-copy.ts'

/** Verified metadata of a TUF repository, by the names of its files: nothing older is accepted later. */
export type TufMetadata = ReadonlyMap<string, Buffer>

const FORMAT = 'modelseal-advisory-tuf-1'
const FILE = { what: 'kept metadata of the TUF repository', maxBytes: 16 * 1024 * 1024 }
/** Names as `tuf-js` writes them, and numbered root metadata. */
const NAME = /^[^/\\]{1,240}\.json$/

/**
 * Reads the metadata that was kept for a feed. It is verified again, from the root metadata that the policy names.
 *
 * @param id of the feed
 * @returns empty if there is none that only this user can have written and can read, if it was damaged, or if it began with another root
 */
export async function readTufMetadata(id: string, anchor: Buffer): Promise<TufMetadata> {
  const bytes = await readPrivate(nameOf(id), FILE)
  try {
    const { format, root, digest, files } = JSON.parse(bytes?.toString() ?? '{}') as Partial<Record<string, unknown>>
    if (format !== FORMAT || root !== digestOf(anchor)) return new Map()
    // Root metadata that was damaged here would be refused each time, and never fetched again.
    if (digest !== digestOf(JSON.stringify(files))) return new Map()
    const entries = Object.entries(files as Record<string, string>).filter(([name]) => NAME.test(name))
    return new Map(entries.map(([name, base64]) => [name, Buffer.from(base64, 'base64')]))
  } catch {
    return new Map()
  }
}

/**
 * Keeps metadata for later processes. The last of several writers wins.
 *
 * @throws {@link ModelSealError} `CACHE_UNSAFE`, `FILE_WRITE_FAILED`
 */
export async function keepTufMetadata(id: string, anchor: Buffer, metadata: TufMetadata): Promise<void> {
  const files = Object.fromEntries(Array.from(metadata, ([name, bytes]) => [name, bytes.toString('base64')]))
  const digest = digestOf(JSON.stringify(files))
  const content = Buffer.from(`${JSON.stringify({ format: FORMAT, root: digestOf(anchor), digest, files })}\n`)
  if (content.length <= FILE.maxBytes) await writePrivate(nameOf(id), content, FILE)
}

function digestOf(bytes: Buffer | string): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function nameOf(id: string): string {
  return `${id}.tuf.json`
}
