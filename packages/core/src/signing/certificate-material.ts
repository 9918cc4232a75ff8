import { X509Certificate } from 'node:crypto'
import { publicKeyOf, type PublicKey } from '../bundle/public-key.ts'
import { ModelSealError, shown } from '../errors.ts'
import { readSmallFile } from '../source/read-small-file.ts'

export interface CertificateFiles {
  /** Path of the signer's own certificate: PEM. */
  certificate: string
  /** Paths of the certificates above it, each next to the one that it issued: PEM, one or more a file. */
  chain: readonly string[]
}

/** Certificates to put into a bundle. */
export interface CertificateMaterial {
  /** The key of the signer's own certificate. */
  publicKey: PublicKey
  /** The bundle's `verificationMaterial` (OMS 4.1 `certificate`). */
  verificationMaterial: object
}

/** A chain file holds a handful of certificates of 1 to 2 KB. */
const MAX_CERTIFICATE_BYTES = 1024 * 1024

/**
 * Reads the certificates of a signer, leaf first.
 *
 * @throws {@link ModelSealError} `FILE_NOT_FOUND`, `FILE_UNREADABLE`, `FILE_TOO_LARGE`,
 * `FILE_SPECIAL`, `CERTIFICATE_INVALID`, `KEY_INVALID`
 */
export async function readCertificateMaterial({ certificate, chain }: CertificateFiles): Promise<CertificateMaterial> {
  const own = await readCertificates(certificate)
  const [leaf] = own
  if (leaf === undefined || own.length > 1) {
    throw new ModelSealError('CERTIFICATE_INVALID', `The file ${shown(certificate)} is not one certificate.`, {
      file: certificate,
      expected: 'one block "-----BEGIN CERTIFICATE-----"',
      found: `${own.length} of them`,
      hint: 'Give the certificates above it as the chain.',
    })
  }
  const above = await Promise.all(chain.map(readCertificates))
  return {
    publicKey: publicKeyOf(leaf.publicKey, certificate),
    verificationMaterial: {
      x509CertificateChain: {
        certificates: [leaf, ...above.flat()].map(({ raw }) => ({ rawBytes: raw.toString('base64') })),
      },
      tlogEntries: [],
    },
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
      hint: 'Give the certificate that was issued for this key.',
    },
  )
}

async function readCertificates(path: string): Promise<X509Certificate[]> {
  const pem = await readSmallFile(path, {
    what: 'certificate',
    maxBytes: MAX_CERTIFICATE_BYTES,
    hint: 'Give the path of a PEM file that begins with "-----BEGIN CERTIFICATE-----".',
  })
  const text = pem.toString('latin1')
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? []
  // A block that is cut short is reported, not stepped over.
  const begun = text.split('-----BEGIN CERTIFICATE-----').length - 1
  try {
    if (blocks.length > 0 && blocks.length === begun) return blocks.map((block) => new X509Certificate(block))
  } catch (cause) {
    throw notCertificates(path, cause)
  }
  throw notCertificates(path)
}

function notCertificates(path: string, cause?: unknown): ModelSealError {
  return new ModelSealError('CERTIFICATE_INVALID', `The file ${shown(path)} does not hold certificates in PEM.`, {
    file: path,
    hint: 'Convert it with "openssl x509 -inform DER -outform PEM".',
    cause,
  })
}
