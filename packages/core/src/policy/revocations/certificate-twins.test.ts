import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { asn1js, authority, issue, signingLeaf, type Issued, type KeyAlgorithmName } from '../../testing/authority.ts'
import { parseCertificate, readX509 } from '../../x509/certificate.ts'
import { fingerprintsOf } from './certificate-twins.ts'

/** Orders of the groups (SEC 2). */
const ORDERS = {
  'P-256': 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n,
  'P-384': 0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n,
  'P-521':
    0x1fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409n,
} as const

function sha256(der: Uint8Array): string {
  return createHash('sha256').update(der).digest('hex')
}

/** The values in a sequence. */
function valuesIn(der: Uint8Array): asn1js.AsnType[] {
  return (asn1js.fromBER(der).result.valueBlock as unknown as { value: asn1js.AsnType[] }).value
}

/** The certificate with other bytes as its signature, written by the library as a whole. */
function withBits({ der }: Issued, valueHex: ArrayBuffer): Buffer {
  const [toBeSigned, algorithm] = valuesIn(der)
  const bits = new asn1js.BitString({ valueHex })
  return Buffer.from(new asn1js.Sequence({ value: [toBeSigned!, algorithm!, bits] }).toBER())
}

function withSignature(certificate: Issued, parts: asn1js.AsnType[]): Buffer {
  return withBits(certificate, new asn1js.Sequence({ value: parts }).toBER())
}

function numbersIn({ fields }: Issued): asn1js.Integer[] {
  return valuesIn(fields.signatureValue.valueBlock.valueHexView) as asn1js.Integer[]
}

describe('the fingerprints of a certificate', () => {
  test.each(['P-256', 'P-384', 'P-521'] as const)(
    'include that of the other valid signature of an authority on %s',
    async (algorithm) => {
      const root = await authority('Root', { algorithm, hash: 'SHA-512' })
      const leaf = await signingLeaf(root, { hash: 'SHA-512' })
      const [r, s] = numbersIn(leaf)
      const twin = withSignature(leaf, [r!, asn1js.Integer.fromBigInt(ORDERS[algorithm] - s!.toBigInt())])
      // Anybody could make it, and it is as valid as the original.
      expect(twin.equals(leaf.der)).toBe(false)
      expect(readX509(twin).verify(root.x509.publicKey)).toBe(true)
      const [own, ...twins] = await fingerprintsOf(leaf)
      expect(own).toBe(sha256(leaf.der))
      expect(twins).toContain(sha256(twin))
      // The twin has the same fingerprints in another order.
      const [ofTwin, ...others] = await fingerprintsOf(await parseCertificate(twin))
      expect(ofTwin).toBe(sha256(twin))
      expect(others).toContain(own)
    },
  )

  test.each<KeyAlgorithmName>(['RSA', 'Ed25519'])('are one for an authority with %s', async (algorithm) => {
    const root = await authority('Root', { algorithm })
    expect(await fingerprintsOf(root)).toEqual([sha256(root.der)])
  })

  test('are those for the groups whose order is above the second number of the signature', async () => {
    const leaf = await issue({ subject: 'Signer' })
    const [r, s] = numbersIn(leaf)
    const order = ORDERS['P-256']
    const counted = async (value: bigint) => {
      const der = withSignature(leaf, [r!, asn1js.Integer.fromBigInt(value)])
      return (await fingerprintsOf(await parseCertificate(der))).length - 1
    }
    expect(await counted(s!.toBigInt())).toBeGreaterThan(0)
    expect(await counted(0n)).toBe(0)
    expect(await counted(-1n)).toBe(0)
    expect(await counted(1n)).toBe(9)
    // The orders of P-224, of three groups of 256 bits, and of the larger ones.
    expect(await counted(1n << 230n)).toBe(8)
    expect([await counted(order - 1n), await counted(order)]).toEqual([7, 6])
    expect(await counted(1n << 520n)).toBe(1)
    expect(await counted(1n << 521n)).toBe(0)
  })

  test('are one if the signature is malformed', async () => {
    const leaf = await issue({ subject: 'Signer' })
    const [r, s] = numbersIn(leaf)
    for (const parts of [[], [r!], [r!, new asn1js.Utf8String({ value: 'text' })], [new asn1js.Null(), s!]]) {
      const der = withSignature(leaf, parts)
      expect(await fingerprintsOf(await parseCertificate(der))).toEqual([sha256(der)])
    }
    const der = withBits(leaf, new Uint8Array([5, 0]).buffer)
    expect(await fingerprintsOf(await parseCertificate(der))).toEqual([sha256(der)])
  })
})
