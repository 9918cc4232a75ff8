/**
 * For packages that load models from other places, such as a hub or an object store.
 *
 * @example
 * ```ts
 * import { registerScheme, localModelSource } from '@modelseal/core/source'
 *
 * const places = new Map([['store://vad', '/srv/store/vad']])
 * registerScheme('store', (url) => localModelSource(places.get(url) ?? '/srv/store/nowhere'))
 * // From now on: openVerifiedModel('store://vad')
 * ```
 *
 * @packageDocumentation
 */
import { localFiles } from './local/local-model-source.ts'
import { openLocalSource } from './local/local-source.ts'
import type { ModelFiles } from './model-source.ts'

export { httpModelSource } from './http/http-model-source.ts'
export type { HttpOptions } from './http/options.ts'
export { localModelSource } from './local/local-model-source.ts'
export { CLAIMS_NAME, MAX_ATTESTATIONS, MAX_CLAIMS_BYTES } from './claims-name.ts'
export type { LocalSource } from './local/local-source.ts'
export type {
  BundleCandidate,
  BundleGroup,
  BundleRequest,
  ClaimsCandidate,
  ModelDirectory,
  ModelFiles,
  ModelPlace,
  ModelSource,
  NamePattern,
  ReadRequest,
  Receive,
  SignedContent,
  SourceBody,
  SourceEntry,
  SourceLoad,
  SourceSession,
  SourceTimeouts,
  PlainModel,
} from './model-source.ts'
export { registerScheme, type SourceOfUrl } from './schemes.ts'
export type { SourceAbilities, WritableBundle } from './source-abilities.ts'

/**
 * The files at a path on this machine, for a source that downloads models or finds them in a cache. Threads hash them,
 * runtimes may load them in place, and receipts may make hashing unnecessary.
 *
 * @param path path of a directory or of a single file
 * @throws {@link ModelSealError} `MODEL_NOT_FOUND`, `SYMLINK_REFUSED`, `FILE_SPECIAL`, `FILE_UNREADABLE`
 * @example
 * ```ts
 * const session: SourceSession = {
 *   revision: commit,
 *   model: () => filesAt(join(cache, commit)),
 *   bundles: () => [{ candidates: [bundle] }],
 * }
 * ```
 */
export async function filesAt(path: string): Promise<ModelFiles> {
  return localFiles(await openLocalSource(path))
}
