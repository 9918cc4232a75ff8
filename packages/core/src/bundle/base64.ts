import { ModelSealError, shown } from '../errors.ts'

/**
 * Decodes standard base64 (RFC 4648 section 4) in its one canonical form: padded, no white space,
 * no other letters, unused bits zero. `Buffer.from` alone skips junk.
 *
 * @throws {@link ModelSealError} `BASE64_INVALID`
 */
export function decodeBase64(text: string, field: string, file?: string): Buffer {
  const bytes = Buffer.from(text, 'base64')
  if (isCanonical(text, bytes)) return bytes
  throw new ModelSealError(
    'BASE64_INVALID',
    `The field ${field}${file === undefined ? '' : ` of ${shown(file)}`} is not canonical base64.`,
    { file },
  )
}

/** A piece of the bytes; a multiple of three, so that it is encoded without padding. */
const PIECE = 3 * 16 * 1024

/** The encoder writes the canonical form; to compare with that is faster than any look at the letters. */
function isCanonical(text: string, bytes: Buffer): boolean {
  if (text.length !== 4 * Math.ceil(bytes.length / 3)) return false
  for (let start = 0; start < bytes.length; start += PIECE) {
    const piece = bytes.toString('base64', start, Math.min(start + PIECE, bytes.length))
    if (!text.startsWith(piece, (start / 3) * 4)) return false
  }
  return true
}
