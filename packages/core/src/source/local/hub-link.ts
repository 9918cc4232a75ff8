import { lstatSync, readlinkSync } from 'node:fs'
import { basename, dirname, join, resolve, sep } from 'node:path'

/**
 * Where a link of a Hugging Face cache leads: there a snapshot
 * (`models--ORGANISATION--NAME/snapshots/REVISION`) has its files as links into the `blobs` of the
 * same repository. Such a link stands for the plain file; what is read is the blob itself.
 *
 * @param path of the link, with no other link in it
 * @returns the path of the blob; undefined for any other link, also for one that leads from a snapshot to elsewhere
 */
export function hubBlob(path: string): string | undefined {
  const repository = repositoryOf(path)
  if (repository === undefined) return undefined
  try {
    // By its text, so that nothing but the blobs of this very repository can be meant.
    const target = resolve(dirname(path), readlinkSync(path))
    const blobs = join(repository, 'blobs')
    if (dirname(target) !== blobs || !BLOB.test(basename(target))) return undefined
    if (!lstatSync(blobs).isDirectory()) return undefined
    return lstatSync(target).isFile() ? target : undefined
  } catch {
    return undefined
  }
}

/** A blob goes by its SHA-256, or by its SHA-1 as git computes it. */
const BLOB = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/

function repositoryOf(path: string): string | undefined {
  const parts = path.split(sep)
  const at = parts.findLastIndex((part, index) => part === 'snapshots' && /^models--./.test(parts[index - 1] ?? ''))
  // Below the snapshots there is the revision, and the file in it.
  return at < 0 || parts.length < at + 3 ? undefined : parts.slice(0, at).join(sep)
}
