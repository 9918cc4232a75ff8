import { isArray } from '../../any-realm.ts'
import type { UnverifiedBundle } from '../../bundle/bundle.ts'
import type { VerificationMaterial } from '../../bundle/materials/materials.ts'
import { certificateWords, identityWords, keyWords } from '../../bundle/signer-words.ts'
import { parseTimestamp } from '../../bundle/timestamp.ts'
import { ModelSealError, shown } from '../../errors.ts'
import { valueOf } from '../../snapshot.ts'
import { readFulcioClaims } from '../../verification/sigstore/fulcio-certificate.ts'
import { alternativeNames, writtenName } from '../../x509/alternative-names.ts'
import { fingerprintOf, parseCertificate, serialNumberOf, signingKeyOf } from '../../x509/certificate.ts'
import { distinguishedName } from '../../x509/distinguished-name.ts'
import { parseCarriedKey, type PublicKey } from '../../x509/public-key.ts'

/** The signer that a bundle names. Nothing of it is verified. */
export interface InspectedSigner {
  /** One line for people. */
  description: string
  /**
   * Hex SHA-256 of the PEM of the public key (SPKI), or of the DER of the certificate. Absent if the bundle names the key
   * in another way.
   */
  fingerprint?: string
  /** The name in the certificate of a keyless signature. */
  identity?: string
  /** The provider that vouches for the identity; of a certificate, the distinguished name of its issuer. */
  issuer?: string
  subject?: string
  /** With their kind: `email:a@b.org`. */
  subjectAltNames?: readonly string[]
  /** Lowercase hex. */
  serialNumber?: string
  /** Validity of the certificate (ISO 8601). */
  notBefore?: string
  notAfter?: string
  /** Number of further certificates in the bundle. */
  furtherCertificates?: number
}

/** An entry in a transparency log that a bundle names. */
export interface InspectedLogEntry {
  index: string
  /** Identifier of the key of the log, in base64. */
  log: string
  /** The time that the entry states (ISO 8601), if any. */
  at?: string
}

/** What a bundle names, and the key in it; undefined if it contains none, or an unusable one. */
export async function signerNamedBy(
  material: VerificationMaterial,
  path: string | undefined,
): Promise<{ signer?: InspectedSigner; key?: PublicKey }> {
  try {
    if (material.method === 'key') return keyOf(material.rawBytes, material.hint, path)
    const [der, ...further] = material.method === 'certificate' ? material.certificates : [material.certificate]
    if (!der) return {}
    const signer = await holderOf(der, material.method, path)
    const counted = further.length > 0 ? { ...signer, furtherCertificates: further.length } : signer
    const key = await unless(async () => signingKeyOf(await parseCertificate(der), path))
    return { signer: counted, ...(key ? { key } : {}) }
  } catch (error) {
    if (error instanceof ModelSealError) return {}
    throw error
  }
}

/** The times that a bundle's timestamps and log entries state (ISO 8601), in no particular order. */
export async function statedTimestamps({ timestamps, path }: UnverifiedBundle): Promise<string[]> {
  const times = await Promise.all(timestamps.map((der) => unless(() => parseTimestamp(der, path))))
  return times.flatMap((time) => (time ? [time.at.toISOString()] : []))
}

/** The log entries of a keyless signature. */
export function logEntriesOf({ json }: UnverifiedBundle): InspectedLogEntry[] {
  const entries = fieldOf(fieldOf(json, 'verificationMaterial'), 'tlogEntries')
  if (!isArray(entries)) return []
  return entries.slice(0, MOST_ENTRIES).map((entry: unknown) => {
    const index = fieldOf(entry, 'logIndex')
    const log = fieldOf(fieldOf(entry, 'logId'), 'keyId')
    const seconds = Number(fieldOf(entry, 'integratedTime') ?? 0)
    const time = new Date(seconds * 1_000)
    return {
      index: textOf(index, 'unknown'),
      log: textOf(log, 'unknown'),
      ...(seconds > 0 && Number.isFinite(time.getTime()) ? { at: time.toISOString() } : {}),
    }
  })
}

/** A field of parsed JSON. */
function fieldOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? valueOf(value, name) : undefined
}

/** One is usual. */
const MOST_ENTRIES = 8
const LONGEST = 100

function textOf(value: unknown, otherwise: string): string {
  const text = typeof value === 'string' || typeof value === 'number' ? String(value) : ''
  return text === '' || text.length > LONGEST ? otherwise : text
}

function keyOf(rawBytes: Buffer | undefined, hint: string | undefined, path: string | undefined) {
  const key = rawBytes && parseCarriedKey(rawBytes, path)
  const fingerprint = key?.fingerprint ?? hint ?? ''
  if (!/^[0-9a-f]{64}$/.test(fingerprint)) return { signer: { description: `key ${shown(fingerprint)}` } }
  return { signer: { description: keyWords(fingerprint), fingerprint }, ...(key ? { key } : {}) }
}

async function holderOf(der: Buffer, method: string, path: string | undefined): Promise<InspectedSigner> {
  const certificate = await parseCertificate(der, path)
  const { x509, fields } = certificate
  const dates = { notBefore: fields.notBefore.value.toISOString(), notAfter: fields.notAfter.value.toISOString() }
  const common = { fingerprint: fingerprintOf(x509), serialNumber: serialNumberOf(fields), ...dates }
  const fulcio = method === 'sigstore' ? await unless(() => readFulcioClaims(der, path)) : undefined
  if (fulcio) {
    const { identity, issuer } = fulcio
    return { description: identityWords(identity, issuer), identity, issuer, ...common }
  }
  const subject = distinguishedName(fields.subject, x509.subject)
  const subjectAltNames = (await alternativeNames(certificate)).map(writtenName)
  const issuer = distinguishedName(fields.issuer, x509.issuer)
  return { description: certificateWords(subject, subjectAltNames), subject, subjectAltNames, issuer, ...common }
}

/** @returns undefined if it cannot be read */
async function unless<T>(read: () => T | Promise<T>): Promise<T | undefined> {
  try {
    return await read()
  } catch (error) {
    if (error instanceof ModelSealError) return undefined
    throw error
  }
}
