import type { X509Certificate } from 'node:crypto'
import type { SignedEntity, TrustMaterial } from '@sigstore/verify'
import type { CertificateAuthority } from '@sigstore/protobuf-specs'
import { messageOf } from '../../any-realm.ts'
import type { Certificate } from '../../x509/certificate.ts'
import { ModelSealError } from '../../errors.ts'
import { passAbort, type Effort } from '../effort.ts'
import { certificatesOf, readAuthority } from './known-paths.ts'
import { timestampAuthoritiesOf } from './time.ts'
import { isValidAt, type SigstoreTrust } from './trust.ts'

/** An authority of the trusted root, and its certificates that signed the signer's certificate. */
interface Issuer {
  authority: CertificateAuthority
  signedBy: readonly X509Certificate[]
}

/** All authorities of the trusted root that issued the signer's certificate: `@sigstore/verify` does not report which it used. */
export function issuersOf(leaf: X509Certificate, { root }: Pick<SigstoreTrust, 'root'>): Issuer[] {
  return root.certificateAuthorities.flatMap((authority) => {
    const signedBy = readAuthority(authority).issuersOf(leaf)
    return signedBy.length > 0 ? [{ authority, signedBy }] : []
  })
}

/** The certificates of these authorities, each up to its root: DER. */
export function issuerPath(issuers: readonly Issuer[]): Buffer[] {
  return issuers.flatMap(({ authority }) => certificatesOf(authority))
}

/**
 * The part of a trusted root that was valid at all of these times. `@sigstore/verify` checks the validity of a log's key
 * only if the log promised a time, and a certificate transparency log states its own time. Keeps only the authorities that
 * may have issued the certificate, so that no others are tried.
 */
export function materialAt(
  { root, material }: SigstoreTrust,
  times: readonly Date[],
  leaf: X509Certificate,
): TrustMaterial {
  const valid = ({ validFor }: { validFor: { start: Date; end: Date } }) => isValidAt(validFor, times)
  const issuers = root.certificateAuthorities.map((authority) =>
    readAuthority(authority).certificates.some((issuer) => leaf.checkIssued(issuer)),
  )
  return {
    ...material,
    tlogs: material.tlogs.filter(valid),
    ctlogs: material.ctlogs.filter(valid),
    certificateAuthorities: material.certificateAuthorities.filter((_, index) => issuers[index]),
  }
}

interface AuthorityChecks {
  issuers: readonly Issuer[]
  timestamps: SignedEntity['timestamps']
  times: readonly Date[]
  trust: SigstoreTrust
  effort: Effort
  file: string | undefined
}

/**
 * Validates the chains of the authorities that certified the signer and the time like any other chain:
 * `@sigstore/verify` checks only signatures, validity, path lengths and names, not key usages, constraints and weak keys.
 *
 * @throws {@link ModelSealError} `CERTIFICATE_*`, `CHAIN_*`, `TIMESTAMP_UNTRUSTED`, `ABORTED`
 */
export async function checkAuthorities(
  certificate: Certificate,
  { issuers, timestamps, times, trust, effort, file }: AuthorityChecks,
): Promise<void> {
  // `@sigstore/verify` has checked the validity at each time; nothing else depends on the times.
  const at = new Date(Math.min(...times.map((time) => time.getTime())))
  await checkAny(
    issuers.filter(({ authority }) => isValidAt(authority.validFor, [at])),
    ({ authority, signedBy }) => readAuthority(authority).validateSigner(certificate, signedBy, at, effort),
  )
  for (const stamp of timestamps) {
    if (stamp.$case !== 'timestamp-authority') continue
    const stampedAt = stamp.timestamp.signingTime
    const authorities = timestampAuthoritiesOf(stamp.timestamp, trust)
    try {
      await checkAny(
        authorities.filter(({ validFor }) => isValidAt(validFor, [stampedAt])),
        (authority) => readAuthority(authority).validateStamper(stampedAt, effort),
      )
    } catch (cause) {
      passAbort(cause)
      throw new ModelSealError(
        'TIMESTAMP_UNTRUSTED',
        'A timestamp in the bundle was made by an authority of the trusted root with an invalid certificate chain.',
        { file, found: messageOf(cause), cause },
      )
    }
  }
}

/** At least one authority must have a valid chain; otherwise throws the error of the first. */
async function checkAny<T>(authorities: readonly T[], validate: (authority: T) => Promise<void>): Promise<void> {
  let refusal: unknown = new ModelSealError('CHAIN_NO_PATH', 'No authority of the trusted root was valid at that time.')
  for (const [index, authority] of authorities.entries()) {
    try {
      await validate(authority)
      return
    } catch (error) {
      passAbort(error)
      if (index === 0) refusal = error
    }
  }
  throw refusal
}
