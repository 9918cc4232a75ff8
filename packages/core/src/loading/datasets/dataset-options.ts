import { invalidOption } from '../../kinds.ts'
import { DATASET_FORMAT } from '../../policy/model-formats.ts'
import { snapshot, withoutPrototype, type Shape } from '../../snapshot.ts'
import { OPTIONS, type OpenOptions } from '../open-options.ts'

/** 256 MiB. */
const DEFAULT_CACHE_BYTES = 256 * 1024 * 1024

/** Like {@link OpenOptions}. Datasets are always read into memory, and their format is `dataset`. */
export interface OpenDatasetOptions extends Omit<OpenOptions, 'format' | 'isolation'> {
  /**
   * How much verified content is kept in memory for further reads, in bytes. Default: 256 MiB. With 0, each read verifies all shards that it
   * touches.
   */
  cacheBytes?: number | undefined
}

const DATASET_OPTIONS: Shape<OpenDatasetOptions> = withoutPrototype({
  ...(Object.fromEntries(
    Object.entries(OPTIONS).filter(([name]) => name !== 'format' && name !== 'isolation'),
  ) as Shape<Omit<OpenOptions, 'format' | 'isolation'>>),
  cacheBytes: true,
})

/**
 * Copies the options, like `openOptions()`.
 *
 * @throws {@link ModelSealError} `INVALID_ARGUMENT`
 */
export function datasetOptions(given: OpenDatasetOptions | undefined): { options: OpenOptions; cacheBytes: number } {
  const { cacheBytes = DEFAULT_CACHE_BYTES, ...shared } = snapshot(given, DATASET_OPTIONS, 'a verified dataset')
  if (!Number.isSafeInteger(cacheBytes) || cacheBytes < 0)
    throw invalidOption('cacheBytes', 'a number of bytes, or 0', cacheBytes)
  // Whatever the environment prefers for runtimes: a dataset is handed out as bytes.
  const own = { format: DATASET_FORMAT, isolation: 'memory' } as const
  return { options: Object.freeze(withoutPrototype({ ...shared, ...own })), cacheBytes }
}
