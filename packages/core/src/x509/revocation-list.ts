import { readSmallFile, type SmallFile } from '../source/read-small-file.ts'
import { derBlocks } from './certificate.ts'

/** The limit of `validateChain` for one list, plus a third for PEM. */
const MAX_FILE_BYTES = 6 * 1024 * 1024

/**
 * Reads the certificate revocation lists of a PEM file, or the list of a DER file. `validateChain` checks their content.
 *
 * @returns the DER of each list; at least one
 * @throws {@link ModelSealError} `FILE_NOT_FOUND`, `FILE_UNREADABLE`, `FILE_SPECIAL`, `FILE_TOO_LARGE`, `CRL_INVALID`,
 * `INVALID_ARGUMENT`
 */
export async function readRevocationLists(path: string): Promise<Buffer[]> {
  return parseRevocationLists(await readSmallFile(path, REVOCATION_LIST_FILE), path)
}

/** The file that {@link parseRevocationLists} parses. */
export const REVOCATION_LIST_FILE: SmallFile = {
  what: 'revocation list',
  maxBytes: MAX_FILE_BYTES,
  hint: 'Give the path of a PEM file that begins with "-----BEGIN X509 CRL-----" or of a DER file.',
}

/** Like {@link readRevocationLists}, for the content of a file. @throws {@link ModelSealError} `CRL_INVALID` */
export function parseRevocationLists(bytes: Buffer, path: string): Buffer[] {
  return derBlocks(bytes, 'X509 CRL', path, 'CRL_INVALID')
}
