import { join, resolve } from 'node:path'
import { BlobStore, type CachedFile } from '../cache/blob-store.ts'
import { CachedFiles } from '../cache/cached-files.ts'
import type { Descriptor } from './descriptor.ts'
import { sha256Of } from './digest.ts'

/**
 * The cache of ORAS, if the user wants one: the blobs of an OCI image layout.
 *
 * @param directory the value of `ORAS_CACHE`
 */
export function layerCache(directory: string | undefined, signal: AbortSignal | undefined): CachedFiles | undefined {
  if (directory === undefined || directory === '') return undefined
  const root = resolve(directory)
  return new CachedFiles(new BlobStore(root, join(root, 'blobs', 'sha256')), signal)
}

/** The layer as the cache knows it; undefined if its digest is of another kind. */
export function cachedLayer(path: string, { digest, size }: Descriptor): CachedFile | undefined {
  const blob = sha256Of(digest)
  return blob === undefined ? undefined : { path, blob, size }
}
