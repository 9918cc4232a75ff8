import { readSmallFile } from '@modelseal/core/adapter'

const COMMIT = /^[0-9a-f]{40}$/
/** A commit and the end of its line. */
const MAX_BYTES = 64

/**
 * The commit that a branch or tag had when it was downloaded. Where other users can write to the cache, its file may be a FIFO
 * without a writer, or a device that never ends: neither is waited for.
 *
 * @returns undefined if nothing says so
 */
export async function referenceAt(path: string): Promise<string | undefined> {
  try {
    const content = await readSmallFile(path, { what: 'reference of the cache', maxBytes: MAX_BYTES })
    const text = content.toString('utf8').trim()
    return COMMIT.test(text) ? text : undefined
  } catch {
    return undefined
  }
}
