import { createPublicKey } from 'node:crypto'
import { signWith } from '../../x509/key-algorithms.ts'
import { publicKeyOf } from '../../x509/public-key.ts'
import { snapshot, type Shape } from '../../snapshot.ts'
import { readerFromHere } from '../../source/read-small-file.ts'
import { CERTIFICATE_FILES, readCertificateMaterial, type CertificateFiles } from './certificate-material.ts'
import { KEY_OPTIONS, readPrivateKey, type KeySignerOptions } from './key.ts'
import type { Signer } from '../signer.ts'

export interface CertificateSignerOptions extends KeySignerOptions, CertificateFiles {}

const OPTIONS: Shape<CertificateSignerOptions> = { ...KEY_OPTIONS, ...CERTIFICATE_FILES }

/**
 * Creates a signer with a private key and the certificate that names its holder (OMS 4.1 `certificate`). The
 * certificate and its chain are put into the bundle as given; whether the chain leads to a root is up to the verifier.
 * A certificate that no verifier would accept now is refused.
 *
 * @throws {@link ModelSealError} `FILE_NOT_FOUND`, `FILE_UNREADABLE`, `KEY_INVALID`, `KEY_ENCRYPTED`, `KEY_MISMATCH`,
 * `CERTIFICATE_INVALID`, `CERTIFICATE_USAGE`, `CERTIFICATE_EXPIRED`, `CERTIFICATE_NOT_YET_VALID`,
 * `CERTIFICATE_EXTENSION`, `CERTIFICATE_WEAK`, `CHAIN_TOO_LARGE`
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
export async function certificateSigner(given: CertificateSignerOptions): Promise<Signer> {
  const options = snapshot(given, OPTIONS, 'certificateSigner')
  const read = readerFromHere()
  const key = await readPrivateKey(options)
  const publicKey = publicKeyOf(createPublicKey(key), options.privateKey)
  const { verificationMaterial, signer } = await readCertificateMaterial(options, read, publicKey)
  return {
    method: 'certificate',
    sign(encoded) {
      const signature = signWith(key, encoded, publicKey.hash)
      return Promise.resolve({ signature, verificationMaterial, publicKey: publicKey.key, signer })
    },
  }
}
