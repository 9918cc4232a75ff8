import { Moment } from '../source/settling.ts'
import { changed, statesOf, type FoundFile } from '../source/source-file.ts'
import { at, totalBytes } from './batches.ts'
import { hashFiles, type HashOptions } from './hash-files.ts'
import { hashSettled } from './hash-settled.ts'

/** The digests of files, each as a whole. */
export interface WholeDigests {
  /** Lowercase hex, in the order of the files. */
  digests: string[]
  bytes: number
}

/**
 * Hashes files of which nobody needs to know the state.
 *
 * @throws {@link ModelSealError} as {@link hashFiles}; `FILE_CHANGED` also where the model did while other files were hashed
 */
export async function hashWholeFiles(files: readonly FoundFile[], options: HashOptions): Promise<WholeDigests> {
  const beginning = new Moment()
  const settled = await hashSettled(files, beginning, options)
  const left = await statesOf(
    files.filter((_, index) => settled.digests[index] === undefined),
    options.signal,
  )
  // Of a model that changes meanwhile, some files would be hashed as they were, and others as they are.
  const newer = left.length < files.length ? left.find(({ identity }) => beginning.isBefore(identity)) : undefined
  if (newer) throw changed(newer, 'its last change came after other files had been read')
  const jobs = left.map((file) => ({
    file,
    ranges: [{ start: 0, end: file.identity.size }],
    keep: false,
  }))
  const { onProgress } = options
  const results = await hashFiles(jobs, {
    ...options,
    onProgress: onProgress && ((done, total) => onProgress(settled.bytes + done, settled.bytes + total)),
  })
  let next = 0
  return {
    digests: settled.digests.map((digest) => digest ?? at(at(results, next++).digests, 0)),
    bytes: settled.bytes + totalBytes(jobs),
  }
}
