import { ModelSealError, shown } from '../errors.ts'

/**
 * Decodes standard base64 (RFC 4648 section 4) in its one canonical form: padded, no white space,
 * no other letters, unused bits zero. `Buffer.from` alone skips junk.
 *
 * @throws {@link ModelSealError} `BASE64_INVALID`
 */
export function decodeBase64(text: string, field: string, file?: string): Buffer {
  const bytes = Buffer.from(text, 'base64')
  if (
    /^[A-Za-z0-9+/]*={0,2}$/.test(text) &&
    text.length === 4 * Math.ceil(bytes.length / 3) &&
    endsCanonically(text, bytes)
  )
    return bytes
  throw new ModelSealError(
    'BASE64_INVALID',
    `The field ${field}${file === undefined ? '' : ` of ${shown(file)}`} is not canonical base64.`,
    { file },
  )
}

/** Only the last group can hold unused bits. */
function endsCanonically(text: string, bytes: Buffer): boolean {
  const start = Math.max(0, 3 * (Math.ceil(bytes.length / 3) - 1))
  return bytes.subarray(start).toString('base64') === text.slice((start / 3) * 4)
}
