import type { FileHandle } from 'node:fs/promises'
import { GrowingTree, hashLeaf } from '../../../merkle/tree.ts'
import { turnOfLoop } from '../../../real-time.ts'
import type { SegmentHead } from '../../format/commit.ts'
import { checkLine, MAX_LINE, readLine } from '../../format/line.ts'
import type { RecordOf } from '../../format/record.ts'
import { readLines } from '../../reading/segments/read-lines.ts'
import { misplaced } from '../../reading/segments/read-segment.ts'

/** Lines that are verified before other work has its turn. */
const AT_ONCE = 128

interface Expected {
  segment: string
  /** The newest head that was committed; undefined if there is none. */
  head: SegmentHead | undefined
  /** Size of the file. */
  bytes: number
  /** Whether the rest is to be read, after the record that says who writes the segment. */
  isWanted: (first: RecordOf<'segment'>) => boolean
}

/**
 * Verifies the file of a segment that another writer began, up to its last complete line.
 *
 * @returns its head after that line; undefined if it does not hold, or is not wanted
 */
export async function headOfFile(
  handle: FileHandle,
  { segment, head, bytes: end, isWanted }: Expected,
): Promise<SegmentHead | undefined> {
  const tree = new GrowingTree()
  let [check, bytes, isHeadFound] = [segment, 0, head === undefined]
  for await (const { lines, rest } of readLines(handle, 0, end)) {
    for (const [index, line] of lines.entries()) {
      const isCovered = tree.size > 0 && tree.size < (head?.size ?? 0)
      const read = isCovered ? checkLine(line, check) : readLine(line, check)
      if ('fault' in read) return undefined
      if ('record' in read) {
        if (misplaced(read.record, { records: tree.size, id: segment }) !== undefined) return undefined
        if (read.record.type === 'segment' && !isWanted(read.record)) return undefined
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
  if (!isHeadFound) return undefined
  return { segment, size: tree.size, root: tree.root().toString('hex'), bytes, time: new Date().toISOString() }
}
