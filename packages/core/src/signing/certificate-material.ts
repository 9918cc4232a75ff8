import {
  certificateName,
  checkSigningUsage,
  parseCertificate,
  readCertificates,
  type Certificate,
} from '../bundle/certificate.ts'
import { publicKeyOf, type PublicKey } from '../bundle/public-key.ts'
import { ModelSealError, shown } from '../errors.ts'

/** The certificates that a signer puts into its bundles. */
export interface CertificateFiles {
  /** Path of the signer's own certificate (PEM or DER); further ones in the file count as its chain. */
  certificate: string
  /** Paths of the certificates up to the root, which itself may be left out. */
  chain?: readonly string[] | undefined
}

export interface CertificateMaterial {
  /** The key of the signer's own certificate. */
  publicKey: PublicKey
  /** The bundle's `verificationMaterial` (OMS 4.1 `certificate`), leaf first. */
  verificationMaterial: object
}

/** As many as a verifier takes. */
const MAX_CHAIN = 32

/**
 * Reads the certificates of a signer. One that no verifier could accept now is refused; whether the
 * chain leads to a root is for the verifier to say.
 *
 * @throws {@link ModelSealError} `FILE_NOT_FOUND`, `FILE_UNREADABLE`, `CERTIFICATE_INVALID`,
 * `CERTIFICATE_USAGE`, `CERTIFICATE_EXPIRED`, `CERTIFICATE_NOT_YET_VALID`, `CHAIN_TOO_LARGE`, `KEY_INVALID`
 */
export async function readCertificateMaterial(files: CertificateFiles): Promise<CertificateMaterial> {
  const certificates = await readChain(files)
  const leaf = await parseCertificate(certificates[0] ?? Buffer.alloc(0), files.certificate)
  checkSigningUsage(leaf, files.certificate)
  checkCurrent(leaf, files.certificate)
  const chain = certificates.map((der) => ({ rawBytes: der.toString('base64') }))
  return {
    publicKey: publicKeyOf(leaf.x509.publicKey, files.certificate),
    verificationMaterial: { x509CertificateChain: { certificates: chain }, tlogEntries: [] },
  }
}

/**
 * Refuses a key that does not belong to the certificate: its signatures would never verify.
 *
 * @throws {@link ModelSealError} `KEY_MISMATCH`
 */
export function checkKeyOfCertificate(key: PublicKey, { publicKey }: CertificateMaterial, path: string): void {
  if (key.fingerprint === publicKey.fingerprint) return
  throw new ModelSealError(
    'KEY_MISMATCH',
    `The private key is not the one that the certificate ${shown(path)} is for.`,
    {
      file: path,
      expected: `the key ${publicKey.fingerprint}`,
      found: key.fingerprint,
      hint: 'Give the certificate that was issued for this key; in a file of several, it has to be the first.',
    },
  )
}

async function readChain({ certificate, chain = [] }: CertificateFiles): Promise<Buffer[]> {
  const files = await Promise.all([certificate, ...chain].map(readCertificates))
  const certificates = files.flat()
  if (certificates.length <= MAX_CHAIN + 1) return certificates
  throw new ModelSealError('CHAIN_TOO_LARGE', 'The chain has more certificates than any verifier takes.', {
    file: certificate,
    expected: `at most ${MAX_CHAIN} beside that of the signer`,
    found: String(certificates.length - 1),
  })
}

function checkCurrent(leaf: Certificate, path: string): void {
  const { notBefore, notAfter } = leaf.fields
  const now = new Date()
  if (now >= notBefore.value && now <= notAfter.value) return
  const expired = now > notAfter.value
  throw new ModelSealError(
    expired ? 'CERTIFICATE_EXPIRED' : 'CERTIFICATE_NOT_YET_VALID',
    `The certificate ${certificateName(leaf)} ${expired ? 'has expired' : 'is not yet valid'}: nobody would accept what it signs.`,
    {
      file: path,
      expected: `a time from ${notBefore.value.toISOString()} to ${notAfter.value.toISOString()}`,
      found: now.toISOString(),
    },
  )
}
