/**
 * Signs models: with a key, a certificate, a token (PKCS#11) or an identity that Sigstore vouches for.
 *
 * @example
 * ```ts
 * import { keySigner, signModel } from '@modelseal/core/signing'
 *
 * const signer = await keySigner({ privateKey: 'release.key' })
 * const { signature, rootDigest } = await signModel('models/vad', { signer })
 * console.log(signature, rootDigest)
 * ```
 *
 * @packageDocumentation
 */
export type { SigningMethod } from '../bundle/materials/materials.ts'
export type { HashType } from '../hashing/algorithms.ts'
export { signModelAgain, type SignAgainOptions, type SignedAgain } from '../loading/operations/sign-again.ts'
export { sigstoreSigner, type SigstoreSignerOptions } from '../loading/operations/sigstore-signer.ts'
export type { Serialization } from '../manifest/serialization.ts'
export type { CountedBundles } from '../signing/counted-bundles.ts'
export { digestModel, type DigestOptions, type ModelDigest } from '../signing/digest-model.ts'
export type { SigningWarning, StatedDigest } from '../signing/doubtful-files.ts'
export { certificateSigner, type CertificateSignerOptions } from '../signing/methods/certificate.ts'
export { keySigner, type KeySignerOptions } from '../signing/methods/key.ts'
export {
  pkcs11CertificateSigner,
  pkcs11KeySigner,
  type Pkcs11CertificateSignerOptions,
  type Pkcs11KeySignerOptions,
} from '../signing/methods/pkcs11.ts'
export { signModel, type SignedModel, type SignOptions } from '../signing/sign-model.ts'
export type { CheckedBundle, LoggedAt, MadeSignature, SignedAt, SignedBy, Signer } from '../signing/signer.ts'
export { timestampFrom, type TimestampRequest } from '../signing/timestamp.ts'
export type { TrustRootSource } from '../verification/sigstore/trust.ts'
export type { TufInstance, TufSource } from '../verification/tuf/repository.ts'
