import type { UnverifiedBundle } from '../../bundle/bundle.ts'
import { CERTIFICATE_FILE, parseCertificates } from '../../x509/certificate.ts'
import { parsePublicKey, PUBLIC_KEY_FILE } from '../../x509/public-key.ts'
import { parseRevocationLists, REVOCATION_LIST_FILE } from '../../x509/revocation-list.ts'
import { ModelSealError } from '../../errors.ts'
import { flag, givenPath, invalidArgument, listOf, text, type Copy } from '../../kinds.ts'
import { snapshot, textsCopy, withoutPrototype, type Shape } from '../../snapshot.ts'
import type { ReadFile, SmallFile } from '../../source/read-small-file.ts'
import { Effort } from '../../verification/effort.ts'
import { isSelfSigned, systemRoots, verifyCertificateWithin } from '../../verification/methods/certificate.ts'
import { verifyKeyWithin } from '../../verification/methods/key.ts'
import {
  checkIdentity,
  keylessEnvelope,
  verifyKeyless,
  type ExpectedIdentity,
} from '../../verification/methods/sigstore.ts'
import { fixedSource, loadSigstoreTrust, type TrustRootSource } from '../../verification/sigstore/trust.ts'
import { statedTimeTrust } from '../../verification/timestamp.ts'
import {
  verifiedSignature,
  type VerifiedEnvelope,
  type VerifiedSignature,
} from '../../verification/verified-signature.ts'

/** The trusted signer, for callers who know it and need no policy: fields of one kind only. */
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

/** The fields of each kind of verifier, by the one that names the signer. */
const KINDS = {
  publicKey: ['timestampAuthorities'],
  certificateChain: ['timestampAuthorities', 'systemRoots', 'crls'],
  identity: ['issuer', 'extensions', 'trustRoot'],
} satisfies Record<string, readonly (keyof VerifierFields)[]>

/**
 * Copies the verifier. Its paths stay as they were given, because they name the signer; a `readerFromHere` created at
 * the same time reads them. Fields of two kinds are refused, because those of one kind would have no effect.
 *
 * @throws {@link ModelSealError} `INVALID_ARGUMENT` for an invalid verifier
 */
export const verifierCopy: Copy = (value) => {
  const copy = snapshot(value as VerifierFields, VERIFIER, 'a verifier')
  const fields = Object.entries(copy).filter(([, value]) => value !== undefined)
  const given = fields.map(([name]) => name)
  const kinds = Object.entries(KINDS).map(([name, others]): string[] => [name, ...others])
  if (kinds.some((kind) => given.every((name) => kind.includes(name))))
    return Object.freeze(withoutPrototype(Object.fromEntries(fields)))
  throw invalidArgument('the verifier', 'the fields of one kind of verifier', given.join(', '))
}

/**
 * Verifies the bundle of a model with keys or certificates from files.
 *
 * @param given the result of {@link verifierCopy}
 * @param read reads the files that it names
 * @throws {@link ModelSealError} like {@link verifyKeyWithin}, {@link verifyCertificateWithin},
 * {@link verifyKeyless} and {@link checkIdentity}, and what reading the files throws; `INVALID_ARGUMENT` if
 * there is no root
 */
export async function verifyBundle(
  bundle: UnverifiedBundle,
  given: Verifier,
  read: ReadFile,
): Promise<VerifiedSignature> {
  return verifiedSignature(await verifyEnvelope(bundle, given, read), undefined)
}

/**
 * Like {@link verifyBundle}, for a bundle with any statement, which is not read.
 *
 * @throws {@link ModelSealError} as {@link verifyBundle}, except for what parsing the statement throws
 */
export function verifyEnvelope(bundle: UnverifiedBundle, given: Verifier, read: ReadFile): Promise<VerifiedEnvelope> {
  if ('identity' in given) return verifyIdentity(bundle, given)
  return 'publicKey' in given ? verifyKey(bundle, given, read) : verifyCertificate(bundle, given, read)
}

async function verifyKey(
  bundle: UnverifiedBundle,
  { publicKey, timestampAuthorities }: KeyVerifier,
  read: ReadFile,
): Promise<VerifiedEnvelope> {
  const authorities = await certificatesIn(timestampAuthorities, read)
  const pem = await read(publicKey, PUBLIC_KEY_FILE)
  const key = parsePublicKey(pem.toString('latin1'), publicKey)
  return verifyKeyWithin(
    bundle,
    key,
    publicKey,
    statedTimeTrust(withoutPrototype({ timestampAuthorities: authorities })),
  )
}

async function verifyCertificate(
  bundle: UnverifiedBundle,
  verifier: Partial<CertificateVerifier>,
  read: ReadFile,
): Promise<VerifiedEnvelope> {
  const { certificateChain = [] } = verifier
  const timestampAuthorities = await certificatesIn(verifier.timestampAuthorities, read)
  const certificates = await certificatesIn(certificateChain, read)
  const roots = [...certificates.filter(isSelfSigned), ...(verifier.systemRoots ? systemRoots() : [])]
  if (roots.length === 0) throw noRoot()
  const intermediates = certificates.filter((certificate) => !isSelfSigned(certificate))
  const trust = withoutPrototype({
    ...statedTimeTrust(withoutPrototype({ timestampAuthorities })),
    authorities: withoutPrototype({ roots, intermediates }),
    crls: await readAll(verifier.crls, { read, file: REVOCATION_LIST_FILE, parse: parseRevocationLists }),
  })
  return verifyCertificateWithin(bundle, trust, certificateChain[0] ?? 'the operating system')
}

async function verifyIdentity(bundle: UnverifiedBundle, verifier: SigstoreVerifier): Promise<VerifiedEnvelope> {
  const trust = await loadSigstoreTrust(verifier.trustRoot ?? 'public-good')
  const occasion = { now: new Date(), effort: new Effort() }
  const { signed, ...proven } = await verifyKeyless(bundle, trust, trust.info.name, occasion)
  const { identity, issuer, extensions } = verifier
  checkIdentity(proven.signer, { identity, issuer, extensions }, bundle.path)
  return keylessEnvelope(bundle, proven, signed)
}

function certificatesIn(paths: readonly string[] | undefined, read: ReadFile): Promise<Buffer[]> {
  return readAll(paths, { read, file: CERTIFICATE_FILE, parse: parseCertificates })
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
    hint: 'Certificates in the bundle are never trusted as roots. Give one with --certificate-chain, or trust those of the operating system with --system-roots (in a program: certificateChain, systemRoots).',
  })
}
