import { readSmallFile, type SmallFile } from '../source/read-small-file.ts'
import { ModelSealError, shown } from '../errors.ts'
import { derBlocks } from './certificate.ts'

/** A hundred thousand entries. Reading an entry takes about 0.2 ms, so larger lists would be too slow. */
export const MAX_CRL_BYTES = 4 * 1024 * 1024
/** The limit for one list, plus a third for PEM. */
const MAX_FILE_BYTES = 6 * 1024 * 1024

/**
 * Reads the certificate revocation lists of a PEM file, or the list of a DER file. Of their content, only the outline is checked;
 * `validateChain` checks the rest.
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
  const lists = derBlocks(bytes, 'X509 CRL', path, 'CRL_INVALID')
  for (const der of lists) {
    const found = otherThanList(der)
    if (found !== undefined)
      throw new ModelSealError('CRL_INVALID', `Cannot read the file ${shown(path)}: it contains no revocation list.`, {
        file: path,
        expected: `revocation lists of at most ${MAX_CRL_BYTES} bytes, in PEM or DER`,
        found,
      })
  }
  return lists
}

const SEQUENCE = 0x30
const BIT_STRING = 0x03
/** DER does not have it. */
const INDEFINITE = 0x80
/** RFC 5280 5.1: what is signed, the algorithm and the signature. */
const OUTLINE: readonly number[] = [SEQUENCE, SEQUENCE, BIT_STRING]

/** What the bytes are, if they are not a list as far as its outline shows. Reading all of it would take long. */
function otherThanList(der: Buffer): string | undefined {
  if (der.length > MAX_CRL_BYTES) return `${der.length} bytes`
  const [list, ...after] = valuesIn(der)
  const parts = list?.tag === SEQUENCE && after.length === 0 ? valuesIn(list.content) : []
  const isList = parts.length === OUTLINE.length && parts.every((part, index) => part.tag === OUTLINE[index])
  return isList ? undefined : 'something else'
}

interface DerValue {
  tag: number
  content: Buffer
}

/** The values that follow each other in DER (X.690 8.1), at most four; none if anything is left over. */
function valuesIn(der: Buffer): DerValue[] {
  const values: DerValue[] = []
  for (let at = 0; at < der.length && values.length <= OUTLINE.length;) {
    const short = der[at + 1] ?? 0
    const lengthBytes = Math.max(short - INDEFINITE, 0)
    if (short === INDEFINITE) return []
    const start = at + 2 + lengthBytes
    // More would not fit into the largest list.
    if (lengthBytes > 3 || start > der.length) return []
    const length = lengthBytes === 0 ? short : der.readUIntBE(at + 2, lengthBytes)
    if (start + length > der.length) return []
    values.push({ tag: der[at] ?? 0, content: der.subarray(start, start + length) })
    at = start + length
  }
  return values
}
