/** The media type of an in-toto statement, the only payload of an OMS envelope. */
export const IN_TOTO_PAYLOAD_TYPE = 'application/vnd.in-toto+json'

/** A strictly parsed DSSE envelope: one payload and one signature over it. */
export interface Envelope {
  payloadType: typeof IN_TOTO_PAYLOAD_TYPE
  payload: Buffer
  signature: Buffer
}

/**
 * The bytes that a DSSE signature covers: the pre-authentication encoding (DSSE v1.0, protocol).
 */
export function preAuthEncoding(payloadType: string, payload: Uint8Array): Buffer {
  return Buffer.concat([prefixOf(payloadType, payload), payload])
}

/** {@link preAuthEncoding} in pieces, so that a large payload is neither copied nor hashed at once. */
export function* preAuthEncodingPieces({ payloadType, payload }: Envelope): Generator<Uint8Array> {
  yield prefixOf(payloadType, payload)
  for (let start = 0; start < payload.length; start += PIECE) yield payload.subarray(start, start + PIECE)
}

/** Takes about a millisecond to hash. */
const PIECE = 512 * 1024

function prefixOf(payloadType: string, payload: Uint8Array): Buffer {
  return Buffer.from(`DSSEv1 ${Buffer.byteLength(payloadType)} ${payloadType} ${payload.length} `)
}

/**
 * What the reference tool signed by mistake before release 1.0: a capital V and, instead of the payload, its
 * Python bytes literal. Accepted, never written.
 */
export function* defectivePreAuthEncoding({ payloadType, payload }: Envelope): Generator<Buffer> {
  yield Buffer.from(`DSSEV1 ${payloadType.length} ${payloadType} ${payload.length} b'`)
  const escaped = Buffer.alloc(LITERAL_CHUNK * LONGEST_ESCAPE)
  for (let start = 0; start < payload.length; start += LITERAL_CHUNK) {
    let length = 0
    for (const byte of payload.subarray(start, start + LITERAL_CHUNK)) {
      for (const char of LITERAL_ESCAPES[byte] ?? [byte]) escaped[length++] = char
    }
    yield escaped.subarray(0, length)
  }
  yield Buffer.from("'")
}

/** Keeps a large payload from being copied at once. */
const LITERAL_CHUNK = 64 * 1024
const LONGEST_ESCAPE = 4

/** How Python writes each byte that needs an escape. */
const LITERAL_ESCAPES: readonly (Buffer | undefined)[] = Array.from({ length: 256 }, (_, byte) => {
  const named: Record<string, string> = { '\n': '\\n', '\r': '\\r', '\t': '\\t', '\\': '\\\\', "'": "\\'" }
  const char = String.fromCharCode(byte)
  if (named[char] === undefined && char >= ' ' && char <= '~') return undefined
  return Buffer.from(named[char] ?? `\\x${byte.toString(16).padStart(2, '0')}`)
})
