import type { X509Certificate } from 'node:crypto'
import { holderKey, isSignedWith, readX509 } from '../bundle/certificate.ts'
import type { SigstoreTrust } from './sigstore-trust.ts'

/**
 * Certificates of every authority of the trusted root that issued the certificate of a signer, each up to
 * its root: DER. `@sigstore/verify` found that one of them vouches for it, and does not tell which.
 */
export function issuerPath(leaf: X509Certificate, { root }: Pick<SigstoreTrust, 'root'>): Buffer[] {
  return root.certificateAuthorities.flatMap(({ certChain }) => {
    const chain = (certChain?.certificates ?? []).map(({ rawBytes }) => rawBytes)
    return chain.some((der) => hasIssued(readX509(der), leaf)) ? chain : []
  })
}

function hasIssued(issuer: X509Certificate, certificate: X509Certificate): boolean {
  return certificate.checkIssued(issuer) && isSignedWith(certificate, holderKey(issuer))
}
