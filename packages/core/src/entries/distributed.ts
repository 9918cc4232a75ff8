/**
 * For packages that hash the files of models on other machines, as `modelseal fleet` does. The operations themselves stay here: they list the files, compare
 * their states, and sign or compare the digests.
 *
 * @example One model, with files that other threads, processes or machines hash:
 * ```ts
 * import { hashFilesOnDisk, hashingElsewhere } from '@modelseal/core/distributed'
 * import { keySigner, signModel } from '@modelseal/core/signing'
 *
 * const signer = await keySigner({ privateKey: 'release.key' })
 * await hashingElsewhere(
 *   ({ files, signal }) => hashFilesOnDisk(files, { signal }), // In real use, on another machine.
 *   () => signModel('models/vad', { signer }),
 * )
 * ```
 *
 * @packageDocumentation
 */
export { LARGEST_BUNDLE_BYTES } from '../bundle/bundle.ts'
export type { HashType } from '../hashing/algorithms.ts'
export {
  hashingElsewhere,
  type ElsewhereRequest,
  type FileElsewhere,
  type HashElsewhere,
  type WantedDigest,
} from '../hashing/elsewhere.ts'
export {
  hashFilesOnDisk,
  SourceHasher,
  type DiskHashingOptions,
  type PartHashingOptions,
} from '../loading/distributing/part-hasher.ts'
export { canonicalJson, isCanonicalJson } from '../schema/canonical-json.ts'
export { array, int, literal, oneOf, strictObject, string, type Schema } from '../schema/define.ts'
export { lanes } from '../source/lanes.ts'
export { sourceOf } from '../source/model-location.ts'
export type { ModelSource } from '../source/model-source.ts'
export type { WritableBundle } from '../source/source-abilities.ts'
