import { ModelSealError } from '../errors.ts'
import { readSmallFile } from '../source/read-small-file.ts'
import { MAX_BUNDLE_BYTES, parseOwnBundle, parseWithoutPayload, type UnverifiedBundle } from './bundle.ts'

/**
 * Reads and parses a bundle file.
 *
 * @param maxBytes where it is to be one of several, what is left for it
 * @throws {@link ModelSealError} `BUNDLE_NOT_FOUND`, `BUNDLE_TOO_LARGE`, `FILE_UNREADABLE`,
 * `INVALID_ARGUMENT`, `FILE_SPECIAL`, and what {@link parseOwnBundle} throws
 */
export async function readBundle(path: string, maxBytes = MAX_BUNDLE_BYTES): Promise<UnverifiedBundle> {
  return parseOwnBundle(await readBytes(path, maxBytes), path)
}

/** True for a file that a signature may replace, and that is not a part of the model. */
export async function isBundle(path: string): Promise<boolean> {
  try {
    parseWithoutPayload(await readBytes(path, MAX_BUNDLE_BYTES), path)
    return true
  } catch (error) {
    if (error instanceof ModelSealError) return false
    throw error
  }
}

async function readBytes(path: string, maxBytes: number): Promise<Buffer> {
  return readSmallFile(path, {
    what: 'signature bundle',
    maxBytes,
    notFound: 'BUNDLE_NOT_FOUND',
    tooLarge: 'BUNDLE_TOO_LARGE',
    hint: 'Give the path of the bundle that the publisher made for this model.',
  })
}
