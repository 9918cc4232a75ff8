import type { UnverifiedBundle } from '../bundle/bundle.ts'
import { readCertificates } from '../bundle/certificate.ts'
import { readPublicKey } from '../bundle/public-key.ts'
import { readRevocationLists } from '../bundle/revocation-list.ts'
import { ModelSealError } from '../errors.ts'
import { isSelfSigned, systemRoots, verifyCertificateBundle } from '../verification/certificate.ts'
import { verifyKeyBundle } from '../verification/key.ts'
import { checkIdentity, verifySigstoreBundle, type SigstoreIdentity } from '../verification/sigstore.ts'
import { loadSigstoreTrust, type TrustRootSource } from '../verification/sigstore-trust.ts'
import type { VerifiedSignature } from '../verification/verified-signature.ts'

/** Whom to trust: for callers who know their signer and need no policy. */
export type Verifier = KeyVerifier | CertificateVerifier | SigstoreVerifier

interface TimeVerifier {
  /**
   * Paths of the roots of timestamp authorities (PEM or DER). Without any, timestamps in the bundle are not looked
   * at; with them, one that does not hold refuses it.
   */
  timestampAuthorities?: readonly string[] | undefined
}

/** Trusts one key. */
export interface KeyVerifier extends TimeVerifier {
  /** Path of the public key: PEM (SPKI). */
  publicKey: string
}

/** Trusts whoever has a certificate for signing under given roots. */
export interface CertificateVerifier extends TimeVerifier {
  /** Paths of certificates (PEM or DER): those that are self-signed are the roots, others may stand between. */
  certificateChain: readonly string[]
  /** True to trust the roots of the operating system, too. Default false. */
  systemRoots?: boolean | undefined
  /** Paths of revocation lists (PEM or DER); what they have to cover is said at `ChainInput`. */
  crls?: readonly string[] | undefined
}

/** Trusts one identity that a Sigstore instance vouches for. */
export interface SigstoreVerifier extends SigstoreIdentity {
  /** The instance. Default `public-good`. */
  trustRoot?: TrustRootSource | undefined
}

/**
 * Verifies a bundle with the keys or certificates of files.
 *
 * @throws {@link ModelSealError} as {@link verifyKeyBundle}, {@link verifyCertificateBundle},
 * {@link verifySigstoreBundle} and {@link checkIdentity}, and what reading the files throws; `INVALID_ARGUMENT` where there is no root
 */
export async function verifyBundle(bundle: UnverifiedBundle, verifier: Verifier): Promise<VerifiedSignature> {
  if ('identity' in verifier) return verifyIdentity(bundle, verifier)
  const timestampAuthorities = await readAll(verifier.timestampAuthorities, readCertificates)
  if ('publicKey' in verifier) {
    const { publicKey } = verifier
    return verifyKeyBundle(bundle, await readPublicKey(publicKey), publicKey, { timestampAuthorities })
  }
  const certificates = await readAll(verifier.certificateChain, readCertificates)
  const roots = [...certificates.filter(isSelfSigned), ...(verifier.systemRoots ? systemRoots() : [])]
  if (roots.length === 0) throw noRoot()
  const trust = {
    roots,
    intermediates: certificates.filter((certificate) => !isSelfSigned(certificate)),
    crls: await readAll(verifier.crls, readRevocationLists),
    timestampAuthorities,
  }
  return verifyCertificateBundle(bundle, trust, verifier.certificateChain[0] ?? 'the operating system')
}

async function verifyIdentity(bundle: UnverifiedBundle, verifier: SigstoreVerifier): Promise<VerifiedSignature> {
  const trust = await loadSigstoreTrust(verifier.trustRoot ?? 'public-good')
  const signature = await verifySigstoreBundle(bundle, trust, trust.info.name)
  if (signature.signer.method === 'sigstore') checkIdentity(signature.signer, verifier, bundle.path)
  return signature
}

async function readAll(
  paths: readonly string[] | undefined,
  read: (path: string) => Promise<Buffer[]>,
): Promise<Buffer[]> {
  return (await Promise.all((paths ?? []).map(read))).flat()
}

function noRoot(): ModelSealError {
  return new ModelSealError('INVALID_ARGUMENT', 'No root certificate was given, so that no chain could lead to one.', {
    expected: 'a self-signed certificate among those of the chain, or the roots of the operating system',
    hint: 'What the bundle carries is never trusted as a root.',
  })
}
