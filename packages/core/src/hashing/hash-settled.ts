import { closeSync, fstatSync, readSync } from 'node:fs'
import { nextTurn } from '../source/aborted.ts'
import { openListed } from '../source/local/open-file.ts'
import type { Moment } from '../source/local/settling.ts'
import type { FoundFile } from '../source/local/source-file.ts'
import { ALGORITHMS } from './algorithms.ts'
import { workOf } from './batches.ts'
import { at } from '../at.ts'
import { CHUNK_BYTES, chunkBuffer } from './hash-file.ts'
import { guardedCallback, type HashOptions } from './hash-files.ts'
import { HashingTurns } from './hash-in-turns.ts'
import { callingThreadHashes } from './pool.ts'

/** The files that {@link hashSettled} could hash. */
export interface SettledDigests {
  /** Lowercase hex, in the order of the files; undefined for a file that was skipped. */
  digests: (string | undefined)[]
  /** Total size of the hashed files. */
  bytes: number
}

/** After skipping this much work, gives up: this is not a model of small, settled files. */
const ENOUGH_LEFT = 16 * 1024 * 1024

/**
 * Hashes small files that have not changed for some seconds, each as a whole, without reading their state first:
 * a ctime older than the start of hashing proves that the file did not change while it was read. Skips every other
 * file, and any file in doubt: these are left to `hashFiles()`. The caller must make sure that the model as a whole
 * did not change.
 *
 * This needs a calling thread that hashes and a local file system, where no user can set the ctime; otherwise it
 * skips all files. The total of the progress is an estimate.
 *
 * @param beginning when hashing of the model began
 * @throws {@link ModelSealError} `ABORTED`, `INVALID_ARGUMENT` (the progress callback threw)
 */
export async function hashSettled(
  files: readonly FoundFile[],
  beginning: Moment,
  { hashType, signal, onProgress }: HashOptions,
): Promise<SettledDigests> {
  const digests = new Array<string | undefined>(files.length).fill(undefined)
  const first = files.find((file) => Object.hasOwn(file, 'directory'))
  if (!first || !callingThreadHashes(first.path)) return { digests, bytes: 0 }

  const report = onProgress && guardedCallback(onProgress)
  const algorithm = ALGORITHMS[hashType]
  // If a file and its directory have different devices, the file system gives directories a device number that may change.
  const device = Number(first.directory?.dev)
  let bytes = 0
  let tried = 0
  let triedBytes = 0
  let left = 0
  const turns = new HashingTurns(async () => {
    if (tried > 0) report?.(bytes, Math.round((triedBytes / tried) * files.length))
    await nextTurn(signal)
  })
  for (let index = 0; index < files.length && left <= ENOUGH_LEFT; index++) {
    const file = at(files, index)
    if (file.directory) digests[index] = digestOf(file)
    if (turns.isDue()) await turns.take()
  }
  if (beginning.clockSetBack) return { digests: digests.fill(undefined), bytes: 0 }
  return { digests, bytes }

  function digestOf(file: FoundFile): string | undefined {
    let fd: number | undefined
    let size = 0
    try {
      fd = openListed(file)
      const chunk = chunkBuffer()
      const length = readSync(fd, chunk, 0, CHUNK_BYTES, 0)
      const stat = fstatSync(fd)
      size = stat.size
      if (stat.isFile() && stat.dev === device && size === length && !beginning.mayPrecede(stat.ctimeMs)) {
        const digest = algorithm.whole(chunk.subarray(0, length))
        bytes += length
        return digest
      }
    } catch {
      // hashFiles() will find and report whatever is wrong with this file.
    } finally {
      tried++
      triedBytes += size
      if (fd !== undefined) closeSync(fd)
    }
    left += workOf(1, size)
    return undefined
  }
}
