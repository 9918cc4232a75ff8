import type { X509Certificate } from 'node:crypto'
import type { AltName } from 'pkijs'
import { extensionOf, holderKey, parseCertificate, serialNumberOf } from '../bundle/certificate.ts'
import { alternativeName, distinguishedName } from '../bundle/distinguished-name.ts'
import { publicKeyOf } from '../bundle/public-key.ts'
import { ModelSealError } from '../errors.ts'
import { fingerprintsOf } from './certificate-twins.ts'

/** What a certificate is looked up by. */
export interface CertificateFacts {
  /** SHA-256 of the DER, lowercase hex; then of the same certificate with other signatures that hold as well. */
  fingerprints: readonly [string, ...string[]]
  /** Lowercase hex. */
  serialNumber: string
  /** RFC 4514. */
  issuer: string
  /** Subject (RFC 4514), and alternative names with their types. */
  names: readonly string[]
  /** Of its key, as for a bundle that is signed with a key; undefined for a key that no model is signed with. */
  keyFingerprint: string | undefined
}

const SUBJECT_ALT_NAME = '2.5.29.17'

/** @throws {@link ModelSealError} `CERTIFICATE_INVALID` */
export async function certificateFacts(der: Uint8Array, path?: string): Promise<CertificateFacts> {
  const certificate = await parseCertificate(der, path)
  const { x509, fields } = certificate
  const alternative = extensionOf(fields, SUBJECT_ALT_NAME) as AltName | undefined
  const subject = distinguishedName(fields.subject, x509.subject)
  return {
    fingerprints: await fingerprintsOf(certificate),
    serialNumber: serialNumberOf(fields),
    issuer: distinguishedName(fields.issuer, x509.issuer),
    names: [...(subject === '' ? [] : [subject]), ...(alternative?.altNames ?? []).map(alternativeName)],
    keyFingerprint: signingKey(x509),
  }
}

function signingKey(x509: X509Certificate): string | undefined {
  const key = holderKey(x509)
  try {
    return key && publicKeyOf(key).fingerprint
  } catch (error) {
    // An authority may well have an RSA key.
    if (error instanceof ModelSealError) return undefined
    throw error
  }
}
