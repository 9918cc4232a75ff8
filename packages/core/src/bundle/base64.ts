import { ModelSealError, shown } from '../errors.ts'
import type { Steps } from '../source/turns.ts'

/**
 * Decodes standard base64 (RFC 4648 section 4) in canonical form only: padded, without white space or other
 * characters, with unused bits zero. `Buffer.from` alone would skip junk.
 *
 * @throws {@link ModelSealError} `BASE64_INVALID`
 */
export function decodeBase64(text: string, field: string, file?: string): Buffer {
  const bytes = Buffer.from(text, 'base64')
  if (isCanonical(text, bytes)) return bytes
  throw notCanonical(field, file)
}

/**
 * Decodes a long text like {@link decodeBase64}, step by step.
 *
 * @param text the raw content of a JSON string, in which there may be escapes
 * @throws {@link ModelSealError} `BASE64_INVALID`
 */
export function* base64Steps(text: Buffer, field: string, file?: string): Steps<Buffer> {
  const plain = text.includes(BACKSLASH) ? yield* unescapedSteps(text) : text
  if (!plain) throw notCanonical(field, file)
  const bytes = Buffer.allocUnsafeSlow(Math.ceil(plain.length / 4) * 3)
  let length = 0
  for (let start = 0; start < plain.length; start += LETTERS) {
    const letters = plain.toString('latin1', start, Math.min(start + LETTERS, plain.length))
    const written = bytes.write(letters, length, 'base64')
    // All pieces but the last decode to three bytes for four letters, because they have no padding.
    const whole = start + LETTERS >= plain.length || written === PIECE
    if (!whole || bytes.toString('base64', length, length + written) !== letters) throw notCanonical(field, file)
    length += written
    yield
  }
  return bytes.subarray(0, length)
}

function notCanonical(field: string, file: string | undefined): ModelSealError {
  return new ModelSealError(
    'BASE64_INVALID',
    `Cannot decode the field ${field}${file === undefined ? '' : ` of ${shown(file)}`}: it is not canonical base64.`,
    { file },
  )
}

/** Bytes in a piece: a multiple of three, so that the piece is encoded without padding. */
const PIECE = 3 * 16 * 1024
/** Letters of base64 in a piece. */
const LETTERS = (PIECE / 3) * 4

const BACKSLASH = 0x5c
/** Length of `\\u0041`, less one. */
const REST_OF_ESCAPE = 5

/** Compares with what the encoder writes, which is canonical. This is faster than checking each letter. */
function isCanonical(text: string, bytes: Buffer): boolean {
  if (text.length !== 4 * Math.ceil(bytes.length / 3)) return false
  for (let start = 0; start < bytes.length; start += PIECE) {
    const piece = bytes.toString('base64', start, Math.min(start + PIECE, bytes.length))
    if (!text.startsWith(piece, (start / 3) * 4)) return false
  }
  return true
}

/** Resolves JSON escapes. Returns undefined if one is not valid in JSON or stands for a character outside ASCII. */
function* unescapedSteps(text: Buffer): Steps<Buffer | undefined> {
  const plain = Buffer.allocUnsafeSlow(text.length)
  let length = 0
  for (let start = 0; start < text.length;) {
    let end = Math.min(start + LETTERS, text.length)
    // No escape may be cut in two, except that of a backslash, which is not a letter of base64 anyway.
    const escape = text.lastIndexOf(BACKSLASH, end - 1)
    if (end < text.length && escape >= end - REST_OF_ESCAPE) end = escape
    const piece = unescaped(text.toString('latin1', start, end))
    if (piece === undefined) return undefined
    length += plain.write(piece, length, 'latin1')
    start = end
    yield
  }
  return plain.subarray(0, length)
}

function unescaped(piece: string): string | undefined {
  try {
    const plain = JSON.parse(`"${piece}"`) as string
    return /^[\x20-\x7e]*$/.test(plain) ? plain : undefined
  } catch {
    return undefined
  }
}
