import { createPublicKey, type KeyObject } from 'node:crypto'
import { ModelSealError } from '../../errors.ts'

/** The curves of OMS by object identifier (RFC 5480 2.1.1.1), with the length of a coordinate in bytes. */
const CURVES = new Map([
  ['1.2.840.10045.3.1.7', { crv: 'P-256', size: 32 }],
  ['1.3.132.0.34', { crv: 'P-384', size: 48 }],
  ['1.3.132.0.35', { crv: 'P-521', size: 66 }],
])

/** A public key as stored on a token (PKCS #11 v3.0, 2.3.3). */
export interface TokenPublicKey {
  /** CKA_EC_PARAMS: the DER of the curve's object identifier. */
  params: Buffer
  /** CKA_EC_POINT: the DER of an octet string that contains the point. Some tokens return the bare point. */
  point: Buffer
}

/**
 * Reads a public key stored on a token.
 *
 * @throws {@link ModelSealError} `KEY_INVALID`
 */
export async function readTokenPublicKey({ params, point }: TokenPublicKey): Promise<KeyObject> {
  const { fromBER, ObjectIdentifier, OctetString } = await import('asn1js')
  const { result: identifier } = fromBER(params)
  const curve = identifier instanceof ObjectIdentifier ? CURVES.get(identifier.getValue()) : undefined
  if (curve === undefined) {
    throw new ModelSealError('KEY_INVALID', 'Cannot use the key on the token: its curve is not supported.', {
      expected: 'P-256, P-384 or P-521',
      found: identifier instanceof ObjectIdentifier ? identifier.getValue() : 'no named curve',
      hint: 'Create one with "pkcs11-tool --keypairgen --key-type EC:prime256v1".',
    })
  }
  // SEC 1, 2.3.3: 04, then x and y. An octet string begins with 04 as well, but is longer.
  const bareLength = 1 + 2 * curve.size
  let bare = point
  if (point.length !== bareLength) {
    const { result, offset } = fromBER(point)
    if (result instanceof OctetString && offset === point.length) bare = Buffer.from(result.getValue())
  }
  if (bare.length !== bareLength || bare[0] !== 4) throw unreadablePoint()
  const x = bare.toString('base64url', 1, 1 + curve.size)
  const y = bare.toString('base64url', 1 + curve.size)
  try {
    return createPublicKey({ key: { kty: 'EC', crv: curve.crv, x, y }, format: 'jwk' })
  } catch (cause) {
    throw unreadablePoint(cause)
  }
}

function unreadablePoint(cause?: unknown): ModelSealError {
  return new ModelSealError(
    'KEY_INVALID',
    'Cannot use the public key on the token: it is not an uncompressed point on its curve.',
    {
      hint: 'Write the public key to the token again.',
      cause,
    },
  )
}

/** Converts a signature from a token, which is r followed by s, to the DER that bundles contain (RFC 3279 2.2.3). */
export async function derOfSignature(raw: Buffer): Promise<Buffer> {
  return (await derEncoder())(raw)
}

/** {@link derOfSignature}, for callers that cannot wait. */
export async function derEncoder(): Promise<(raw: Buffer) => Buffer> {
  const { Integer, Sequence } = await import('asn1js')
  return (raw) => {
    const half = raw.length / 2
    const numbers = [raw.subarray(0, half), raw.subarray(half)].map((bytes) => BigInt(`0x${bytes.toString('hex')}`))
    const value = numbers.map((number) => Integer.fromBigInt(number))
    return Buffer.from(new Sequence({ value }).toBER())
  }
}
