import { constants } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import type { SegmentHead } from '../../format/commit.ts'
import { writerOf } from '../../format/writer-key.ts'
import { headOfFile } from '../segments/head-of-file.ts'
import { isWriterGone } from './writer-is-gone.ts'

interface Tail {
  /** ID of the journal. */
  journal: string
  segment: string
  /** Its newest head; undefined if it has none. */
  head: SegmentHead | undefined
  /** Milliseconds since it was last written. */
  idle: number
  /** Name of this host in records, if the settings name it. */
  host: string | undefined
}

/**
 * Reads a segment whose last records no commit covers.
 *
 * @returns its head after the last complete line, which is on the disk; undefined if there is nothing to cover or the segment does not hold
 */
export async function readTail(file: string, tail: Tail): Promise<SegmentHead | 'in use' | undefined> {
  // Syncing needs the right to write on some systems. Nothing is written.
  const handle = await open(file, constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  try {
    const state = await handle.stat()
    if (!state.isFile()) return undefined
    const head = await readHead(handle, { ...tail, bytes: state.size })
    // What only the memory of this machine has must not be committed.
    if (typeof head === 'object') await handle.datasync()
    return head
  } finally {
    await handle.close()
  }
}

async function readHead(
  handle: FileHandle,
  { journal, segment, head, idle, host, bytes }: Tail & { bytes: number },
): Promise<SegmentHead | 'in use' | undefined> {
  const found = { isInUse: false }
  const whole = await headOfFile(handle, {
    segment,
    head,
    bytes,
    isWanted: (first) =>
      writerOf(first, journal) !== undefined && !(found.isInUse = !isWriterGone(first, { idle, host })),
  })
  if (found.isInUse) return 'in use'
  return whole && whole.size > (head?.size ?? 0) ? whole : undefined
}
