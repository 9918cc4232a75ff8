import { randomUUID } from 'node:crypto'
import { ModelSealError, shown } from '../errors.ts'
import type { Steps } from '../source/turns.ts'

/** Limit in bytes for everything in a bundle except its payload: certificates, log entries, timestamps. Real bundles need about 10 KiB. */
const MAX_BYTES_BESIDE_PAYLOAD = 1024 * 1024

/** A string above this length can only be the payload. No certificate or timestamp is as long. */
const LONG_STRING = 256 * 1024

/** Number of strings between two steps. */
const STRINGS = 1_000

/** The JSON of a bundle, without its payload if the payload is long. */
interface CutBundle {
  /** JSON that contains {@link placeholder} instead of the payload. */
  json: Buffer
  /** Differs from every other string in the JSON. */
  placeholder: string | undefined
  /** The payload: the content of a JSON string, without the quotes. */
  payload: Buffer | undefined
}

/**
 * Cuts the payload out of the JSON of a bundle, so that only a small text is parsed and the payload remains bytes. Text that is
 * not JSON is harmless, because it is not JSON without the payload either.
 *
 * @throws {@link ModelSealError} `BUNDLE_TOO_LARGE`, `BUNDLE_MALFORMED`
 */
export function* cutPayload(bytes: Buffer, file: string | undefined): Steps<CutBundle> {
  const uncut = { json: bytes, placeholder: undefined, payload: undefined }
  if (bytes.length <= LONG_STRING) return uncut
  let payload: { start: number; end: number } | undefined
  let strings = 0
  for (let quote = bytes.indexOf(QUOTE); quote >= 0;) {
    const end = endOfString(bytes, quote, file)
    if (end - quote > LONG_STRING) {
      if (payload) throw longString(file)
      payload = { start: quote + 1, end }
    }
    const beside = end - (payload ? payload.end - payload.start : 0)
    if (beside > MAX_BYTES_BESIDE_PAYLOAD) throw tooLarge(file)
    if (++strings % STRINGS === 0) yield
    quote = bytes.indexOf(QUOTE, end + 1)
  }
  if (bytes.length - (payload ? payload.end - payload.start : 0) > MAX_BYTES_BESIDE_PAYLOAD) throw tooLarge(file)
  if (!payload) return uncut
  const { start, end } = payload
  const placeholder = randomUUID()
  return {
    json: Buffer.concat([bytes.subarray(0, start), Buffer.from(placeholder), bytes.subarray(end)]),
    placeholder,
    payload: bytes.subarray(start, end),
  }
}

const QUOTE = 0x22
const BACKSLASH = 0x5c

/** Index of the closing quote, or the length of the text if there is none. */
function endOfString(bytes: Buffer, start: number, file: string | undefined): number {
  for (let end = bytes.indexOf(QUOTE, start + 1); end >= 0; end = bytes.indexOf(QUOTE, end + 1)) {
    if (bytes[end - 1] !== BACKSLASH) return end
    // Base64 contains no quotes, so this is not the payload.
    if (end - start > LONG_STRING) throw longString(file)
    let backslashes = 1
    while (bytes[end - 1 - backslashes] === BACKSLASH) backslashes++
    if (backslashes % 2 === 0) return end
  }
  return bytes.length
}

/** The refusal of a long string that is not the payload. */
export function longString(file: string | undefined): ModelSealError {
  return new ModelSealError(
    'BUNDLE_MALFORMED',
    `Cannot read the bundle${file === undefined ? '' : ` ${shown(file)}`}: it contains a long string that is not its payload.`,
    { file, expected: `no string of more than ${LONG_STRING} bytes except one base64 payload` },
  )
}

function tooLarge(file: string | undefined): ModelSealError {
  return new ModelSealError(
    'BUNDLE_TOO_LARGE',
    `Cannot read the bundle${file === undefined ? '' : ` ${shown(file)}`}: it is too large even without its payload.`,
    { file, expected: `at most ${MAX_BYTES_BESIDE_PAYLOAD} bytes besides the payload` },
  )
}
