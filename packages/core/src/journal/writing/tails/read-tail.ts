import { constants } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import { GrowingTree, hashLeaf } from '../../../merkle/tree.ts'
import { turnOfLoop } from '../../../real-time.ts'
import type { SegmentHead } from '../../format/commit.ts'
import { checkLine, MAX_LINE, readLine } from '../../format/line.ts'
import { readLines } from '../../reading/segments/read-lines.ts'
import { misplaced } from '../../reading/segments/read-segment.ts'
import { isWriterGone } from './writer-is-gone.ts'

/** Lines that are verified before other work has its turn. */
const AT_ONCE = 128

interface Tail {
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
  { segment, head, idle, host, bytes: end }: Tail & { bytes: number },
): Promise<SegmentHead | 'in use' | undefined> {
  const tree = new GrowingTree()
  let [check, bytes, isHeadFound] = [segment, 0, head === undefined]
  for await (const { lines, rest } of readLines(handle, 0, end)) {
    for (const [index, line] of lines.entries()) {
      const isCovered = tree.size > 0 && tree.size < (head?.size ?? 0)
      const read = isCovered ? checkLine(line, check) : readLine(line, check)
      if ('fault' in read) return undefined
      if ('record' in read) {
        if (misplaced(read.record, { records: tree.size, id: segment }) !== undefined) return undefined
        if (read.record.type === 'segment' && !isWriterGone(read.record, { idle, host })) return 'in use'
      }
      check = read.check
      bytes += line.length + 1
      tree.add(hashLeaf(line))
      if (tree.size === head?.size) {
        isHeadFound = tree.root().toString('hex') === head.root && bytes === head.bytes
        if (!isHeadFound) return undefined
      }
      if (index % AT_ONCE === AT_ONCE - 1) await turnOfLoop()
    }
    if (rest.length > MAX_LINE) return undefined
  }
  if (!isHeadFound || tree.size === (head?.size ?? 0)) return undefined
  return { segment, size: tree.size, root: tree.root().toString('hex'), bytes, time: new Date().toISOString() }
}
