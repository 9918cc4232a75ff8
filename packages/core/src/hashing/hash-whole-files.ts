import { withoutPrototype } from '../snapshot.ts'
import { nextTurn } from '../source/aborted.ts'
import { checkDirectory } from '../source/local/open-file.ts'
import { lastChange, Moment } from '../source/local/settling.ts'
import { changed, statesOf, type FoundDirectory, type FoundFile, type SourceFile } from '../source/local/source-file.ts'
import { totalBytes } from './batches.ts'
import { at } from '../at.ts'
import { wholeFile } from './hash-file.ts'
import { hashFiles, type HashOptions } from './hash-files.ts'
import { HashingTurns } from './hash-in-turns.ts'
import { hashSettled } from './hash-settled.ts'

/** One digest for each file. */
interface WholeDigests {
  /** Lowercase hex, in the order of the files. */
  digests: string[]
  bytes: number
}

/**
 * Hashes files whose states the caller does not need. As with {@link hashFiles}, all digests are those of one moment:
 * when the states of the files that {@link hashSettled} skipped have been read.
 *
 * @throws {@link ModelSealError} as {@link hashFiles}; `FILE_CHANGED` also if the model changed while other files were hashed
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
  if (hashed.length > 0) {
    await checkStill(hashed, left, beginning, options.signal)
    await checkDirectories(files, options.signal)
  }

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

/** Refuses the model if any file may have changed since the first ones were hashed. */
async function checkStill(
  hashed: readonly FoundFile[],
  left: readonly SourceFile[],
  beginning: Moment,
  signal: AbortSignal | undefined,
): Promise<void> {
  // If one file may have changed in the meantime, others may have changed after they were hashed.
  const mayBeNewer = ({ identity }: SourceFile) => beginning.mayPrecede(lastChange(identity))
  if (left.some(mayBeNewer)) {
    const newer = (await statesOf(hashed, signal)).find(mayBeNewer)
    if (newer) throw changed(newer, 'it changed after it had been read')
  }
}

/** Refuses the model if any of its directories changed since the files were found. */
async function checkDirectories(files: readonly FoundFile[], signal: AbortSignal | undefined): Promise<void> {
  const turns = new HashingTurns(() => nextTurn(signal))
  let checked: FoundDirectory | undefined
  for (const file of files) {
    // Files of the same directory are adjacent in the list.
    if (!file.directory || file.directory === checked) continue
    checked = file.directory
    checkDirectory(file)
    if (turns.isDue()) await turns.take()
  }
}
