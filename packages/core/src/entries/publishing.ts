/**
 * For packages that publish models, as `modelseal push` does: what may be published, and whether a place serves it.
 *
 * @example
 * ```ts
 * import { checkServed, preparePublication } from '@modelseal/core/publishing'
 *
 * const publication = await preparePublication('models/vad', { signedBy: { verifier: { publicKey: 'release.pub' } } })
 * await upload(publication.files, publication.bundles)
 * await checkServed(source, publication, { full: true })
 * ```
 *
 * @packageDocumentation
 */
export { checkServed, type CheckServedOptions, type ServedModel } from '../loading/publishing/check-served.ts'
export {
  otherBundlesAmong,
  preparePublication,
  unsignedAmong,
  type OtherBundles,
  type Publication,
  type PublicationOptions,
  type PublicationSigner,
  type PublishedBundle,
  type PublishedFile,
} from '../loading/publishing/publication.ts'
export { publishableBeside, readClaims, withClaims } from '../loading/publishing/claims-file.ts'
export { digestOfFile, HashedFile } from '../loading/publishing/hashed-file.ts'
export {
  changedFile,
  forPublisher,
  pushConflict,
  pushRefused,
  pushUnproven,
} from '../loading/publishing/push-errors.ts'
export { readBack } from '../loading/publishing/read-back.ts'
export type { PublishedAttestation, UnpublishedAttestation } from '../loading/publishing/published-attestations.ts'
export { signStatement } from '../signing/sign-statement.ts'
export { writeFileWhole, type WholeFile } from '../source/write-file.ts'
