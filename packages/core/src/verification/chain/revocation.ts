import type * as pkijs from 'pkijs'
import { messageOf } from '../../any-realm.ts'
import { certificateName, serialNumberOf, type Certificate } from '../../x509/certificate.ts'
import { statedUsage } from '../../x509/key-usages.ts'
import { distinguishedName } from '../../x509/distinguished-name.ts'
import { MAX_CRL_BYTES } from '../../x509/revocation-list.ts'
import { ModelSealError, shown } from '../../errors.ts'
import { weaknessOfAlgorithm } from '../../x509/strength.ts'

/** About eight per entry, and an entry has at least 35 bytes. */
const MAX_CRL_NODES = 1_000_000

const ISSUING_DISTRIBUTION_POINT = '2.5.29.28'
const INVALIDITY_DATE = '2.5.29.24'
/** Extensions of a list: CRL number, authority key identifier, and the scope, which is processed. */
const UNDERSTOOD = new Set(['2.5.29.20', '2.5.29.35', ISSUING_DISTRIBUTION_POINT])
/** Extensions of an entry: reason, invalidity date. A critical certificateIssuer makes a list indirect. */
const UNDERSTOOD_OF_ENTRIES = new Set(['2.5.29.21', INVALIDITY_DATE])

/** The lists, and the two times of `ChainInput`. */
interface RevocationInput {
  lists: readonly pkijs.CertificateRevocationList[]
  at: Date
  crlsAt: Date
}

/**
 * Refuses a path in which a certificate was revoked (RFC 5280 6.3). Lists are selected by the name of
 * their issuer. Each selected list must be signed by the issuer in the path, current and understood.
 * Refused as unsupported: delta lists, indirect lists, lists by reason or distribution point, and
 * lists that another certificate of the authority signed.
 *
 * @param path leaf first, root last; the root itself is trusted and not looked up
 * @throws {@link ModelSealError} `CERTIFICATE_REVOKED`, `CRL_INVALID`, `CRL_STALE`, `CRL_MISSING`
 */
export async function checkRevocation(path: readonly Certificate[], input: RevocationInput): Promise<void> {
  const { lists } = input
  if (lists.length === 0) return
  for (const [depth, certificate] of path.slice(0, -1).entries()) {
    const issuer = path[depth + 1]
    const relevant = lists.filter(
      (list) => list.issuer.isEqual(certificate.fields.issuer) && isInScope(list, depth === 0 ? 'leaf' : 'authority'),
    )
    if (!issuer || (relevant.length === 0 && depth === 0)) throw missing(certificate)
    for (const list of relevant) {
      await checkList(list, issuer, input.crlsAt)
      checkEntry(list, certificate, input)
    }
  }
}

/** @throws {@link ModelSealError} `CRL_INVALID` */
export function parseLists(crls: readonly Buffer[]): Promise<pkijs.CertificateRevocationList[]> {
  return Promise.all(crls.map(parseList))
}

async function parseList(der: Buffer): Promise<pkijs.CertificateRevocationList> {
  const { CertificateRevocationList } = await import('pkijs')
  const { fromBER } = await import('asn1js')
  try {
    if (der.length > MAX_CRL_BYTES) throw new Error(`it has ${der.length} bytes, more than is supported`)
    const { result, offset } = fromBER(der, { maxNodes: MAX_CRL_NODES })
    // asn1js 4.0.0 ignores contradictory lengths, and what follows; the encoded result would then differ.
    if (offset < 0 || !Buffer.from(result.toBER()).equals(der))
      throw new Error('it is not DER, or something follows it')
    const list = new CertificateRevocationList({ schema: result })
    const extensions = list.crlExtensions?.extensions ?? []
    if (new Set(extensions.map(({ extnID }) => extnID)).size !== extensions.length)
      throw new Error('an extension is duplicated')
    if (!list.signature.isEqual(list.signatureAlgorithm)) throw new Error('it names two different signature algorithms')
    return list
  } catch (cause) {
    throw new ModelSealError('CRL_INVALID', 'A revocation list cannot be read.', {
      found: shown(messageOf(cause)),
      cause,
    })
  }
}

/** RFC 5280 5.2.5: a list may cover only end entities, or only authorities. */
function isInScope(list: pkijs.CertificateRevocationList, kind: 'leaf' | 'authority'): boolean {
  const scope = scopeOf(list)
  if (scope?.onlyContainsAttributeCerts) return false
  return kind === 'leaf' ? !scope?.onlyContainsCACerts : !scope?.onlyContainsUserCerts
}

function scopeOf(list: pkijs.CertificateRevocationList): pkijs.IssuingDistributionPoint | undefined {
  const extension = list.crlExtensions?.extensions.find(({ extnID }) => extnID === ISSUING_DISTRIBUTION_POINT)
  if (!extension) return undefined
  const scope = extension.parsedValue as (pkijs.IssuingDistributionPoint & { parsingError?: unknown }) | undefined
  // pkijs replaces what it cannot parse by an empty value, or by none, which would remove a limit.
  if (!scope || scope.parsingError) throw unusable(list, 'a scope that cannot be read')
  return scope
}

async function checkList(list: pkijs.CertificateRevocationList, issuer: Certificate, at: Date): Promise<void> {
  const scope = scopeOf(list)
  const foreign = (list.crlExtensions?.extensions ?? []).find(
    ({ extnID, critical }) => critical && !UNDERSTOOD.has(extnID),
  )
  if (foreign) throw unusable(list, `the critical extension ${foreign.extnID}`)
  if (scope && (scope.indirectCRL || scope.distributionPoint || scope.onlySomeReasons))
    throw unusable(list, 'a list that covers only some of the certificates, or is by another issuer')
  const weakness = await weaknessOfAlgorithm(list.signatureAlgorithm)
  if (weakness !== undefined) throw unusable(list, `a signature that is too weak: ${weakness}`)
  if (!(await isSignedBy(list, issuer))) throw unusable(list, 'a signature by a key other than that of the issuer')
  // RFC 5280 6.3.3 f: if a key usage is stated, it must allow signing lists.
  if (statedUsage(issuer, 'cRLSign') === false) throw unusable(list, 'an issuer without the key usage cRLSign')
  const { thisUpdate, nextUpdate } = list
  // RFC 5280 5.1.2.5: nextUpdate is required.
  if (thisUpdate.value <= at && nextUpdate && nextUpdate.value >= at) return
  throw new ModelSealError('CRL_STALE', `The revocation list of ${issuerName(list)} is not current.`, {
    expected: `one that is valid at ${at.toISOString()}`,
    found: `one from ${thisUpdate.value.toISOString()} to ${nextUpdate ? nextUpdate.value.toISOString() : 'no stated end'}`,
    hint: 'Fetch the current list from the authority.',
  })
}

async function isSignedBy(list: pkijs.CertificateRevocationList, issuer: Certificate): Promise<boolean> {
  try {
    return await list.verify({ issuerCertificate: issuer.fields })
  } catch {
    return false // unsupported key or algorithm
  }
}

function checkEntry(
  list: pkijs.CertificateRevocationList,
  certificate: Certificate,
  { at, crlsAt }: RevocationInput,
): void {
  const serial = certificate.fields.serialNumber
  for (const entry of list.revokedCertificates ?? []) {
    const extensions = entry.crlEntryExtensions?.extensions ?? []
    const foreign = extensions.find(({ extnID, critical }) => critical && !UNDERSTOOD_OF_ENTRIES.has(extnID))
    // RFC 5280 5.3: a list with an entry that is not understood must not be used.
    if (foreign) throw unusable(list, `an entry with the critical extension ${foreign.extnID}`)
    if (!entry.userCertificate.isEqual(serial)) continue
    const since = effectiveDate(entry)
    // A trusted time proves that the signature is older than the revocation. An invalid date always applies.
    if (crlsAt > at && since > at) continue
    throw new ModelSealError('CERTIFICATE_REVOKED', `The certificate ${certificateName(certificate)} was revoked.`, {
      found: `serial number ${serialNumberOf(certificate.fields)} in the list of ${issuerName(list)}`,
      hint: 'Do not load the model. Ask its publisher to sign it again.',
    })
  }
}

/** RFC 5280 5.3.2: the key may have been lost before the revocation. */
function effectiveDate({ revocationDate, crlEntryExtensions }: pkijs.RevokedCertificate): Date {
  const extension = crlEntryExtensions?.extensions.find(({ extnID }) => extnID === INVALIDITY_DATE)
  if (!extension) return revocationDate.value
  const invalidity = extension.parsedValue as { toDate?: () => Date } | undefined
  const since = new Date(invalidity?.toDate?.() ?? NaN)
  return since >= revocationDate.value ? revocationDate.value : since
}

function issuerName(list: pkijs.CertificateRevocationList): string {
  return shown(distinguishedName(list.issuer))
}

function unusable(list: pkijs.CertificateRevocationList, found: string): ModelSealError {
  return new ModelSealError('CRL_INVALID', `The revocation list of ${issuerName(list)} cannot be used.`, {
    expected: 'a complete list, signed by the authority that issued the certificate',
    found,
  })
}

function missing(certificate: Certificate): ModelSealError {
  return new ModelSealError(
    'CRL_MISSING',
    `Revocation lists were given, but none by the issuer of ${certificateName(certificate)}.`,
    { expected: `a list of ${shown(distinguishedName(certificate.fields.issuer))}`, found: 'none' },
  )
}
