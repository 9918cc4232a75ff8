import { closeSync, constants, openSync } from 'node:fs'
import { isError, propertyOf } from '../../any-realm.ts'
import { checkUnchanged, openListed } from '../../source/local/open-file.ts'
import { fillFrom } from '../../source/local/fill-from.ts'
import { extrasOf, type HashJob } from '../hash-file.ts'
import type { HashControl } from '../shared-control.ts'
import { writeSparse } from '../sparse-copy.ts'
import { ReaderLane } from './read-ahead.ts'
import type { ReadAheadMemory } from './read-ahead-memory.ts'

/**
 * Reads ahead for the threads that hash these pieces, until none of them needs it any more. Bytes of a file that is
 * copied are written to the copy before they are handed over. Reports no errors: if a file cannot be read or copied, or
 * is not the one that was listed, the reader leaves, and the thread that hashes the file meets the same problem and
 * reports it. Only an error on closing the copy is passed on.
 */
export function readFilesAhead(
  memory: ReadAheadMemory,
  lane: number,
  pieces: ReadonlyMap<number, HashJob>,
  control: HashControl,
): void {
  const reader = new ReaderLane(memory, lane, control)
  // The piece that began last has the most left to read.
  const left = new Map([...pieces].reverse())
  for (let piece = reader.find(left.keys()); piece !== undefined; piece = reader.find(left.keys())) {
    const job = left.get(piece)
    left.delete(piece)
    if (job) serve(reader, piece, job)
  }
}

function serve(reader: ReaderLane, piece: number, job: HashJob): void {
  const file = opened(job.file)
  if (file === undefined) return
  const { copyTo } = extrasOf(job)
  let copy: number | undefined
  try {
    copy = copyTo === undefined ? undefined : openedCopy(copyTo)
    if (copyTo !== undefined && copy === undefined) return
    reader.serve(piece, {
      end: job.ranges[0]?.end ?? 0,
      copied: copy !== undefined,
      fill(slot, position) {
        try {
          if (fillFrom(file, slot, position) < slot.length) return false
          if (copy !== undefined) writeSparse(copy, slot, position)
          return true
        } catch {
          return false
        }
      },
      closeCopy() {
        const fd = copy
        copy = undefined
        return fd === undefined ? 0 : closed(fd)
      },
    })
  } finally {
    if (copy !== undefined) closed(copy)
    closeSync(file)
  }
}

/** Opens the file by its path even if the caller has it open, because the caller may close its descriptor at any time. */
function opened(file: HashJob['file']): number | undefined {
  let fd: number | undefined
  try {
    fd = openListed(file)
    checkUnchanged(file, fd)
    return fd
  } catch {
    if (fd !== undefined) closeSync(fd)
    return undefined
  }
}

/** Opens the copy that the other side has created. Its descriptor is not used, because that thread could end first. */
function openedCopy(path: string): number | undefined {
  try {
    return openSync(path, constants.O_WRONLY | constants.O_NOFOLLOW)
  } catch {
    return undefined
  }
}

/** Number of the error UNKNOWN in Node.js. */
const UNKNOWN = -4094

/** Closes a descriptor. @returns the negative number of the error, or 0 */
function closed(fd: number): number {
  try {
    closeSync(fd)
    return 0
  } catch (error) {
    const number = isError(error) ? propertyOf(error, 'errno') : undefined
    return typeof number === 'number' && number < 0 ? number : UNKNOWN
  }
}
