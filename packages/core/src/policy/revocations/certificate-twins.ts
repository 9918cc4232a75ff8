import { createHash } from 'node:crypto'
import type * as asn1js from 'asn1js'
import { fingerprintOf, type Certificate } from '../../x509/certificate.ts'

/** Signature algorithms of ECDSA, whatever the hash (RFC 5758 3.2). */
const ECDSA = '1.2.840.10045.4.'

/** Orders of the groups that authorities sign in (SEC 2, RFC 5639). */
const ORDERS: readonly bigint[] = [
  0xffffffffffffffffffffffffffff16a2e0b8f03e13dd29455c5c2a3dn, // P-224
  0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n, // P-256
  0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n, // P-384
  0x1fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409n, // P-521
  0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n, // secp256k1
  0xa9fb57dba1eea9bc3e660a909d838d718c397aa3b561a6f7901e0e82974856a7n, // brainpoolP256
  0xd35e472036bc4fb7e13c785ed201e065f98fcfa5b68f12a32d482ec7ee8658e98691555b44c59311n, // brainpoolP320
  0x8cb91e82a3386d280f5d6f7e50e641df152f7109ed5456b31f166e6cac0425a7cf3ab6af6b7fc3103b883202e9046565n, // brainpoolP384
  0xaadd9db8dbe9c48b3fd4e6ae33c9fc07cb308db3b3c9d20ed6639cca70330870553e5c414ca92619418661197fac10471db1d381085ddaddb58796829ca90069n, // brainpoolP512
]

/**
 * All fingerprints that one certificate can have. The fingerprint also covers the signature of the
 * authority, and from an ECDSA signature (r, s) anybody can compute (r, n-s), which is valid, too:
 * the same certificate with another fingerprint. RSA and EdDSA signatures are unique.
 *
 * @returns lowercase hex SHA-256; its own first
 */
export async function fingerprintsOf({ x509, fields }: Certificate): Promise<[string, ...string[]]> {
  const own = fingerprintOf(x509)
  if (!fields.signatureAlgorithm.algorithmId.startsWith(ECDSA)) return [own]
  const library = await import('asn1js')
  const [r, s] = signatureOf(fields.signatureValue, library)
  const [toBeSigned, algorithm] = elementsOf(library.fromBER(x509.raw).result)
  // A malformed signature does not verify anyway.
  if (!r || !s || !toBeSigned || !algorithm) return [own]
  const value = s.toBigInt()
  const twins = ORDERS.filter((order) => 0n < value && value < order).map((order) => {
    const signature = new library.Sequence({ value: [r, library.Integer.fromBigInt(order - value)] })
    const bits = new library.BitString({ valueHex: signature.toBER() })
    return fingerprintOfParts(
      [toBeSigned.valueBeforeDecodeView, algorithm.valueBeforeDecodeView, bits.toBER()],
      library,
    )
  })
  return [own, ...twins]
}

/** Uses the parts as they are: nothing that was signed is encoded again. */
function fingerprintOfParts(parts: readonly (Uint8Array | ArrayBuffer)[], { Primitive }: typeof asn1js): string {
  const certificate = new Primitive({ valueHex: Buffer.concat(parts.map((part) => new Uint8Array(part))) })
  Object.assign(certificate.idBlock, { tagClass: 1, tagNumber: 16, isConstructed: true })
  return createHash('sha256').update(new Uint8Array(certificate.toBER())).digest('hex')
}

function signatureOf(bits: asn1js.BitString, { fromBER, Integer }: typeof asn1js): asn1js.Integer[] {
  return elementsOf(fromBER(bits.valueBlock.valueHexView).result).filter((part) => part instanceof Integer)
}

function elementsOf(block: asn1js.AsnType): asn1js.AsnType[] {
  const { value } = block.valueBlock as { value?: unknown }
  return Array.isArray(value) ? (value as asn1js.AsnType[]) : []
}
