import { createPublicKey, sign } from 'node:crypto'
import {
  certificateName,
  checkSigningUsage,
  parseCertificate,
  readCertificates,
  type Certificate,
} from '../bundle/certificate.ts'
import { publicKeyOf } from '../bundle/public-key.ts'
import { ModelSealError, shown } from '../errors.ts'
import { readPrivateKey, type KeySignerOptions } from './key.ts'
import type { Signer } from './signer.ts'

export interface CertificateSignerOptions extends KeySignerOptions {
  /** Path of the certificate of the key (PEM or DER); further ones in the file count as its chain. */
  certificate: string
  /** Paths of the certificates up to the root, which itself may be left out. */
  chain?: readonly string[] | undefined
}

/** As many as a verifier takes. */
const MAX_CHAIN = 32

/**
 * Signs with a private key and the certificate that names its holder (OMS 4.1 `certificate`).
 * The bundle gets the certificate and its chain as they are given; whether the chain leads to a root is for the
 * verifier to say. A certificate that no verifier could accept now is refused.
 *
 * @throws {@link ModelSealError} `FILE_NOT_FOUND`, `FILE_UNREADABLE`, `KEY_INVALID`, `KEY_ENCRYPTED`,
 * `KEY_MISMATCH`, `CERTIFICATE_INVALID`, `CERTIFICATE_USAGE`, `CERTIFICATE_EXPIRED`,
 * `CERTIFICATE_NOT_YET_VALID`, `CHAIN_TOO_LARGE`
 * @example
 * ```ts
 * const signer = await certificateSigner({
 *   privateKey: 'release.key',
 *   certificate: 'release.pem',
 *   chain: ['intermediate.pem'],
 * })
 * await signModel('models/vad', { signer })
 * ```
 */
export async function certificateSigner(options: CertificateSignerOptions): Promise<Signer> {
  const key = await readPrivateKey(options)
  const { hash } = publicKeyOf(createPublicKey(key), options.privateKey)
  const certificates = await readChain(options)
  const leaf = await parseCertificate(certificates[0] ?? Buffer.alloc(0), options.certificate)
  if (!leaf.x509.checkPrivateKey(key)) throw keyMismatch(leaf, options)
  checkSigningUsage(leaf, options.certificate)
  checkCurrent(leaf, options.certificate)

  const chain = certificates.map((der) => ({ rawBytes: der.toString('base64') }))
  return {
    method: 'certificate',
    sign(encoded) {
      const signature = sign(hash, encoded, { key, dsaEncoding: 'der' })
      const verificationMaterial = { x509CertificateChain: { certificates: chain }, tlogEntries: [] }
      return Promise.resolve({ signature, verificationMaterial })
    },
  }
}

async function readChain({ certificate, chain = [] }: CertificateSignerOptions): Promise<Buffer[]> {
  const files = await Promise.all([certificate, ...chain].map(readCertificates))
  const certificates = files.flat()
  if (certificates.length <= MAX_CHAIN + 1) return certificates
  throw new ModelSealError('CHAIN_TOO_LARGE', 'The chain has more certificates than any verifier takes.', {
    file: certificate,
    expected: `at most ${MAX_CHAIN} beside that of the signer`,
    found: String(certificates.length - 1),
  })
}

function keyMismatch(leaf: Certificate, { privateKey, certificate }: CertificateSignerOptions): ModelSealError {
  return new ModelSealError(
    'KEY_MISMATCH',
    `The private key ${shown(privateKey)} does not belong to the certificate ${certificateName(leaf)}.`,
    {
      file: certificate,
      hint: 'Give the certificate that was issued for this key; in a file of several, it has to be the first.',
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
    `The certificate ${certificateName(leaf)} ${expired ? 'has expired' : 'is not yet valid'}: nobody would accept what it signs.`,
    {
      file: path,
      expected: `a time from ${notBefore.value.toISOString()} to ${notAfter.value.toISOString()}`,
      found: now.toISOString(),
    },
  )
}
