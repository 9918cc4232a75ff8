import type { UnverifiedBundle } from '../../bundle/bundle.ts'
import { CERTIFICATE_FILE, parseCertificates } from '../../x509/certificate.ts'
import { parsePublicKey, PUBLIC_KEY_FILE } from '../../x509/public-key.ts'
import { parseRevocationLists, REVOCATION_LIST_FILE } from '../../x509/revocation-list.ts'
import { ModelSealError } from '../../errors.ts'
import { flag, givenPath, listOf, text, type Copy } from '../../kinds.ts'
import { knownOptions, textsCopy, type Shape } from '../../snapshot.ts'
import type { ReadFile, SmallFile } from '../../source/read-small-file.ts'
import { isSelfSigned, systemRoots, verifyCertificateBundle } from '../../verification/methods/certificate.ts'
import { verifyKeyBundle } from '../../verification/methods/key.ts'
import { checkIdentity, verifySigstoreBundle, type ExpectedIdentity } from '../../verification/methods/sigstore.ts'
import { fixedSource, loadSigstoreTrust, type TrustRootSource } from '../../verification/sigstore/trust.ts'
import type { VerifiedSignature } from '../../verification/verified-signature.ts'

/** The trusted signer, for callers who know it and need no policy. */
export type Verifier = KeyVerifier | CertificateVerifier | SigstoreVerifier

interface TimeVerifier {
  /**
   * Paths of the roots of timestamp authorities (PEM or DER). Without any, timestamps in the bundle are ignored; with
   * them, an invalid timestamp refuses it.
   */
  timestampAuthorities?: readonly string[] | undefined
}

/** Trusts one key. */
export interface KeyVerifier extends TimeVerifier {
  /** Path of the public key: PEM (SPKI). */
  publicKey: string
}

/** Trusts any holder of a signing certificate under the given roots. */
export interface CertificateVerifier extends TimeVerifier {
  /** Paths of certificates (PEM or DER). Self-signed ones are roots, others may be intermediates. */
  certificateChain: readonly string[]
  /** Whether to trust the roots of the operating system as well. Default: false. */
  systemRoots?: boolean | undefined
  /** Paths of revocation lists (PEM or DER). See `ChainInput` for what they must cover. */
  crls?: readonly string[] | undefined
}

/** Trusts one identity that a Sigstore instance certifies. */
export interface SigstoreVerifier extends ExpectedIdentity {
  /** The instance. Default: `public-good`. */
  trustRoot?: TrustRootSource | undefined
}

type VerifierFields = Partial<KeyVerifier & CertificateVerifier & SigstoreVerifier>

const VERIFIER: Shape<VerifierFields> = {
  publicKey: givenPath,
  certificateChain: listOf(givenPath),
  systemRoots: flag,
  crls: listOf(givenPath),
  timestampAuthorities: listOf(givenPath),
  identity: text,
  issuer: text,
  extensions: textsCopy,
  trustRoot: fixedSource,
}

/**
 * Copies the verifier. Its paths stay as they were given, because they name the signer; a `readerFromHere` created at
 * the same time reads them.
 *
 * @throws {@link ModelSealError} `INVALID_ARGUMENT` for an invalid verifier
 */
export const verifierCopy: Copy = (value) => knownOptions(value as VerifierFields, VERIFIER, 'a verifier')

/**
 * Verifies a bundle with keys or certificates from files.
 *
 * @param given the result of {@link verifierCopy}
 * @param read reads the files that it names
 * @throws {@link ModelSealError} like {@link verifyKeyBundle}, {@link verifyCertificateBundle},
 * {@link verifySigstoreBundle} and {@link checkIdentity}, and what reading the files throws; `INVALID_ARGUMENT` if
 * there is no root
 */
export async function verifyBundle(
  bundle: UnverifiedBundle,
  given: Verifier,
  read: ReadFile,
): Promise<VerifiedSignature> {
  const verifier: VerifierFields = given
  if (verifier.identity !== undefined) return verifyIdentity(bundle, given as SigstoreVerifier)
  const certificatesIn = (paths: readonly string[] | undefined) =>
    readAll(paths, { read, file: CERTIFICATE_FILE, parse: parseCertificates })
  const timestampAuthorities = await certificatesIn(verifier.timestampAuthorities)
  const { publicKey } = verifier
  if (publicKey !== undefined) {
    const pem = await read(publicKey, PUBLIC_KEY_FILE)
    return verifyKeyBundle(bundle, parsePublicKey(pem.toString('latin1'), publicKey), publicKey, {
      timestampAuthorities,
    })
  }
  const certificates = await certificatesIn(verifier.certificateChain)
  const roots = [...certificates.filter(isSelfSigned), ...(verifier.systemRoots ? systemRoots() : [])]
  if (roots.length === 0) throw noRoot()
  const trust = {
    roots,
    intermediates: certificates.filter((certificate) => !isSelfSigned(certificate)),
    crls: await readAll(verifier.crls, { read, file: REVOCATION_LIST_FILE, parse: parseRevocationLists }),
    timestampAuthorities,
  }
  return verifyCertificateBundle(bundle, trust, verifier.certificateChain?.[0] ?? 'the operating system')
}

async function verifyIdentity(bundle: UnverifiedBundle, verifier: SigstoreVerifier): Promise<VerifiedSignature> {
  const trust = await loadSigstoreTrust(verifier.trustRoot ?? 'public-good')
  const signature = await verifySigstoreBundle(bundle, trust, trust.info.name)
  checkIdentity(signature.signer, verifier, bundle.path)
  return signature
}

async function readAll(
  paths: readonly string[] | undefined,
  { read, file, parse }: { read: ReadFile; file: SmallFile; parse: (bytes: Buffer, path: string) => Buffer[] },
): Promise<Buffer[]> {
  return (await Promise.all((paths ?? []).map(async (path) => parse(await read(path, file), path)))).flat()
}

function noRoot(): ModelSealError {
  return new ModelSealError('INVALID_ARGUMENT', 'Cannot verify the certificate: no root certificate was given.', {
    expected: 'a self-signed certificate among the given ones, or the roots of the operating system',
    hint: 'Certificates in the bundle are never trusted as roots.',
  })
}
