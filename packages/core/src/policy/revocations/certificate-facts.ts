import type { KeyObject } from 'node:crypto'
import { alternativeNames, writtenName } from '../../x509/alternative-names.ts'
import { holderKey, parseCertificate, serialNumberOf } from '../../x509/certificate.ts'
import { attributeOf, distinguishedName } from '../../x509/distinguished-name.ts'
import { keyFingerprints, publicKeyOf } from '../../x509/public-key.ts'
import { ModelSealError } from '../../errors.ts'
import { copyOf, digestOf, Memory } from '../../verification/memory.ts'
import { fingerprintsOf } from './certificate-twins.ts'

/** What revocations of a certificate are looked up by. */
export interface CertificateFacts {
  /** SHA-256 of the DER, lowercase hex; then of the same certificate with its other valid signatures. */
  fingerprints: readonly [string, ...string[]]
  /** Lowercase hex. */
  serialNumber: string
  /** RFC 4514. */
  issuer: string
  /** Subject (RFC 4514), the names in it, and alternative names with their types. */
  names: readonly string[]
  /** Alternative names that cannot be read. */
  unreadable: readonly string[]
  /** Fingerprint of its key, as in bundles signed with a key; undefined for a kind of key that cannot sign models. */
  keyFingerprint: string | undefined
  /** All fingerprints that can revoke its key, whatever its kind; none if the key cannot be read. */
  keyFingerprints: readonly string[]
}

/** Attributes of a subject that alone name a person or service, and their kind as alternative names. */
const NAMES_IN_SUBJECT: ReadonlyMap<string, string> = new Map([
  ['2.5.4.3', ''],
  ['0.9.2342.19200300.100.1.1', ''],
  ['1.2.840.113549.1.9.1', 'email:'],
])

/** RFC 8398: an e-mail address that is not ASCII. */
const SMTP_UTF8_MAILBOX = '1.3.6.1.5.5.7.8.9'

/** By the digest of a certificate: its facts depend on nothing else, and whether it is revoked is looked up each time. */
const known = new Memory<CertificateFacts>(256)
/** A longer certificate, which may have many names, is parsed each time. */
const LONGEST_KNOWN = 8 * 1024

/** @throws {@link ModelSealError} `CERTIFICATE_INVALID` */
export async function certificateFacts(given: Uint8Array, path?: string): Promise<CertificateFacts> {
  const der = copyOf(given)
  const digest = digestOf([der])
  const remembered = known.recall(known, digest)
  if (remembered) return remembered
  const facts = await factsOf(der, path)
  if (der.length <= LONGEST_KNOWN) known.keep(known, digest, facts)
  return facts
}

async function factsOf(der: Buffer, path: string | undefined): Promise<CertificateFacts> {
  const certificate = await parseCertificate(der, path)
  const { x509, fields } = certificate
  const alternative = await alternativeNames(certificate)
  const readable = alternative.filter(({ kind }) => kind !== 'unreadable')
  const inSubject = fields.subject.typesAndValues.flatMap((attribute) => {
    const { type, text } = attributeOf(attribute)
    const kind = NAMES_IN_SUBJECT.get(type)
    return kind === undefined || text === undefined ? [] : [kind + text]
  })
  const subject = distinguishedName(fields.subject, x509.subject)
  const key = holderKey(x509)
  return {
    fingerprints: await fingerprintsOf(certificate),
    serialNumber: serialNumberOf(fields),
    issuer: distinguishedName(fields.issuer, x509.issuer),
    names: [
      ...(subject === '' ? [] : [subject]),
      ...readable.map(writtenName),
      ...readable.flatMap(({ type, value }) => (type === SMTP_UTF8_MAILBOX ? [`email:${value}`] : [])),
      ...inSubject,
    ],
    unreadable: alternative.filter(({ kind }) => kind === 'unreadable').map(writtenName),
    keyFingerprint: signingKey(key),
    keyFingerprints: key ? keyFingerprints(key) : [],
  }
}

function signingKey(key: KeyObject | undefined): string | undefined {
  try {
    return key && publicKeyOf(key).fingerprint
  } catch (error) {
    // An authority may have an RSA key.
    if (error instanceof ModelSealError) return undefined
    throw error
  }
}
