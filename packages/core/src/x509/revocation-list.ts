import { readSmallFile, type SmallFile } from '../source/read-small-file.ts'
import { derBlocks } from './certificate.ts'

/** As much as `validateChain` takes in one list; in PEM it is a third more. */
const MAX_FILE_BYTES = 6 * 1024 * 1024

/**
 * Reads the certificate revocation lists of a PEM file, or the one of a DER file. What they say is
 * for `validateChain` to check.
 *
 * @returns DER of each; one at least
 * @throws {@link ModelSealError} `FILE_NOT_FOUND`, `FILE_UNREADABLE`, `FILE_SPECIAL`, `FILE_TOO_LARGE`, `CRL_INVALID`,
 * `INVALID_ARGUMENT`
 */
export async function readRevocationLists(path: string): Promise<Buffer[]> {
  return parseRevocationLists(await readSmallFile(path, REVOCATION_LIST_FILE), path)
}

/** What {@link parseRevocationLists} parses. */
export const REVOCATION_LIST_FILE: SmallFile = {
  what: 'revocation list',
  maxBytes: MAX_FILE_BYTES,
  hint: 'Give the path of a PEM file that begins with "-----BEGIN X509 CRL-----", or of a DER file.',
}

/** As {@link readRevocationLists}. @throws {@link ModelSealError} `CRL_INVALID` */
export function parseRevocationLists(bytes: Buffer, path: string): Buffer[] {
  return derBlocks(bytes, 'X509 CRL', path, 'CRL_INVALID')
}
