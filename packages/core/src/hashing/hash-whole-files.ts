import { withoutPrototype } from '../snapshot.ts'
import { nextTurn } from '../source/aborted.ts'
import { checkDirectory } from '../source/local/open-file.ts'
import { lastChange, Moment } from '../source/local/settling.ts'
import { changed, statesOf, type FoundDirectory, type FoundFile, type SourceFile } from '../source/local/source-file.ts'
import { totalBytes } from './batches.ts'
import { at } from '../at.ts'
import { wholeFile } from './hash-file.ts'
import { hashFiles, type HashOptions } from './hash-files.ts'
import { Turns } from './hash-in-turns.ts'
import { hashSettled } from './hash-settled.ts'

/** The digests of files, each as a whole. */
export interface WholeDigests {
  /** Lowercase hex, in the order of the files. */
  digests: string[]
  bytes: number
}

/**
 * Hashes files of which nobody needs to know the state. As from {@link hashFiles}, the digests are those of
 * one moment: when the states of those files had been read that {@link hashSettled} left.
 *
 * @throws {@link ModelSealError} as {@link hashFiles}; `FILE_CHANGED` also where the model did while other files were hashed
 */
export async function hashWholeFiles(files: readonly FoundFile[], given: HashOptions): Promise<WholeDigests> {
  const options = withoutPrototype(given)
  const beginning = new Moment()
  const settled = await hashSettled(files, beginning, options)
  const hashed = files.filter((_, index) => settled.digests[index] !== undefined)
  const left = await statesOf(
    files.filter((_, index) => settled.digests[index] === undefined),
    options.signal,
  )
  await checkStill(files, hashed, left, beginning, options.signal)

  const jobs = left.map((file) => wholeFile(file))
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
  const mayBeNewer = ({ identity }: SourceFile) => beginning.mayPrecede(lastChange(identity))
  if (left.some(mayBeNewer)) {
    const newer = (await statesOf(hashed, signal)).find(mayBeNewer)
    if (newer) throw changed(newer, 'its last change came after it had been read')
  }
  const turns = new Turns(() => nextTurn(signal))
  let checked: FoundDirectory | undefined
  for (const file of files) {
    // The files of a directory were found one after another.
    if (!file.directory || file.directory === checked) continue
    checked = file.directory
    checkDirectory(file)
    if (turns.isDue()) await turns.take()
  }
}
