import { lstatSync, readlinkSync } from 'node:fs'
import { basename, dirname, join, resolve, sep } from 'node:path'

/**
 * Resolves a link in a Hugging Face cache, where the files of a snapshot
 * (`models--ORGANISATION--NAME/snapshots/REVISION`, or `datasets--…`) are links into the `blobs` of the same repository. Such a link
 * counts as a plain file, and the blob itself is read.
 *
 * @param path path of the link; no other component is a link
 * @returns the path of the blob; undefined for any other link, including one from a snapshot to somewhere else
 */
export function hubBlob(path: string): string | undefined {
  const repository = repositoryOf(path)
  if (repository === undefined) return undefined
  try {
    // Compares the text, so that only blobs of this very repository match.
    const target = resolve(dirname(path), readlinkSync(path))
    const blobs = join(repository, 'blobs')
    if (dirname(target) !== blobs || !BLOB.test(basename(target))) return undefined
    if (!lstatSync(blobs).isDirectory()) return undefined
    return lstatSync(target).isFile() ? target : undefined
  } catch {
    return undefined
  }
}

/** Blobs are named by their SHA-256, or by their SHA-1 as Git computes it. */
const BLOB = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/

function repositoryOf(path: string): string | undefined {
  const parts = path.split(sep)
  const at = parts.findLastIndex(
    (part, index) => part === 'snapshots' && /^(?:models|datasets)--./.test(parts[index - 1] ?? ''),
  )
  // Below `snapshots`: the revision, then the file.
  return at < 0 || parts.length < at + 3 ? undefined : parts.slice(0, at).join(sep)
}
