import { open, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { GrowingTree, hashLeaf } from '../../../merkle/tree.ts'
import { errno } from '../../../source/file-errors.ts'
import { READ_ONLY } from '../../../source/read-small-file.ts'
import { COLLECTED_FILE, MAX_COLLECTED_FILE, readCollected } from '../../format/collected.ts'
import type { SegmentHead } from '../../format/commit.ts'
import { segmentIn, SEGMENTS } from '../../format/names.ts'
import { readLines } from '../../reading/segments/read-lines.ts'
import type { WritableJournal } from '../files/directory.ts'
import { fileNames, readIfAny, remove } from '../files/files.ts'
import { runSoon } from '../files/file-work.ts'

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
    const old = await oldHead(file, segment, retention)
    if (!old) continue
    const { head, written } = old
    if (confirmed && head.bytes > 0 && !(confirmed(segment) >= head.bytes)) continue
    if (!dryRun) {
      if (head.size > 0 && !(await commit({ ...head, retired: true }))) continue
      await runSoon(remove(file))
    }
    retired.push({ ...head, time: written.toISOString() })
  }
  return retired
}

/** How many bytes of each segment a collector has stored: none without a valid file that says so. */
async function confirmedBytes(path: string): Promise<(segment: string) => number> {
  const text = await runSoon(readIfAny(path, COLLECTED_FILE, MAX_COLLECTED_FILE))
  const read = text === undefined ? undefined : readCollected(text)
  const segments = new Map(read && 'collected' in read ? Object.entries(read.collected.segments) : [])
  return (segment) => segments.get(segment) ?? 0
}

/** @returns undefined if the segment is not old enough, or was deleted by another process */
async function oldHead(
  file: string,
  segment: string,
  retention: number,
): Promise<{ head: SegmentHead; written: Date } | undefined> {
  const handle = await open(file, READ_ONLY).catch(absent)
  if (!handle) return undefined
  try {
    const { size, mtime } = await handle.stat()
    if (Date.now() - mtime.getTime() < retention) return undefined
    return { head: await headOf(handle, segment, size), written: mtime }
  } finally {
    await handle.close()
  }
}

function absent(error: unknown): undefined {
  if (errno(error) !== 'ENOENT') throw error
}

/** Computed from the file: a writer that was killed has not committed its last head. A line that was not finished does not count. */
async function headOf(handle: FileHandle, segment: string, size: number): Promise<SegmentHead> {
  const tree = new GrowingTree()
  let bytes = 0
  for await (const { lines } of readLines(handle, 0, size))
    for (const line of lines) {
      tree.add(hashLeaf(line))
      bytes += line.length + 1
    }
  return { segment, size: tree.size, root: tree.root().toString('hex'), bytes, time: new Date().toISOString() }
}
