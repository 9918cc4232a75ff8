import { handToThreads } from './environment.ts'

handToThreads()

export { ERROR_CODES, ModelSealError, shown } from './errors.ts'
export type { ErrorCode, ErrorDetails, FileProblem, SerializedError } from './errors.ts'
export { LOAD_CHANNEL, POLICY_CHANNEL, VERDICT_CHANNEL, type LoadTrace, type PolicyReload } from './events.ts'
export { openVerifiedModel, type ModelReader } from './loading/open-verified-model.ts'
export { loadOptions, openOptions, type OpenOptions } from './loading/open-options.ts'
export type { Isolation, IsolationLevel } from './loading/placing/isolation.ts'
export type { PlacedFiles, PlaceOptions } from './loading/placing/placed-files.ts'
export type { OpenedModel, UnverifiedModel, VerifiedModel } from './loading/verified-model.ts'
export { verifyModel, type VerifyOptions, type VerifyResult } from './loading/operations/verify-model.ts'
export { loadPolicy } from './policy/load-policy.ts'
export type { Policy } from './policy/policy.ts'
export { watchPolicy, type WatchedPolicy, type WatchOptions } from './policy/watch-policy.ts'
export { checkPolicy } from './policy/checking/check.ts'
export { WARNING_CODES, type PolicyFinding } from './policy/checking/finding.ts'
export { explain } from './policy/explain.ts'
export { startingPolicy, type StartingSigner } from './policy/starting-policy.ts'
export { judgeMemory } from './loading/operations/judge-memory.ts'
export { tolerate } from './loading/judging/tolerate.ts'
export { judgeModel } from './loading/operations/judge-model.ts'
export { testPolicy, type ExpectationResult } from './loading/operations/judge-expectations.ts'
export type {
  AcceptedVerdict,
  BundleVerdict,
  CertificateIdentity,
  CheckName,
  CheckVerdict,
  Decision,
  KeyIdentity,
  LoadOutcome,
  ModelFormat,
  SignatureTime,
  SigstoreIdentity,
  TrustRootInfo,
  UnverifiedVerdict,
  Verdict,
  VerdictWarning,
  VerifiedIdentity,
} from './results.ts'
export type { PossibleFormats } from './policy/matching/match.ts'
export type { PolicyFile } from './policy/schema/schema.ts'
export type { VerifiedSignature } from './verification/verified-signature.ts'
export type { CertificateVerifier, KeyVerifier, SigstoreVerifier, Verifier } from './loading/operations/verifier.ts'
export { validateChain, type ChainInput, type ChainPath } from './verification/chain/chain.ts'
export { systemRoots, verifyCertificateBundle, type CertificateTrust } from './verification/methods/certificate.ts'
export { verifyKeyBundle } from './verification/methods/key.ts'
export type { TimeTrust } from './verification/timestamp.ts'
export { readCertificates, type CertificateInput } from './x509/certificate.ts'
export { readRevocationLists } from './x509/revocation-list.ts'
export { readBundle } from './bundle/read-bundle.ts'
export type { UnverifiedBundle } from './bundle/bundle.ts'
export { certificateSigner, type CertificateSignerOptions } from './signing/methods/certificate.ts'
export { timestampFrom, type TimestampRequest } from './signing/timestamp.ts'
export {
  pkcs11CertificateSigner,
  pkcs11KeySigner,
  type Pkcs11CertificateSignerOptions,
  type Pkcs11KeySignerOptions,
} from './signing/methods/pkcs11.ts'
export { keySigner, type KeySignerOptions } from './signing/methods/key.ts'
export type { CountedBundles } from './signing/counted-bundles.ts'
export { digestModel, type DigestOptions, type ModelDigest } from './signing/digest-model.ts'
export { signModel, type SignedModel, type SignOptions } from './signing/sign-model.ts'
export type { SigningWarning } from './signing/doubtful-files.ts'
export { signModelAgain, type SignAgainOptions, type SignedAgain } from './loading/operations/sign-again.ts'
export type { CheckedBundle, LoggedAt, MadeSignature, SignedAt, SignedBy, Signer } from './signing/signer.ts'
export { parseJsonInTurns, parseStrictJson, type JsonBounds } from './bundle/json.ts'
export type { FileRequest } from './source/size-limit.ts'
export { isModelSource, modelLocation } from './source/model-location.ts'
export type { ModelSource } from './source/model-source.ts'
export type { HttpOptions } from './source/http/options.ts'
export { readSmallFile, type SmallFile } from './source/read-small-file.ts'
export type { SigningMethod } from './bundle/materials/materials.ts'
export type { PublicKey } from './x509/public-key.ts'
export type { ListedFile } from './manifest/listed-files.ts'
export type { Manifest, Resource } from './manifest/manifest.ts'
export { referencedName } from './manifest/references.ts'
export type { Serialization } from './manifest/serialization.ts'
export type { HashType } from './hashing/algorithms.ts'
export { closeHashPool, configureHashing, type HashingOptions } from './hashing/pool.ts'
export type { ThreadPool } from './hashing/threads/program-threads.ts'
export type { ProgressCallback } from './hashing/hash-files.ts'
export { checkIdentity, verifySigstoreBundle, type ExpectedIdentity } from './verification/methods/sigstore.ts'
export { loadSigstoreTrust, type SigstoreTrust, type TrustRootSource } from './verification/sigstore/trust.ts'
export { sigstoreSigner, type SigstoreSignerOptions } from './loading/operations/sigstore-signer.ts'
export { exportTrustRoot } from './loading/operations/export-trust-root.ts'
export { dropReceipts, listReceipts, type ReceiptInfo } from './receipts/receipts.ts'
export { updateTrustRoot, type UpdateOptions } from './verification/sigstore/update-trust-root.ts'
export type { TufInstance, TufSource } from './verification/tuf/repository.ts'
