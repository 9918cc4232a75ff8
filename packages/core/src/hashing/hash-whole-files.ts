import { statesOf, type FoundFile } from '../source/source-file.ts'
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
 * @throws {@link ModelSealError} `SYMLINK_REFUSED`, `FILE_SPECIAL`, and what {@link hashFiles} throws
 */
export async function hashWholeFiles(files: readonly FoundFile[], options: HashOptions): Promise<WholeDigests> {
  const settled = await hashSettled(files, options)
  const left = files.filter((_, index) => settled.digests[index] === undefined)
  const jobs = (await statesOf(left, options.signal)).map((file) => ({
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
