import { modelLocation } from '../../source/model-location.ts'
import type { ModelSource } from '../../source/model-source.ts'
import { installedGuard } from '../guard.ts'
import type { SavingReader } from '../model-reader.ts'
import { openJudged } from '../open-judged.ts'
import { datasetOptions, type OpenDatasetOptions } from './dataset-options.ts'
import { ShardCache } from './shard-cache.ts'
import { UnverifiedRanges } from './unverified-ranges.ts'
import { UnverifiedDataset, VerifiedDataset, type OpenedDataset } from './verified-dataset.ts'
import { VerifiedRanges } from './verified-ranges.ts'

/**
 * Opens a dataset: policy, bundle, signature and signer are judged as by `openVerifiedModel()`, with the format `dataset` for
 * rules that match by format. Names and signed sizes are compared when it is opened. Bytes are hashed when they are read, and nothing is handed
 * out unhashed, unless the rule says `require: { files: all }`: then all files are hashed first.
 *
 * Ranges are verified by the signed shards that they are in, so that the first rows of a large file cost little. Before ranges of a file are
 * handed out that was signed whole, all of it is hashed, once; the verdict says so.
 *
 * @param source as for `openVerifiedModel()`: a path, a URL, or a {@link ModelSource}, which must be able to read ranges
 * @throws {@link ModelSealError} what `openVerifiedModel()` throws; `FILE_MISMATCH` for files with other sizes than were signed
 * @example
 * ```ts
 * const dataset = await openVerifiedDataset('data/digits', { policy: 'trust-policy.yaml' })
 * const rows = await dataset.rows('train.parquet', { columns: ['label'], rowEnd: 100 })
 * await dataset.close()
 * ```
 */
export async function openVerifiedDataset(
  source: string | URL | ModelSource,
  given?: OpenDatasetOptions,
): Promise<OpenedDataset> {
  const { options, cacheBytes } = datasetOptions(given)
  const gather = ({ parts }: SavingReader) =>
    Promise.resolve(parts && new VerifiedRanges(parts, new ShardCache(cacheBytes)))
  const load = { source: modelLocation(source), options, gather }
  const guard = installedGuard()
  const model = await (guard
    ? guard.open<VerifiedRanges | undefined>(load)
    : openJudged<VerifiedRanges | undefined>(load, [options]))
  const ranges = model.gathered ?? new UnverifiedRanges(model)
  return model.decision === 'accepted' ? new VerifiedDataset(model, ranges) : new UnverifiedDataset(model, ranges)
}
