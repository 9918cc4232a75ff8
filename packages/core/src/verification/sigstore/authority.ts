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

/** An authority of the trusted root, and those of its certificates that signed the one of the signer. */
export interface Issuer {
  authority: CertificateAuthority
  signedBy: readonly X509Certificate[]
}

/** Every authority of the trusted root that issued the certificate of a signer: `@sigstore/verify` does not tell which vouched. */
export function issuersOf(leaf: X509Certificate, { root }: Pick<SigstoreTrust, 'root'>): Issuer[] {
  return root.certificateAuthorities.flatMap((authority) => {
    const signedBy = readAuthority(authority).issuersOf(leaf)
    return signedBy.length > 0 ? [{ authority, signedBy }] : []
  })
}

/** The certificates of these, each up to its root: DER. */
export function issuerPath(issuers: readonly Issuer[]): Buffer[] {
  return issuers.flatMap(({ authority }) => certificatesOf(authority))
}

/**
 * The part of a trusted root that was valid at all of these times: `@sigstore/verify` looks at the validity of a log's key
 * only where the log promised a time, and the log of certificates states its own. Of the authorities, those that
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

interface Vouched {
  issuers: readonly Issuer[]
  timestamps: SignedEntity['timestamps']
  times: readonly Date[]
  trust: SigstoreTrust
  effort: Effort
  file: string | undefined
}

/**
 * Validates the chains of the authorities that vouched for the signer and for the time, as any other chain is:
 * `@sigstore/verify` looks at signatures, validity, path lengths and names only, not at key usages, constraints and weak keys.
 *
 * @throws {@link ModelSealError} `CERTIFICATE_*`, `CHAIN_*`, `TIMESTAMP_UNTRUSTED`, `ABORTED`
 */
export async function checkAuthorities(
  certificate: Certificate,
  { issuers, timestamps, times, trust, effort, file }: Vouched,
): Promise<void> {
  // `@sigstore/verify` looked at the validity at each of the times; nothing else depends on them.
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
        'A timestamp in the bundle is by an authority of the trusted root with an invalid certificate chain.',
        { file, found: messageOf(cause), cause },
      )
    }
  }
}

/** One of the authorities at least must have a chain that holds; else why the first has none. */
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
