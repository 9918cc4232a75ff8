import { createHash } from 'node:crypto'
import type * as asn1js from 'asn1js'
import type * as pkijs from 'pkijs'
import { readX509, type CertificateInput } from '../x509/certificate.ts'
import type { Effort } from './effort.ts'

/**
 * Finds the certificate that a timestamp names as its signer's (RFC 5652 5.3), among those in the timestamp and those that
 * the verifier was given, because a response may omit the certificate.
 *
 * @throws Error if there is none
 */
export async function signerOf(
  { certificates = [], signerInfos }: pkijs.SignedData,
  roots: readonly CertificateInput[],
  effort: Effort,
): Promise<pkijs.Certificate> {
  const { Certificate, IssuerAndSerialNumber } = await import('pkijs')
  const sid: unknown = signerInfos[0]?.sid
  const bySerial = sid instanceof IssuerAndSerialNumber
  const isNamed = (certificate: pkijs.Certificate) =>
    bySerial
      ? certificate.issuer.isEqual(sid.issuer) && certificate.serialNumber.isEqual(sid.serialNumber)
      : isKeyNamed(sid as asn1js.BaseBlock, certificate)
  for (const certificate of certificates) {
    if (certificate instanceof Certificate && isNamed(certificate)) return certificate
  }
  const serial = bySerial && withoutZeros(Buffer.from(sid.serialNumber.valueBlock.valueHexView).toString('hex'))
  for (const root of roots) {
    await effort.turn()
    const x509 = readX509(root)
    if (serial !== false && withoutZeros(x509.serialNumber) !== serial) continue
    const certificate = Certificate.fromBER(x509.raw)
    if (isNamed(certificate)) return certificate
  }
  throw new Error('it does not contain the certificate of its signer')
}

function withoutZeros(hex: string): string {
  return hex.replace(/^0+/, '').toLowerCase()
}

/** Like pkijs: the key identifier is the SHA-1 of the key (RFC 5280 4.2.1.2, method 1). It proves nothing. */
function isKeyNamed(sid: asn1js.BaseBlock, { subjectPublicKeyInfo }: pkijs.Certificate): boolean {
  const block = sid.valueBlock as { value?: asn1js.OctetString[]; valueHexView?: Uint8Array }
  const named = sid.idBlock.isConstructed ? block.value?.[0]?.valueBlock.valueHexView : block.valueHexView
  const key = subjectPublicKeyInfo.subjectPublicKey.valueBlock.valueHexView
  return named !== undefined && createHash('sha1').update(key).digest().equals(named)
}
