import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { GrowingTree, hashLeaf } from '../../merkle/tree.ts'
import { COLLECTED_FILE, readCollected } from '../format/collected.ts'
import type { SegmentHead } from '../format/commit.ts'
import { MAX_LINE } from '../format/line.ts'
import { segmentIn, SEGMENTS } from '../format/names.ts'
import type { WritableJournal } from './directory.ts'
import { fileNames, readIfAny, remove } from './files.ts'
import { runSoon } from './file-work.ts'

/**
 * Deletes segments whose last record is older than the retention, after their last head was committed as retired. No writer can still
 * have one open, because each goes on in a new segment after a day, and the retention is longer.
 *
 * @param collected delete only what a collector confirmed that it has stored
 * @param dryRun delete nothing
 * @param commit commits a head, or returns false
 * @returns the heads of what was deleted, or would be
 */
export async function retireSegments(
  { path }: Pick<WritableJournal, 'path'>,
  { retention, collected, dryRun = false }: { retention: number; collected: boolean; dryRun?: boolean },
  commit: (head: SegmentHead) => Promise<boolean>,
): Promise<SegmentHead[]> {
  const retired: SegmentHead[] = []
  const confirmed = collected ? await confirmedBytes(path) : undefined
  for (const name of (await runSoon(fileNames(join(path, SEGMENTS)))).sort()) {
    const segment = segmentIn(name)
    if (segment === undefined) continue
    const file = join(path, SEGMENTS, name)
    const found = await stat(file).catch(() => undefined)
    if (!found || Date.now() - found.mtimeMs < retention) continue
    const head = await headOf(file, segment)
    if (confirmed && head.bytes > 0 && !(confirmed(segment) >= head.bytes)) continue
    if (!dryRun) {
      if (head.size > 0 && !(await commit({ ...head, retired: true }))) continue
      await runSoon(remove(file))
    }
    retired.push({ ...head, time: found.mtime.toISOString() })
  }
  return retired
}

/** How many bytes of each segment a collector has stored: none without a valid file that says so. */
async function confirmedBytes(path: string): Promise<(segment: string) => number> {
  const text = await runSoon(readIfAny(join(path, COLLECTED_FILE)))
  const read = text === undefined ? undefined : readCollected(text)
  const segments = new Map(read && 'collected' in read ? Object.entries(read.collected.segments) : [])
  return (segment) => segments.get(segment) ?? 0
}

/** Computed from the file: a writer that was killed has not committed its last head. A line that was not finished does not count. */
async function headOf(file: string, segment: string): Promise<SegmentHead> {
  const tree = new GrowingTree()
  let bytes = 0
  let rest = Buffer.alloc(0)
  for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) {
    rest = Buffer.concat([rest, chunk])
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
      tree.add(hashLeaf(rest.subarray(0, end)))
      bytes += end + 1
      rest = rest.subarray(end + 1)
    }
    if (rest.length > MAX_LINE) break
  }
  return { segment, size: tree.size, root: tree.root().toString('hex'), bytes, time: new Date().toISOString() }
}
