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
