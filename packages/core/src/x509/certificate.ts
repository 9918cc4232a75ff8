import { createHash, X509Certificate, type KeyObject } from 'node:crypto'
import type * as asn1js from 'asn1js'
import type * as pkijs from 'pkijs'
import { messageOf } from '../any-realm.ts'
import { ModelSealError, shown, type ErrorCode } from '../errors.ts'
import { readSmallFile, type SmallFile } from '../source/read-small-file.ts'
import { inTurns, type Steps } from '../source/turns.ts'
import { distinguishedName } from './distinguished-name.ts'
import { certificateHint } from './key-kinds.ts'
import { checkIdentifierBytes } from './identifier-bytes.ts'
import { readNameExtensions } from './name-extensions.ts'
import { publicKeyOf, type PublicKey } from './public-key.ts'

/** A certificate that was read by two parsers: OpenSSL for names, keys and signatures, pkijs for the rest. */
export interface Certificate {
  x509: X509Certificate
  fields: pkijs.Certificate
}

/** DER, or a certificate that `node:crypto` has parsed. */
export type CertificateInput = Uint8Array | X509Certificate

/** Real certificates have 1 to 4 KiB, or 20 KiB with long lists of names. */
const MAX_CERTIFICATE_BYTES = 64 * 1024
/** The largest bundles of roots, such as those of operating systems, have some 200 KiB. */
const MAX_FILE_BYTES = 2 * 1024 * 1024
/** No certificate has more than about 20. */
const MAX_EXTENSIONS = 64
/** Maximum number of ASN.1 values in one certificate. Real ones have 60 to 200, or 300 if they name a hundred hosts. Each takes pkijs up to 0.1 ms. */
const MAX_NODES = 512

/** The extensions that modelseal or pkijs reads. Others need not be well-formed, and must not be critical. */
export const READ_EXTENSIONS: ReadonlySet<string> = new Set([
  '2.5.29.15', // key usage
  '2.5.29.17', // subject alternative name
  '2.5.29.19', // basic constraints
  '2.5.29.30', // name constraints
  '2.5.29.32', // certificate policies
  '2.5.29.33', // policy mappings
  '2.5.29.36', // policy constraints
  '2.5.29.37', // extended key usage
  '2.5.29.54', // inhibit anyPolicy
])
export const KEY_USAGE = '2.5.29.15'

/**
 * Reads the certificates of a PEM file in order, or the certificate of a DER file.
 *
 * @returns the DER of each certificate; at least one
 * @throws {@link ModelSealError} `FILE_NOT_FOUND`, `FILE_UNREADABLE`, `FILE_SPECIAL`,
 * `INVALID_ARGUMENT`, `FILE_TOO_LARGE`, `CERTIFICATE_INVALID`
 */
export async function readCertificates(path: string): Promise<Buffer[]> {
  return parseCertificates(await readSmallFile(path, CERTIFICATE_FILE), path)
}

/** The file that {@link parseCertificates} parses. */
export const CERTIFICATE_FILE: SmallFile = {
  what: 'certificate',
  maxBytes: MAX_FILE_BYTES,
  hint: 'Give the path of a PEM file that begins with "-----BEGIN CERTIFICATE-----".',
}

/** Like {@link readCertificates}, for the content of a file. @throws {@link ModelSealError} `CERTIFICATE_INVALID` */
export function parseCertificates(bytes: Buffer, path: string): Buffer[] {
  const certificates = derBlocks(bytes, 'CERTIFICATE', path)
  certificates.forEach((der) => readX509(der, path))
  return certificates
}

/**
 * Returns the DER of all PEM blocks with one label. A file without PEM is taken for DER.
 *
 * @throws {@link ModelSealError} `code` if there is no such block or one is damaged
 */
export function derBlocks(
  bytes: Buffer,
  label: string,
  path: string,
  code: ErrorCode = 'CERTIFICATE_INVALID',
): Buffer[] {
  const text = bytes.toString('latin1')
  if (!text.includes('-----BEGIN ')) return [bytes]
  const blocks = [...text.matchAll(/-----BEGIN ([A-Z0-9 ]+)-----([^-]*)-----END \1-----/g)]
  const wanted = blocks.filter(([, found]) => found === label)
  // A truncated or damaged block is reported, not skipped.
  if (wanted.length > 0 && wanted.length === text.split(`-----BEGIN ${label}-----`).length - 1)
    return wanted.map(([, , body]) => Buffer.from(body ?? '', 'base64'))
  const what = code === 'CERTIFICATE_INVALID' ? 'complete certificate' : 'complete revocation list'
  throw new ModelSealError(code, `Cannot read the file ${shown(path)}: it contains no ${what}.`, {
    file: path,
    expected: `complete blocks "-----BEGIN ${label}-----"`,
    found: blocks.map(([, found]) => shown(found ?? '')).join(', ') || 'none',
    hint: wanted.length === 0 && code === 'CERTIFICATE_INVALID' ? certificateHint(text) : undefined,
  })
}

/**
 * Reads one certificate strictly: DER without trailing data.
 *
 * @throws {@link ModelSealError} `CERTIFICATE_INVALID`
 */
export function readX509(input: CertificateInput, path?: string): X509Certificate {
  // Copied, so that the bytes cannot change during the checks.
  const der = Buffer.from(input instanceof X509Certificate ? input.raw : input)
  try {
    if (der.length > MAX_CERTIFICATE_BYTES) throw new Error(`${der.length} bytes are too many for a certificate`)
    const x509 = new X509Certificate(der)
    // OpenSSL would also accept PEM and trailing data.
    if (!x509.raw.equals(der)) throw new Error('it is not DER or has trailing data')
    return x509
  } catch (cause) {
    throw unreadable(cause, path)
  }
}

/**
 * Reads the extensions and names of a certificate. Refuses what two parsers may read differently: repeated
 * extensions and extensions that do not parse.
 *
 * @throws {@link ModelSealError} `CERTIFICATE_INVALID`
 */
export async function parseCertificate(input: CertificateInput, path?: string): Promise<Certificate> {
  return new ReadCertificate(readX509(input, path)).parsed(path)
}

/** A certificate whose ASN.1 is parsed only once, for its signature algorithm, all of its fields, or both. */
export class ReadCertificate {
  readonly x509: X509Certificate
  #asn1: Promise<asn1js.Sequence> | undefined

  constructor(x509: X509Certificate) {
    this.x509 = x509
  }

  /** Like {@link parseCertificate}. */
  async parsed(path?: string): Promise<Certificate> {
    return certificateOf(this.x509, await this.#sequence(path), path)
  }

  /**
   * The signature algorithm that the certificate states, without reading the rest. OpenSSL refuses the signature if the
   * signed part of the certificate names another algorithm (RFC 5280 4.1.1.2).
   *
   * @throws {@link ModelSealError} `CERTIFICATE_INVALID`
   */
  async signatureAlgorithm(): Promise<pkijs.AlgorithmIdentifier> {
    const [, algorithm] = (await this.#sequence(undefined)).valueBlock.value
    const { AlgorithmIdentifier } = await import('pkijs')
    try {
      return new AlgorithmIdentifier({ schema: algorithm })
    } catch (cause) {
      throw unreadable(cause, undefined)
    }
  }

  async #sequence(path: string | undefined): Promise<asn1js.Sequence> {
    try {
      return await (this.#asn1 ??= boundedAsn1(this.x509))
    } catch (cause) {
      throw unreadable(cause, path)
    }
  }
}

async function certificateOf(
  x509: X509Certificate,
  schema: asn1js.Sequence,
  path: string | undefined,
): Promise<Certificate> {
  const { Certificate } = await import('pkijs')
  try {
    const fields = new Certificate({ schema })
    await readNameExtensions(fields)
    await inTurns(checkForm(fields, x509))
    return { x509, fields }
  } catch (cause) {
    throw unreadable(cause, path)
  }
}

async function boundedAsn1({ raw }: X509Certificate): Promise<asn1js.Sequence> {
  const { fromBER, Sequence } = await import('asn1js')
  checkIdentifierBytes(raw)
  const { result, offset } = fromBER(raw, { maxNodes: MAX_NODES })
  if (offset !== raw.length || !(result instanceof Sequence))
    throw new Error(result.error || 'it is not a sequence or has trailing data')
  return result
}

function* checkForm(fields: pkijs.Certificate, x509: X509Certificate): Steps<void> {
  const extensions = fields.extensions ?? []
  if (extensions.length > MAX_EXTENSIONS) throw new Error(`${extensions.length} extensions`)
  // RFC 5280 4.1.2.9: extensions in version 3 only. 4.2: no repeated extensions.
  if (extensions.length > 0 && fields.version !== 2) throw new Error('extensions in a certificate before version 3')
  const seen = new Set<string>()
  for (const extension of extensions) {
    const { extnID } = extension
    if (seen.has(extnID)) throw new Error(`the extension ${extnID} occurs twice`)
    seen.add(extnID)
    if (!READ_EXTENSIONS.has(extnID)) continue
    yield
    const value = extension.parsedValue as { parsingError?: unknown; valueBlock?: object } | undefined
    // pkijs replaces what it cannot parse by an empty value, or by none, which would remove a constraint.
    if (!value || value.parsingError) throw new Error(`the extension ${extnID} is malformed`)
    if (extnID === KEY_USAGE && !(value.valueBlock && 'unusedBits' in value.valueBlock))
      throw new Error('the key usage is malformed')
  }
  // RFC 5280 4.1.1.2: the signed algorithm and the one next to the signature must be the same.
  if (!fields.signature.isEqual(fields.signatureAlgorithm))
    throw new Error('it states two different signature algorithms')
  // pkijs also reads times that do not exist, such as the 30th of February.
  for (const [{ value }, printed] of [
    [fields.notBefore, x509.validFrom],
    [fields.notAfter, x509.validTo],
  ] as const) {
    if (value.getTime() !== Date.parse(printed)) throw new Error('its validity period is invalid')
  }
}

/** The parsed value of an extension; undefined if the certificate does not have it. */
export function extensionOf(fields: pkijs.Certificate, id: string): unknown {
  return fields.extensions?.find(({ extnID }) => extnID === id)?.parsedValue
}

/** The public key of the holder; undefined if OpenSSL cannot read it. */
export function holderKey(certificate: X509Certificate): KeyObject | undefined {
  try {
    return certificate.publicKey
  } catch {
    return undefined
  }
}

/**
 * The public key in a signer's certificate.
 *
 * @throws {@link ModelSealError} `KEY_INVALID` if it cannot be read or is of a kind that model signatures do not use
 */
export function signingKeyOf({ x509 }: Certificate, path?: string): PublicKey {
  const key = holderKey(x509)
  if (key) return publicKeyOf(key, path)
  throw new ModelSealError('KEY_INVALID', "Cannot read the key in the signer's certificate.", { file: path })
}

/** Whether the certificate was signed with this key. False for a key of the wrong kind. */
export function isSignedWith(certificate: X509Certificate, key: KeyObject | undefined): boolean {
  try {
    return key !== undefined && certificate.verify(key)
  } catch {
    return false
  }
}

/** Hex SHA-256 of the DER. */
export function fingerprintOf({ raw }: X509Certificate): string {
  return createHash('sha256').update(raw).digest('hex')
}

/** The subject, quoted, for messages. */
export function certificateName({ x509, fields }: Certificate): string {
  return shown(distinguishedName(fields.subject, x509.subject) || `serial number ${serialNumberOf(fields)}`)
}

/** Lowercase hex without leading zero bytes. */
export function serialNumberOf(fields: pkijs.Certificate): string {
  const hex = Buffer.from(fields.serialNumber.valueBlock.valueHexView).toString('hex')
  return hex.replace(/^(00)+(?=..)/, '')
}

function unreadable(cause: unknown, path: string | undefined): ModelSealError {
  return new ModelSealError(
    'CERTIFICATE_INVALID',
    path === undefined ? 'Cannot read a certificate.' : `Cannot read a certificate in the file ${shown(path)}.`,
    { file: path, found: shown(messageOf(cause)), cause },
  )
}
