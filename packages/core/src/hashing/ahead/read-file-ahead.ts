import { closeSync } from 'node:fs'
import { checkUnchanged, openListed } from '../../source/local/open-file.ts'
import { fillFrom } from '../../source/local/fill-from.ts'
import type { HashJob } from '../hash-file.ts'
import type { HashControl } from '../shared-control.ts'
import { ReaderLane } from './read-ahead.ts'
import type { ReadAheadMemory } from './read-ahead-memory.ts'

/**
 * Reads ahead for the threads that hash these pieces, until none of them needs it any more. Reports no errors: if a
 * file cannot be read or is not the one that was listed, the reader leaves, and the thread that hashes the file meets
 * the same problem and reports it.
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

function serve(reader: ReaderLane, piece: number, { file, ranges }: HashJob): void {
  const fd = opened(file)
  if (fd === undefined) return
  try {
    reader.serve(piece, ranges[0]?.end ?? 0, (slot, position) => {
      try {
        return fillFrom(fd, slot, position) === slot.length
      } catch {
        return false
      }
    })
  } finally {
    closeSync(fd)
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
