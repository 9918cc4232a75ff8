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
  const prefix = `DSSEv1 ${Buffer.byteLength(payloadType)} ${payloadType} ${payload.length} `
  return Buffer.concat([Buffer.from(prefix), payload])
}

/**
 * What releases of the reference tool before 1.0 signed by mistake: a capital V, and instead of
 * the payload the text of its Python bytes literal. Read, never written.
 */
export function defectivePreAuthEncoding({ payloadType, payload }: Envelope): Buffer {
  const literal = payload.toString('latin1').replace(/[^ -~]|['\\]/g, literalEscape)
  return Buffer.from(`DSSEV1 ${payloadType.length} ${payloadType} ${payload.length} b'${literal}'`, 'latin1')
}

function literalEscape(char: string): string {
  const named: Record<string, string> = { '\n': '\\n', '\r': '\\r', '\t': '\\t', '\\': '\\\\', "'": "\\'" }
  return named[char] ?? `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`
}
