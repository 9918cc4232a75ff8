/**
 * Verifies models and bundles against a signer that the caller names, without a trust policy. Services that load models use a policy:
 * it also revokes signers and models, and decides by the path or the URL of a model.
 *
 * @example
 * ```ts
 * import { verifyModel } from '@modelseal/core/verification'
 *
 * const { rootDigest, files } = await verifyModel('models/vad', {
 *   signature: 'models/vad/model.sig',
 *   verifier: { publicKey: 'release.pub' },
 * })
 * console.log(rootDigest, files)
 * ```
 *
 * @packageDocumentation
 */
export type { UnverifiedBundle } from '../bundle/bundle.ts'
export type { SigningMethod } from '../bundle/materials/materials.ts'
export { readBundle } from '../bundle/read-bundle.ts'
export type { InspectedLogEntry, InspectedSigner } from '../loading/inspecting/claimed-signer.ts'
export type {
  InspectedBundle,
  InspectedFile,
  InspectedStatement,
  SignatureArithmetic,
} from '../loading/inspecting/inspect-bundle.ts'
export { inspectModel, type InspectOptions, type InspectedModel } from '../loading/inspecting/inspect-model.ts'
export { exportTrustRoot } from '../loading/operations/export-trust-root.ts'
export type { CertificateVerifier, KeyVerifier, SigstoreVerifier, Verifier } from '../loading/operations/verifier.ts'
export { verifyModel, type VerifyOptions, type VerifyResult } from '../loading/operations/verify-model.ts'
export type { ListedFile } from '../manifest/listed-files.ts'
export type { Manifest, Resource } from '../manifest/manifest.ts'
export type {
  CertificateIdentity,
  KeyIdentity,
  SignatureTime,
  SigstoreIdentity,
  TrustRootInfo,
  VerifiedIdentity,
} from '../results.ts'
export { validateChain, type ChainInput, type ChainPath } from '../verification/chain/chain.ts'
export { systemRoots, verifyCertificateBundle, type CertificateTrust } from '../verification/methods/certificate.ts'
export { verifyKeyBundle } from '../verification/methods/key.ts'
export { checkIdentity, verifySigstoreBundle, type ExpectedIdentity } from '../verification/methods/sigstore.ts'
export { loadSigstoreTrust, type SigstoreTrust, type TrustRootSource } from '../verification/sigstore/trust.ts'
export { updateTrustRoot, type UpdateOptions } from '../verification/sigstore/update-trust-root.ts'
export type { TimeTrust } from '../verification/timestamp.ts'
export type { TufInstance, TufSource } from '../verification/tuf/repository.ts'
export type { VerifiedSignature } from '../verification/verified-signature.ts'
export { readCertificates, type CertificateInput } from '../x509/certificate.ts'
export type { PublicKey } from '../x509/public-key.ts'
export { readRevocationLists } from '../x509/revocation-list.ts'
