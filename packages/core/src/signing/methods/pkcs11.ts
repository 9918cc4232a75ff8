import { createHash } from 'node:crypto'
import { isSignedBy } from '../../x509/key-algorithms.ts'
import { publicKeyOf, type PublicKey } from '../../x509/public-key.ts'
import { atOnce } from '../../source/turns.ts'
import { ModelSealError } from '../../errors.ts'
import { listOf, path, required, secret } from '../../kinds.ts'
import { snapshot, type Shape } from '../../snapshot.ts'
import { throwIfAborted } from '../../source/aborted.ts'
import { readerFromHere } from '../../source/read-small-file.ts'
import { CERTIFICATE_FILES, readCertificateMaterial, type CertificateFiles } from './certificate-material.ts'
import { accessToKey, publicKeyOnToken } from '../pkcs11/access.ts'
import { derOfSignature } from '../pkcs11/ecdsa-encoding.ts'
import { withTokenKey, type KeyAccess } from '../pkcs11/token.ts'
import { keyWords } from '../../bundle/signer-words.ts'
import type { SignedBy, Signer } from '../signer.ts'

export interface Pkcs11KeySignerOptions {
  /**
   * The key to sign with: `pkcs11:token=release;object=signing?module-name=softhsm2&pin-source=/run/pin` (RFC 7512). A
   * `pin-source` keeps the PIN out of command lines and process lists.
   */
  uri: string
  /** Directories in which to search for a `module-name`. Default: where distributions install modules. */
  modulePaths?: readonly string[] | undefined
}

export interface Pkcs11CertificateSignerOptions extends Pkcs11KeySignerOptions, CertificateFiles {}

/** The module is loaded again for each signature, so its path must not depend on the working directory at that time. */
const KEY_OPTIONS: Shape<Pkcs11KeySignerOptions> = {
  uri: required(secret),
  modulePaths: listOf(path),
}

const CERTIFICATE_OPTIONS: Shape<Pkcs11CertificateSignerOptions> = { ...KEY_OPTIONS, ...CERTIFICATE_FILES }

/**
 * Creates a signer with an elliptic curve key that never leaves its token: a smart card, an HSM or SoftHSM (OMS 4.1
 * `key`, PKCS #11). Requires the optional package `pkcs11js`. The token, the PIN and the key are tried once before a
 * model is hashed.
 *
 * @throws {@link ModelSealError} `PKCS11_UNAVAILABLE`, `PKCS11_URI_INVALID`, `PKCS11_MODULE`, `PKCS11_NOT_FOUND`,
 * `PKCS11_AMBIGUOUS`, `PKCS11_PIN`, `PKCS11_PIN_LOCKED`, `PKCS11_FAILED`, `KEY_INVALID`, and for the PIN file
 * `FILE_NOT_FOUND`, `FILE_UNREADABLE`, `FILE_SPECIAL`, `FILE_TOO_LARGE`
 * @example
 * ```ts
 * const uri = 'pkcs11:token=release;object=signing?module-name=softhsm2&pin-source=/run/secrets/pin'
 * await signModel('models/vad', { signer: await pkcs11KeySigner({ uri }) })
 * ```
 */
export async function pkcs11KeySigner(options: Pkcs11KeySignerOptions): Promise<Signer> {
  const { uri, modulePaths } = snapshot(options, KEY_OPTIONS, 'pkcs11KeySigner')
  const access = await accessToKey(uri, modulePaths)
  const publicKey = await signingKey(access)
  if (publicKey === undefined) {
    throw new ModelSealError(
      'PKCS11_NOT_FOUND',
      'Cannot sign with the key on the token: the token has no public key for it.',
      {
        file: access.module,
        expected: 'a public key object with the same id',
        hint: 'Write it to the token ("pkcs11-tool --write-object KEY --type pubkey --id ID"), or sign with a certificate.',
      },
    )
  }
  const { fingerprint } = publicKey
  const verificationMaterial = { publicKey: { hint: fingerprint }, tlogEntries: [] }
  const signer: SignedBy = { method: 'key', description: keyWords(fingerprint), fingerprint }
  return {
    method: 'key',
    async sign(encoded, signal) {
      throwIfAborted(signal)
      const signature = await signOnToken(access, publicKey, encoded)
      return { signature, verificationMaterial, publicKey: publicKey.key, signer }
    },
  }
}

/**
 * Creates a signer with a key on a token and the certificate that was issued for it (OMS 4.1 `certificate`, PKCS #11).
 *
 * @throws {@link ModelSealError} like {@link pkcs11KeySigner}, `KEY_MISMATCH`, `CERTIFICATE_INVALID`,
 * `CERTIFICATE_USAGE`, `CERTIFICATE_EXPIRED`, `CERTIFICATE_NOT_YET_VALID`, `CHAIN_TOO_LARGE`
 * @example
 * ```ts
 * const signer = await pkcs11CertificateSigner({ uri, certificate: 'release.crt', chain: ['intermediate.crt'] })
 * await signModel('models/vad', { signer })
 * ```
 */
export async function pkcs11CertificateSigner(given: Pkcs11CertificateSignerOptions): Promise<Signer> {
  const options = snapshot(given, CERTIFICATE_OPTIONS, 'pkcs11CertificateSigner')
  const read = readerFromHere()
  const access = await accessToKey(options.uri, options.modulePaths)
  // On a token without the public key, only a signature shows whether the key belongs to the certificate.
  const material = await readCertificateMaterial(options, read, await signingKey(access))
  return {
    method: 'certificate',
    async sign(encoded, signal) {
      throwIfAborted(signal)
      const { verificationMaterial, publicKey, signer } = material
      const signature = await signOnToken(access, publicKey, encoded)
      return { signature, verificationMaterial, publicKey: publicKey.key, signer }
    },
  }
}

async function signingKey(access: KeyAccess): Promise<PublicKey | undefined> {
  const key = await publicKeyOnToken(access)
  return key && publicKeyOf(key)
}

/** Tokens sign a digest, because not all of them can hash. */
async function signOnToken(access: KeyAccess, { key, hash }: PublicKey, encoded: Uint8Array): Promise<Buffer> {
  const digest = createHash(hash).update(encoded).digest()
  const signature = await derOfSignature(withTokenKey(access, (tokenKey) => tokenKey.sign(digest)))
  // A broken token, or one with another key, must not produce a bundle that does not verify.
  if (atOnce(isSignedBy(key, [encoded], signature))) return signature
  throw new ModelSealError('PKCS11_FAILED', 'Cannot sign: the signature from the token does not verify.', {
    file: access.module,
    hint: 'The private key on the token does not belong to this public key or certificate, or the token is broken.',
  })
}
