import type { X509Certificate } from 'node:crypto'
import type { SignedEntity, TrustMaterial } from '@sigstore/verify'
import type { CertificateAuthority } from '@sigstore/protobuf-specs'
import { holderKey, isSignedWith, readX509, type Certificate } from '../bundle/certificate.ts'
import { ModelSealError } from '../errors.ts'
import { validateWithin, type ChainInput } from './chain.ts'
import { passAbort, type Effort } from './effort.ts'
import { timestampAuthoritiesOf } from './sigstore-time.ts'
import { isValidAt, type SigstoreTrust } from './sigstore-trust.ts'
import type { Usage } from './usage.ts'

/**
 * Certificates of every authority of the trusted root that issued the certificate of a signer, each up to
 * its root: DER. `@sigstore/verify` found that one of them vouches for it, and does not tell which.
 */
export function issuerPath(leaf: X509Certificate, { root }: Pick<SigstoreTrust, 'root'>): Buffer[] {
  return root.certificateAuthorities.flatMap((authority) => {
    const chain = certificatesOf(authority)
    return chain.some((der) => hasIssued(readX509(der), leaf)) ? chain : []
  })
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
    certificatesOf(authority).some((der) => leaf.checkIssued(readX509(der))),
  )
  return {
    ...material,
    tlogs: material.tlogs.filter(valid),
    ctlogs: material.ctlogs.filter(valid),
    certificateAuthorities: material.certificateAuthorities.filter((_, index) => issuers[index]),
  }
}

interface Vouched {
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
  { timestamps, times, trust, effort, file }: Vouched,
): Promise<void> {
  // `@sigstore/verify` looked at the validity at each of the times; nothing else depends on them.
  const at = new Date(Math.min(...times.map((time) => time.getTime())))
  const issuers = trust.root.certificateAuthorities.filter(
    (authority) =>
      isValidAt(authority.validFor, [at]) &&
      certificatesOf(authority).some((der) => hasIssued(readX509(der), certificate.x509)),
  )
  await checkAny(
    issuers,
    (authority) => chainOf(certificate.x509, certificatesOf(authority), 'codeSigning', at),
    effort,
  )
  for (const stamp of timestamps) {
    if (stamp.$case !== 'timestamp-authority') continue
    const stampedAt = stamp.timestamp.signingTime
    const authorities = timestampAuthoritiesOf(stamp.timestamp, trust)
    try {
      await checkAny(
        authorities.filter(({ validFor }) => isValidAt(validFor, [stampedAt])),
        (authority) => {
          const [signer, ...chain] = certificatesOf(authority)
          return chainOf(readX509(signer ?? Buffer.alloc(0)), chain, 'timeStamping', stampedAt)
        },
        effort,
      )
    } catch (cause) {
      passAbort(cause)
      throw new ModelSealError(
        'TIMESTAMP_UNTRUSTED',
        'A timestamp in the bundle is by an authority of the trusted root with an invalid certificate chain.',
        { file, found: cause instanceof Error ? cause.message : String(cause), cause },
      )
    }
  }
}

/** The trust anchors are those that issued themselves. */
function chainOf(leaf: X509Certificate, chain: readonly Buffer[], usage: Usage, at: Date): ChainInput {
  const certificates = chain.map((der) => readX509(der))
  return { leaf, intermediates: certificates, roots: certificates.filter((x509) => x509.checkIssued(x509)), at, usage }
}

/** One of the authorities at least must have a chain that holds; else why the first has none. */
async function checkAny(
  authorities: readonly CertificateAuthority[],
  chain: (authority: CertificateAuthority) => ChainInput,
  effort: Effort,
): Promise<void> {
  let refusal: unknown = new ModelSealError('CHAIN_NO_PATH', 'No authority of the trusted root was valid at that time.')
  for (const [index, authority] of authorities.entries()) {
    try {
      await validateWithin(chain(authority), effort)
      return
    } catch (error) {
      passAbort(error)
      if (index === 0) refusal = error
    }
  }
  throw refusal
}

function certificatesOf({ certChain }: CertificateAuthority): Buffer[] {
  return (certChain?.certificates ?? []).map(({ rawBytes }) => rawBytes)
}

function hasIssued(issuer: X509Certificate, certificate: X509Certificate): boolean {
  return certificate.checkIssued(issuer) && isSignedWith(certificate, holderKey(issuer))
}
