import { invalidOption } from '../../kinds.ts'
import type { Serialization } from '../../manifest/serialization.ts'
import { withoutPrototype } from '../../snapshot.ts'
import type { ModelToSign } from '../models/model-to-sign.ts'

/** Files up to this size are read whole: hashing one takes a fraction of a second. */
const LARGEST_WHOLE_FILE = 64 * 1024 * 1024

/** Reading a range costs at most this much more at each end. A file of 1 TB has 60,000 shards. */
const DATASET_SHARD_SIZE = 16 * 1024 * 1024

/** How a dataset is hashed, unless the size of shards is given. */
export interface DatasetOptions {
  /**
   * `dataset` for files that are read in parts: if one of them is larger than 64 MiB, all are hashed in shards of 16 MiB, so that a range
   * can be verified without reading the whole file. The standard has one method for all files of a signature. The reference tool's
   * command line verifies whole files only. Default: whole files.
   */
  format?: 'dataset' | undefined
  /** Whether to hash whole files even if `format` would choose shards. Default: false. */
  wholeFiles?: boolean | undefined
}

/**
 * The serialization with which a model is signed: shards for a dataset with a large file. OMS 5.2.2 has one method and one shard size for
 * the whole manifest, so small files are in shards too: one each, and none for an empty file.
 *
 * @throws {@link ModelSealError} `INVALID_ARGUMENT` if both a shard size and whole files are wanted, and what listing the files throws
 */
export async function withDatasetShards(
  model: Pick<ModelToSign, 'largestSize'>,
  serialization: Serialization,
  { format, wholeFiles = false }: DatasetOptions,
): Promise<Serialization> {
  if (serialization.method === 'shards') {
    if (wholeFiles) throw invalidOption('wholeFiles', 'false, because a shard size is given', wholeFiles)
    return serialization
  }
  if (format !== 'dataset' || wholeFiles) return serialization
  const largest = await model.largestSize(serialization)
  if (largest <= LARGEST_WHOLE_FILE) return serialization
  return withoutPrototype({ ...serialization, method: 'shards', shardSize: DATASET_SHARD_SIZE })
}
