import { checkCriticalExtensions } from '../../x509/critical-extensions.ts'
import {
  certificateName,
  CERTIFICATE_FILE,
  parseCertificate,
  fingerprintOf,
  holderKey,
  isSignedWith,
  parseCertificates,
  readX509,
  signingKeyOf,
  type Certificate,
} from '../../x509/certificate.ts'
import { checkSigningUsage } from '../../x509/key-usages.ts'
import { alternativeNames, writtenName } from '../../x509/alternative-names.ts'
import { distinguishedName } from '../../x509/distinguished-name.ts'
import { checkKey, checkSignatureAlgorithm } from '../../x509/strength.ts'
import { certificateWords } from '../../bundle/signer-words.ts'
import type { SignedBy } from '../signer.ts'
import type { PublicKey } from '../../x509/public-key.ts'
import { ModelSealError } from '../../errors.ts'
import { givenPath, listOf, required } from '../../kinds.ts'
import type { Shape } from '../../snapshot.ts'
import type { ReadFile } from '../../source/read-small-file.ts'

export interface CertificateFiles {
  /** Path of the certificate of the key (PEM or DER). Further certificates in the file count as its chain. */
  certificate: string
  /** Paths of the certificates up to the root, which may be omitted. */
  chain?: readonly string[] | undefined
}

export const CERTIFICATE_FILES: Shape<CertificateFiles> = {
  certificate: required(givenPath),
  chain: listOf(givenPath),
}

/** Certificates to put into a bundle. */
interface SigningCertificate {
  /** The key in the certificate. */
  publicKey: PublicKey
  /** The bundle's `verificationMaterial` (OMS 4.1 `certificate`). */
  verificationMaterial: object
  signer: SignedBy
}

/** The limit of verifiers. */
const MAX_CHAIN = 32

/**
 * Reads the certificates of a signer, its own first, and refuses any that no verifier would accept now. Whether the
 * chain leads to a root is up to the verifier.
 *
 * @param read a `readerFromHere` from when the paths were given
 * @param key the public key, if it is known before signing
 * @throws {@link ModelSealError} `FILE_NOT_FOUND`, `FILE_UNREADABLE`, `KEY_INVALID`, `KEY_MISMATCH`,
 * `CERTIFICATE_INVALID`, `CERTIFICATE_USAGE`, `CERTIFICATE_EXTENSION`, `CERTIFICATE_EXPIRED`,
 * `CERTIFICATE_NOT_YET_VALID`, `CERTIFICATE_WEAK`, `CHAIN_TOO_LARGE`
 */
export async function readCertificateMaterial(
  files: CertificateFiles,
  read: ReadFile,
  key: PublicKey | undefined,
): Promise<SigningCertificate> {
  const certificates = await readChain(files, read)
  const leaf = await parseCertificate(certificates[0] ?? Buffer.alloc(0), files.certificate)
  const publicKey = signingKeyOf(leaf, files.certificate)
  if (key !== undefined && key.fingerprint !== publicKey.fingerprint) throw keyMismatch(leaf, files, key, publicKey)
  checkSigningUsage(leaf, files.certificate)
  checkCriticalExtensions(leaf, files.certificate)
  checkCurrent(leaf, files.certificate)
  await checkIssuance(leaf, certificates.slice(1), files.certificate)
  const chain = certificates.map((der) => ({ rawBytes: der.toString('base64') }))
  const verificationMaterial = { x509CertificateChain: { certificates: chain }, tlogEntries: [] }
  return { publicKey, verificationMaterial, signer: await signedBy(leaf) }
}

async function signedBy(leaf: Certificate): Promise<SignedBy> {
  const subject = distinguishedName(leaf.fields.subject, leaf.x509.subject)
  const names = (await alternativeNames(leaf)).map(writtenName)
  return {
    method: 'certificate',
    description: certificateWords(subject, names),
    fingerprint: fingerprintOf(leaf.x509),
  }
}

async function readChain({ certificate, chain = [] }: CertificateFiles, read: ReadFile): Promise<Buffer[]> {
  const files = await Promise.all(
    [certificate, ...chain].map(async (path) => parseCertificates(await read(path, CERTIFICATE_FILE), path)),
  )
  const certificates = files.flat()
  if (certificates.length <= MAX_CHAIN + 1) return certificates
  throw new ModelSealError(
    'CHAIN_TOO_LARGE',
    'Cannot sign with the certificate: its chain is longer than verifiers accept.',
    {
      file: certificate,
      expected: `at most ${MAX_CHAIN} certificates besides that of the signer`,
      found: String(certificates.length - 1),
    },
  )
}

/**
 * Refuses a certificate that was signed with an algorithm or key that is too weak. A certificate alone may be the trust
 * anchor of its verifiers; then its own signature does not matter.
 */
async function checkIssuance(leaf: Certificate, chain: readonly Buffer[], path: string): Promise<void> {
  if (chain.length === 0 || isSignedWith(leaf.x509, holderKey(leaf.x509))) return
  await checkSignatureAlgorithm(leaf.x509, leaf.fields.signatureAlgorithm, path)
  for (const der of chain) {
    const issuer = readX509(der, path)
    // A key that did not sign it belongs to another authority, through which the path to a root need not lead.
    if (isSignedWith(leaf.x509, holderKey(issuer))) checkKey(issuer, path)
  }
}

function keyMismatch(
  leaf: Certificate,
  { certificate }: CertificateFiles,
  key: PublicKey,
  certified: PublicKey,
): ModelSealError {
  return new ModelSealError(
    'KEY_MISMATCH',
    `Cannot sign with the certificate ${certificateName(leaf)}: it is for another key.`,
    {
      file: certificate,
      expected: `the key ${certified.fingerprint}`,
      found: key.fingerprint,
      hint: 'Use the certificate that was issued for this key. If the file contains several, it must be the first.',
    },
  )
}

function checkCurrent(leaf: Certificate, path: string): void {
  const { notBefore, notAfter } = leaf.fields
  const now = new Date()
  if (now >= notBefore.value && now <= notAfter.value) return
  const expired = now > notAfter.value
  throw new ModelSealError(
    expired ? 'CERTIFICATE_EXPIRED' : 'CERTIFICATE_NOT_YET_VALID',
    `Cannot sign with the certificate ${certificateName(leaf)}: it ${expired ? 'has expired' : 'is not yet valid'}.`,
    {
      file: path,
      expected: `a time from ${notBefore.value.toISOString()} to ${notAfter.value.toISOString()}`,
      found: now.toISOString(),
    },
  )
}
