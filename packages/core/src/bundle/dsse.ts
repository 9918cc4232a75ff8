/** The media type of an in-toto statement, the only payload of an OMS envelope. */
export const IN_TOTO_PAYLOAD_TYPE = 'application/vnd.in-toto+json'

/** What is left of a DSSE envelope after strict parsing: one payload, one signature over it. */
export interface Envelope {
  payloadType: typeof IN_TOTO_PAYLOAD_TYPE
  payload: Buffer
  signature: Buffer
}

/**
 * The bytes that a DSSE signature is over: the pre-authentication encoding (DSSE v1.0, protocol).
 */
export function preAuthEncoding(payloadType: string, payload: Uint8Array): Buffer {
  return Buffer.concat([prefixOf(payloadType, payload), payload])
}

/** {@link preAuthEncoding}, piece by piece: a large payload is not copied, and need not be hashed at once. */
export function* preAuthEncodingPieces({ payloadType, payload }: Envelope): Generator<Uint8Array> {
  yield prefixOf(payloadType, payload)
  for (let start = 0; start < payload.length; start += PIECE) yield payload.subarray(start, start + PIECE)
}

/** Hashed in about a millisecond. */
const PIECE = 512 * 1024

function prefixOf(payloadType: string, payload: Uint8Array): Buffer {
  return Buffer.from(`DSSEv1 ${Buffer.byteLength(payloadType)} ${payloadType} ${payload.length} `)
}

/**
 * What releases of the reference tool before 1.0 signed by mistake: a capital V, and instead of
 * the payload the text of its Python bytes literal. Read, never written.
 */
export function* defectivePreAuthEncoding({ payloadType, payload }: Envelope): Generator<Buffer> {
  yield Buffer.from(`DSSEV1 ${payloadType.length} ${payloadType} ${payload.length} b'`, 'latin1')
  const escaped = Buffer.alloc(LITERAL_CHUNK * LONGEST_ESCAPE)
  for (let start = 0; start < payload.length; start += LITERAL_CHUNK) {
    let length = 0
    for (const byte of payload.subarray(start, start + LITERAL_CHUNK)) {
      for (const char of LITERAL_ESCAPES[byte] ?? [byte]) escaped[length++] = char
    }
    yield escaped.subarray(0, length)
  }
  yield Buffer.from("'", 'latin1')
}

/** Piece by piece, so that a large payload costs no memory. */
const LITERAL_CHUNK = 64 * 1024
const LONGEST_ESCAPE = 4

/** How Python writes each byte that does not stand for itself. */
const LITERAL_ESCAPES: readonly (Buffer | undefined)[] = Array.from({ length: 256 }, (_, byte) => {
  const named: Record<string, string> = { '\n': '\\n', '\r': '\\r', '\t': '\\t', '\\': '\\\\', "'": "\\'" }
  const char = String.fromCharCode(byte)
  if (named[char] === undefined && char >= ' ' && char <= '~') return undefined
  return Buffer.from(named[char] ?? `\\x${byte.toString(16).padStart(2, '0')}`, 'latin1')
})
