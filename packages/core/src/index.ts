/**
 * Opens machine-learning models that a trust policy accepts, and only those: what a service needs that runs models. Signing,
 * verifying without a policy, and working on policies have entry points of their own.
 *
 * @example
 * ```ts
 * import { ModelSealError, openVerifiedModel, watchPolicy } from '@modelseal/core'
 *
 * const policy = await watchPolicy('modelseal.policy.yaml')
 * try {
 *   const model = await openVerifiedModel('models/vad', { policy })
 *   const config = await model.read('config.json') // the bytes that were hashed
 *   await model.close()
 * } catch (error) {
 *   if (error instanceof ModelSealError) console.error(error.code, error.message)
 *   throw error
 * }
 * ```
 *
 * @packageDocumentation
 */
import { handToThreads } from './environment.ts'

handToThreads()

export { ERROR_CODES, ModelSealError, type ErrorCode } from './errors.ts'
export {
  ADVISORY_CHANNEL,
  LOAD_CHANNEL,
  POLICY_CHANNEL,
  REVOKED_CHANNEL,
  VERDICT_CHANNEL,
  type AdvisoryChange,
  type AdvisoryFailure,
  type LoadTrace,
  type PolicyReload,
  type Revoked,
} from './events.ts'
export type { ProgressCallback } from './hashing/hash-files.ts'
export { closeHashPool, configureHashing, type HashingOptions } from './hashing/pool.ts'
export type { ThreadPool } from './hashing/threads/program-threads.ts'
export type { Attestation, AttestedContents, BelievedAttestations } from './loading/attestations/attestation.ts'
export type { AsyncBuffer } from './loading/datasets/async-buffer.ts'
export type { OpenDatasetOptions } from './loading/datasets/dataset-options.ts'
export type { Decompress, RowOptions } from './loading/datasets/formats/parquet-rows.ts'
export type { RecordOptions } from './loading/datasets/formats/records.ts'
export type { TarMember } from './loading/datasets/formats/tar-members.ts'
export { openVerifiedDataset } from './loading/datasets/open-verified-dataset.ts'
export type { OpenedDataset, UnverifiedDataset, VerifiedDataset } from './loading/datasets/verified-dataset.ts'
export { downloadModel, type DownloadedModel } from './loading/downloading/download-model.ts'
export type { ModelReader } from './loading/model-reader.ts'
export type { OpenOptions } from './loading/open-options.ts'
export { openVerifiedModel } from './loading/open-verified-model.ts'
export { judgeModel } from './loading/operations/judge-model.ts'
export type { Isolation } from './loading/placing/isolation.ts'
export type { PlacedFiles } from './loading/placing/placed-files.ts'
export { configureAdvisories, type AdvisoryOptions } from './policy/advisories/following/settings.ts'
export { pullModels, type Pull, type PulledModel, type PullOptions } from './loading/pulling/pull-models.ts'
export type { OpenedModel, UnverifiedModel, VerifiedModel } from './loading/verified-model.ts'
export type { Manifest } from './manifest/manifest.ts'
export { loadPolicy } from './policy/load-policy.ts'
export type { Policy } from './policy/policy.ts'
export { watchPolicy, type WatchedPolicy } from './policy/watching/watch-policy.ts'
export { dropReceipts, listReceipts, type ReceiptInfo } from './receipts/receipts.ts'
export type { AcceptedVerdict, Verdict, VerifiedIdentity } from './results.ts'
export type { HttpOptions } from './source/http/options.ts'
export type { ModelSource } from './source/model-source.ts'
