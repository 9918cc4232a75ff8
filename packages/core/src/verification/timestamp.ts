import { createHash, timingSafeEqual } from 'node:crypto'
import type * as asn1js from 'asn1js'
import type * as pkijs from 'pkijs'
import type { UnverifiedBundle } from '../bundle/bundle.ts'
import { parseCertificate, type Certificate, type CertificateInput } from '../x509/certificate.ts'
import { extendedKeyUsages } from '../x509/key-usages.ts'
import { certificatesCopy } from '../x509/certificate-copy.ts'
import { distinguishedName } from '../x509/distinguished-name.ts'
import {
  IMPRINT_HASHES,
  isTimestampOver,
  parseTimestamp,
  timestampFault,
  type UnverifiedTimestamp,
} from '../bundle/timestamp.ts'
import { dateCopy, having } from '../kinds.ts'
import { withoutPrototype, type Shape } from '../snapshot.ts'
import { validateWithin } from './chain/chain.ts'
import { Effort, passAbort } from './effort.ts'
import { digestOf, Memory } from './memory.ts'
import { checkKey, weaknessOfAlgorithm } from '../x509/strength.ts'
import { signerOf } from './timestamp-signer.ts'
import type { SignatureTime } from '../results.ts'
import type { VerifiedEnvelope } from './verified-signature.ts'

/** The authorities whose time is trusted. */
export interface TimeTrust {
  /** Roots of timestamp authorities (RFC 3161). Without any, timestamps are ignored. */
  timestampAuthorities?: readonly CertificateInput[] | undefined
  /** The current time, for tests and for verifying as of an earlier time. Default: now. */
  now?: Date | undefined
  /** @internal The budget of signature checks that several bundles share. */
  effort?: Effort | undefined
}

export const TIME_TRUST: Shape<TimeTrust> = {
  timestampAuthorities: certificatesCopy,
  now: dateCopy,
  effort: having('an effort of a load', (value) => 'signatures' in value && typeof value.signatures === 'function'),
}

/** A proven time, with its range of accuracy. */
export interface ProvenTime extends SignatureTime {
  earliest: Date
  latest: Date
  /** Certificates that it depends on, from the authority to the root: DER. */
  path: readonly Buffer[]
}

const EXTENDED_KEY_USAGE = '2.5.29.37'
const TIME_STAMPING = '1.3.6.1.5.5.7.3.8'
const TST_INFO = '1.2.840.113549.1.9.16.1.4'
const CONTENT_TYPE = '1.2.840.113549.1.9.3'
const MESSAGE_DIGEST = '1.2.840.113549.1.9.4'
/** RFC 5652 10.1.2 and RFC 3370: RSA, with the hash stated beside it. */
const RSA_ENCRYPTION = '1.2.840.113549.1.1.1'
/** RFC 2634 (SHA-1) and RFC 5035; one of them is required (RFC 3161 2.4.2, RFC 5816). */
const SIGNING_CERTIFICATE = '1.2.840.113549.1.9.16.2.12'
const SIGNING_CERTIFICATE_V2 = '1.2.840.113549.1.9.16.2.47'

/** {@link TimeTrust} with every field present, so that nothing on `Object.prototype` can replace a missing one. */
export type StatedTimeTrust = { readonly [Field in keyof TimeTrust]-?: NonNullable<TimeTrust[Field]> }

/** @param given a snapshot: nobody changes it, or verifies by it again */
export function statedTimeTrust({ timestampAuthorities = [], now = new Date(), effort }: TimeTrust): StatedTimeTrust {
  return withoutPrototype({ timestampAuthorities, now, effort: effort ?? new Effort() })
}

/** For each list of authorities, the timestamps of a signature that were found to be valid. */
const known = new Memory<readonly ProvenTime[]>(1_024)

/**
 * Finds the time by which a bundle was provably signed: the earliest of its timestamps. Each must be
 * valid: an invalid one refuses the bundle, whatever the others say. Without trusted authorities or
 * timestamps, the time is unknown. As in Sigstore, a timestamp covers the bytes of the signature.
 *
 * Valid timestamps are remembered for the list of authorities, which must never change. What they prove depends on the
 * current time only in that it must not be in the future.
 *
 * @param bundle the result of `ownBundle()`
 * @throws {@link ModelSealError} `TIMESTAMP_INVALID`, `TIMESTAMP_UNTRUSTED`, `ABORTED`
 */
export async function provenTime(bundle: UnverifiedBundle, trust: StatedTimeTrust): Promise<ProvenTime | undefined> {
  const { timestampAuthorities, now, effort } = trust
  if (timestampAuthorities.length === 0 || bundle.timestamps.length === 0) return undefined
  const digest = digestOf([bundle.envelope.signature, ...bundle.timestamps])
  const remembered = known.recall(timestampAuthorities, digest)
  if (remembered?.every(({ earliest }) => earliest <= now)) return firstOf(remembered)
  const times: ProvenTime[] = []
  for (const der of bundle.timestamps)
    times.push(await verifyTimestamp(der, bundle, { roots: timestampAuthorities, now, effort }))
  known.keep(timestampAuthorities, digest, times)
  return firstOf(times)
}

function firstOf(times: readonly ProvenTime[]): ProvenTime | undefined {
  const [first] = times.toSorted((a, b) => a.latest.getTime() - b.latest.getTime())
  // None of them may depend on a revoked certificate, just as none may be invalid.
  return first && { ...first, path: times.flatMap(({ path }) => path.map((der) => Buffer.from(der))) }
}

interface TimestampTrust {
  roots: readonly CertificateInput[]
  now: Date
  effort: Effort
}

async function verifyTimestamp(
  der: Buffer,
  { envelope, path }: UnverifiedBundle,
  trust: TimestampTrust,
): Promise<ProvenTime> {
  await trust.effort.turn()
  const timestamp = await parseTimestamp(der, path)
  const earliest = new Date(timestamp.at.getTime() - timestamp.accuracyMs)
  const latest = new Date(timestamp.at.getTime() + timestamp.accuracyMs)
  let authority: Certificate
  try {
    if (!isTimestampOver(timestamp, envelope.signature)) throw new Error('it does not cover this signature')
    if (earliest > trust.now) throw new Error(`its time ${timestamp.at.toISOString()} is in the future`)
    authority = await verifySignature(timestamp, envelope.signature, trust)
  } catch (cause) {
    passAbort(cause)
    throw timestampFault('TIMESTAMP_INVALID', 'A timestamp in the bundle is not valid.', cause, path)
  }
  const certificates = await validateAuthority(timestamp, authority, trust, path)
  const name = distinguishedName(authority.fields.subject, authority.x509.subject)
  return { at: timestamp.at.toISOString(), source: 'rfc3161', authority: name, earliest, latest, path: certificates }
}

/** RFC 5652 5.4 and 5.6 by pkijs, and what it does not check: which attributes are signed, and their values. */
async function verifySignature(
  { token, content }: UnverifiedTimestamp,
  data: Buffer,
  { roots, effort }: TimestampTrust,
): Promise<Certificate> {
  const signer = token.signerInfos[0]
  const hash = IMPRINT_HASHES.get(signer?.digestAlgorithm.algorithmId ?? '')
  if (!signer?.signedAttrs || hash === undefined) throw new Error('it has no signed attributes, or uses a weak hash')
  const attributes = new Map(signer.signedAttrs.attributes.map(({ type, values }) => [type, values as unknown[]]))
  if (attributes.size !== signer.signedAttrs.attributes.length) throw new Error('an attribute is duplicated')
  if ((only(attributes, CONTENT_TYPE) as asn1js.ObjectIdentifier).getValue() !== TST_INFO)
    throw new Error('it signs another kind of content')
  const digest = (only(attributes, MESSAGE_DIGEST) as asn1js.OctetString).valueBlock.valueHexView
  if (!sameBytes(digest, createHash(hash).update(content).digest())) throw new Error('its content was modified')

  const certificate = await signerOf(token, roots, effort)
  const authority = await parseCertificate(Buffer.from(certificate.toSchema().toBER()))
  checkKey(authority.x509)
  const weakness = await weaknessOfAlgorithm(signer.signatureAlgorithm)
  if (weakness !== undefined && signer.signatureAlgorithm.algorithmId !== RSA_ENCRYPTION)
    throw new Error(`its signature is too weak: ${weakness}`)

  await effort.signatures()
  const complete = Object.assign(Object.create(token) as typeof token, { certificates: [certificate] })
  const { signatureVerified } = await complete.verify({
    signer: 0,
    data: Uint8Array.from(data).buffer,
    checkChain: false, // done by validateChain, which is stricter
    extendedMode: true,
  })
  if (signatureVerified !== true) throw new Error('its signature is not valid')
  await checkSigningCertificate(attributes, authority)
  return authority
}

/** RFC 5816: the attribute names the certificate, so that no other with the same key and name can replace it. */
async function checkSigningCertificate(
  attributes: ReadonlyMap<string, unknown[]>,
  { x509 }: Certificate,
): Promise<void> {
  const { ObjectIdentifier, OctetString } = await import('asn1js')
  const v2 = attributes.has(SIGNING_CERTIFICATE_V2)
  const value = only(attributes, v2 ? SIGNING_CERTIFICATE_V2 : SIGNING_CERTIFICATE)
  const [first] = parts(parts(value)[0])
  const fields = parts(first)
  const stated = fields.find((field) => field instanceof OctetString)
  const [algorithm] = fields[0] === stated ? [] : parts(fields[0])
  // RFC 5035: SHA-256 if no algorithm is stated; the first version supports only SHA-1.
  const named = algorithm instanceof ObjectIdentifier ? IMPRINT_HASHES.get(algorithm.getValue()) : 'sha256'
  const hash = v2 ? named : 'sha1'
  if (
    !stated ||
    hash === undefined ||
    !sameBytes(stated.valueBlock.valueHexView, createHash(hash).update(x509.raw).digest())
  )
    throw new Error('it names a different certificate than the one that signed it')
}

function parts(block: unknown): unknown[] {
  const value = (block as asn1js.Sequence | undefined)?.valueBlock.value
  if (!Array.isArray(value)) throw new Error('its signing certificate attribute is malformed')
  return value
}

function only(attributes: ReadonlyMap<string, unknown[]>, type: string): unknown {
  const [value, ...more] = attributes.get(type) ?? []
  if (value === undefined || more.length > 0) throw new Error(`it does not have exactly one signed attribute ${type}`)
  return value
}

/** RFC 3161 2.3: a critical extension limits the certificate to timestamps; its chain must be valid at that time. */
async function validateAuthority(
  { token, at }: UnverifiedTimestamp,
  authority: Certificate,
  { roots, effort }: TimestampTrust,
  path: string | undefined,
): Promise<Buffer[]> {
  const usages = extendedKeyUsages(authority)
  const critical = authority.fields.extensions?.find(({ extnID }) => extnID === EXTENDED_KEY_USAGE)?.critical
  try {
    if (usages?.length !== 1 || usages[0] !== TIME_STAMPING || !critical)
      throw new Error('its certificate is not limited to timestamps')
    const intermediates = (token.certificates ?? [])
      .filter((certificate): certificate is pkijs.Certificate => 'subjectPublicKeyInfo' in certificate)
      .map((certificate) => Buffer.from(certificate.toSchema().toBER()))
    const revocation = { crls: undefined, crlsAt: undefined }
    const input = { leaf: authority.x509, intermediates, roots, at, ...revocation, usage: 'timeStamping' } as const
    const chain = await validateWithin(input, effort)
    return chain.path.map(({ raw }) => raw)
  } catch (cause) {
    passAbort(cause)
    throw timestampFault(
      'TIMESTAMP_UNTRUSTED',
      'A timestamp in the bundle is not from a trusted timestamp authority.',
      cause,
      path,
    )
  }
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b)
}

/** The part of a proven time that the result contains. */
export function timeOf(proven: ProvenTime | undefined): Pick<VerifiedEnvelope, 'time' | 'timestampPath'> {
  if (!proven) return {}
  const { at, source, authority, path } = proven
  return { time: { at, source, authority }, timestampPath: path }
}
