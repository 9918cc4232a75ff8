import { setImmediate } from 'node:timers/promises'
import { throwIfAborted } from '../source/aborted.ts'
import { checkDirectory } from '../source/open-file.ts'
import { Moment } from '../source/settling.ts'
import { changed, statesOf, type FoundDirectory, type FoundFile, type SourceFile } from '../source/source-file.ts'
import { at, totalBytes } from './batches.ts'
import { hashFiles, type HashOptions } from './hash-files.ts'
import { hashSettled } from './hash-settled.ts'

/** The digests of files, each as a whole. */
export interface WholeDigests {
  /** Lowercase hex, in the order of the files. */
  digests: string[]
  bytes: number
}

/** Directories looked at between two turns of the event loop. */
const DIRECTORIES_PER_TURN = 1_000

/**
 * Hashes files of which nobody needs to know the state. As from {@link hashFiles}, the digests are those of
 * one moment: when the states of those files had been read that {@link hashSettled} left.
 *
 * @throws {@link ModelSealError} as {@link hashFiles}; `FILE_CHANGED` also where the model did while other files were hashed
 */
export async function hashWholeFiles(files: readonly FoundFile[], options: HashOptions): Promise<WholeDigests> {
  const beginning = new Moment()
  const settled = await hashSettled(files, beginning, options)
  const isHashed = (_: FoundFile, index: number) => settled.digests[index] !== undefined
  const hashed = files.filter(isHashed)
  const left = await statesOf(
    files.filter((file, index) => !isHashed(file, index)),
    options.signal,
  )
  await checkStill(files, hashed, left, beginning, options.signal)

  const jobs = left.map((file) => ({ file, ranges: [{ start: 0, end: file.identity.size }], keep: false }))
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

/** Refuses a model of which some files were hashed, and any is not, or no longer, what it was then. */
async function checkStill(
  files: readonly FoundFile[],
  hashed: readonly FoundFile[],
  left: readonly SourceFile[],
  beginning: Moment,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (hashed.length === 0) return
  // Where one file may have changed meanwhile, others may have after they were hashed.
  if (left.some(({ identity }) => beginning.mayPrecede(identity))) {
    const newer = (await statesOf(hashed, signal)).find(({ identity }) => beginning.mayPrecede(identity))
    if (newer) throw changed(newer, 'its last change came after it had been read')
  }
  let seen = 0
  let checked: FoundDirectory | undefined
  for (const file of files) {
    // The files of a directory were found one after another.
    if (!file.directory || file.directory === checked) continue
    checked = file.directory
    checkDirectory(file)
    if (++seen % DIRECTORIES_PER_TURN !== 0) continue
    await setImmediate()
    throwIfAborted(signal)
  }
}
