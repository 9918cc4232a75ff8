import type { FurtherDigests } from '../../manifest/contents.ts'
import type { Manifest } from '../../manifest/manifest.ts'
import type { SourceReader } from '../../source/answers/source-reader.ts'
import type { ModelFiles } from '../../source/model-source.ts'
import type { SizeLimit } from '../../source/size-limit.ts'

/**
 * The largest signed shard that is verified in memory: 64 MiB. Files with larger ones are treated like those that are signed whole,
 * because each read of a few bytes would need as much memory as a shard.
 */
export const MAX_SHARD_BYTES = 64 * 1024 * 1024

/** What is needed to read ranges of signed files, and to verify them. Nothing in it was verified yet, except for the manifest. */
export interface SignedParts {
  readonly files: ModelFiles
  readonly reader: SourceReader
  readonly manifest: Manifest
  /** Further digests of whole files by which they can be refused. */
  readonly further: FurtherDigests
  /** For files that have to be read whole. */
  readonly limit: SizeLimit | undefined
}
