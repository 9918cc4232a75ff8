import { hashingElsewhere, type FileElsewhere } from '@modelseal/core/distributed'
import { ModelSealError } from '@modelseal/core/errors'
import { digestModel, type DigestOptions } from '@modelseal/core/signing'
import { openCatalogue } from '../catalogue/read-catalogue.ts'
import { jobsOf } from '../jobs/split.ts'
import { bundleWithin } from './bundle-place.ts'

/** What is to be hashed, as for signing. */
export type PlanOptions = Omit<DigestOptions, 'ignorePaths' | 'onProgress'>

/** What signing a model would take. */
export interface ModelPlan {
  files: number
  bytes: number
  jobs: number
  /** The largest part that one worker must hash: signing takes at least as long. */
  longest: { name: string; bytes: number }
  /** True if nothing identifies the version of its files, so that only the coordinator can hash them. */
  onlyHere?: true
}

/**
 * Says what signing each model of a catalogue would take. Lists the models, and hashes nothing.
 *
 * @throws {@link ModelSealError} `CATALOGUE_INVALID`, `ABORTED`. An error about one model is its outcome
 */
export async function* planCatalogue(
  catalogue: string,
  options: PlanOptions = {},
): AsyncGenerator<{ model: string } & (ModelPlan | { error: ModelSealError })> {
  for await (const model of openCatalogue(catalogue).models(options.signal)) {
    try {
      yield { model, ...(await planOf(model, options)) }
    } catch (error) {
      if (!(error instanceof ModelSealError) || options.signal?.aborted) throw error
      yield { model, error }
    }
  }
}

async function planOf(model: string, { signal, ...options }: PlanOptions): Promise<ModelPlan> {
  const asked: FileElsewhere[] = []
  let bytes = 0
  const stop = new AbortController()
  const end = () => stop.abort()
  signal?.addEventListener('abort', end, { once: true })
  if (signal?.aborted) end()
  // A file that nobody else can hash would be read here.
  const onProgress = (done: number) => {
    if (done > bytes) stop.abort()
  }
  try {
    await hashingElsewhere(
      ({ files }) => {
        asked.push(...files)
        bytes += files.reduce((sum, { size }) => sum + size, 0)
        const unknown = { sha256: 64, blake2b: 128, blake3: 64 }
        return Promise.resolve(files.map(({ wanted }) => wanted.map(({ hashType }) => '0'.repeat(unknown[hashType]))))
      },
      () => digestModel(model, { ...options, ignorePaths: bundleWithin(model), signal: stop.signal, onProgress }),
    )
  } catch (error) {
    if (!stop.signal.aborted || signal?.aborted) throw error
    return { ...sumOf(asked), onlyHere: true }
  } finally {
    signal?.removeEventListener('abort', end)
  }
  return sumOf(asked)
}

function sumOf(files: readonly FileElsewhere[]): ModelPlan {
  let longest = { name: '', bytes: 0 }
  let bytes = 0
  for (const { place, wanted } of files) {
    for (const { start, end } of wanted) {
      bytes += end - start
      if (end - start > longest.bytes) longest = { name: 'path' in place ? place.path : place.name, bytes: end - start }
    }
  }
  return { files: files.length, bytes, jobs: Array.from(jobsOf(files, undefined)).length, longest }
}
