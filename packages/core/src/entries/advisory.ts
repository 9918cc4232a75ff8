/**
 * Advisory feeds: signed lists of models, files, signers, attestations and packages that every service denies which follows the feed. This
 * entry point is for those who publish one.
 *
 * @example
 * ```ts
 * import { addToFeed, createFeedSource, signFeed } from '@modelseal/core/advisory'
 * import { keySigner } from '@modelseal/core/signing'
 *
 * await createFeedSource('advisories.yaml', { feed: 'https://models.example/advisories' })
 * await addToFeed('advisories.yaml', { keys: [{ file: 'stolen.pub', reason: 'laptop stolen' }] })
 * const signer = await keySigner({ privateKey: 'security.key' })
 * await signFeed('advisories.yaml', { signer, output: 'advisories.jsonl' })
 * ```
 *
 * @packageDocumentation
 */
export type { InspectedSigner } from '../loading/inspecting/claimed-signer.ts'
export {
  addToFeed,
  createFeedSource,
  readFeedSource,
  removeFromFeed,
  type AddingOptions,
  type FeedEdited,
  type NewFeed,
} from '../loading/operations/edit-feed.ts'
export { signFeed, type SignedFeed, type SignFeedOptions } from '../loading/operations/sign-feed.ts'
export type { FeedEntryVerdict, FeedVerifiedByPolicy } from '../loading/operations/feed-by-policy.ts'
export type { Verifier } from '../loading/operations/verifier.ts'
export {
  inspectFeed,
  verifyFeed,
  type InspectedFeed,
  type VerifiedFeed,
  type VerifyFeedByPolicyOptions,
  type VerifyFeedOptions,
} from '../loading/operations/verify-feed.ts'
export { compareFeeds, type FeedChanges } from '../policy/advisories/compare-feeds.ts'
export { feedEntries, type ListedEntry } from '../policy/advisories/entries.ts'
export type { FeedEntries } from '../policy/advisories/feed-entries.ts'
export type { Denied } from '../policy/advisories/feed-schema.ts'
export type { FeedSource } from '../policy/advisories/feed-source.ts'
export type { AdvisoryFeed, FeedContent } from '../policy/advisories/feed-statement.ts'
export { exportOpenVex, importOpenVex, type ExportedVex, type ImportedVex } from '../policy/advisories/openvex.ts'
export type { SignatureTime, VerifiedIdentity } from '../results.ts'
export type { Signer } from '../signing/signer.ts'
