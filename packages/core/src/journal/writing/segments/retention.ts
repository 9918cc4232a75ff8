import { constants } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { errno } from '../../../source/file-errors.ts'
import { READ_ONLY } from '../../../source/read-small-file.ts'
import { COLLECTED_FILE, MAX_COLLECTED_FILE, readCollected } from '../../format/collected.ts'
import type { SegmentHead } from '../../format/commit.ts'
import { segmentFile, segmentIn, SEGMENTS } from '../../format/names.ts'
import { newestIndex } from '../../reading/commits/read-commits.ts'
import { openedOf, type WritableJournal } from '../files/directory.ts'
import { fileNames, readIfAny, remove } from '../files/files.ts'
import { runSoon } from '../files/file-work.ts'
import { headOfFile } from './head-of-file.ts'
import { newestHeads } from '../tails/newest-heads.ts'

const NOT_A_FILE = new Set(['ENOENT', 'ELOOP', 'ENXIO', 'EISDIR'])

/** What is deleted. */
interface Retention {
  /** Milliseconds. */
  retention: number
  /** True to delete only what a collector confirmed that it has stored. */
  collected: boolean
  /** True if somebody asked for it now, so that it does not matter what the settings of the writers were. */
  byHand?: boolean
  /** True to delete nothing. */
  dryRun?: boolean
}

/**
 * Deletes segments whose last record is older than the retention, after their last head was committed as retired. No writer can still
 * have one open, because each goes on in a new segment after a day, and the retention is longer. A segment that does not hold is evidence,
 * and stays. So does one whose own writer was told to keep it longer.
 *
 * @param commit commits a head, or returns false
 * @returns the heads of what was deleted, or would be
 */
export async function retireSegments(
  journal: Pick<WritableJournal, 'path' | 'file'>,
  { dryRun = false, ...rule }: Retention,
  commit: (head: SegmentHead) => Promise<boolean>,
): Promise<SegmentHead[]> {
  const { path } = journal
  const candidates = await oldFiles(path, rule.retention)
  if (candidates.length === 0) return []
  const opened = openedOf(journal)
  const segments = new Set(candidates.map(({ segment }) => segment))
  const { heads, isComplete } = await newestHeads(opened, await newestIndex(opened), segments)
  const confirmed = await confirmedBytes(path)
  const retired: SegmentHead[] = []
  for (const { segment, file, written } of candidates) {
    const newest = heads.get(segment)
    if (!newest && !isComplete) continue
    const head = await oldHead(file, { ...rule, segment, newest, confirmed: confirmed?.(segment) })
    if (!head) continue
    if (!dryRun) {
      if (head.size > 0 && !(await commit({ ...head, retired: true }))) continue
      await runSoon(remove(file))
    }
    retired.push({ ...head, time: written.toISOString() })
  }
  return retired
}

interface Candidate {
  segment: string
  file: string
  written: Date
}

/** Segments that were begun and last written before, as far as their names and files say. */
async function oldFiles(path: string, retention: number): Promise<Candidate[]> {
  const candidates: Candidate[] = []
  for (const name of (await runSoon(fileNames(join(path, SEGMENTS)))).sort()) {
    const segment = segmentIn(name)
    if (segment === undefined || !isOld(createdIn(segment), retention)) continue
    const file = join(path, SEGMENTS, segmentFile(segment))
    const state = await openSegment(file, (handle) => handle.stat())
    if (state?.isFile() && isOld(state.mtimeMs, retention)) candidates.push({ segment, file, written: state.mtime })
  }
  return candidates
}

/** @returns undefined if the segment does not hold, or has to be kept; or if another process deleted it */
async function oldHead(
  file: string,
  of: Retention & { segment: string; newest: SegmentHead | undefined; confirmed: number | undefined },
): Promise<SegmentHead | undefined> {
  const { segment, newest, retention, byHand = false } = of
  if (newest && !newest.retired && !isOld(Date.parse(newest.time), retention)) return undefined
  // What was sent to a collector once, is sent to it.
  let collected = of.collected || of.confirmed !== undefined
  const head = await openSegment(file, async (handle) => {
    const { size: bytes } = await handle.stat()
    return headOfFile(handle, {
      segment,
      head: newest,
      bytes,
      isWanted: (first) => {
        collected ||= first.collected ?? false
        return byHand || !isKeptLonger(first.retention, retention)
      },
    })
  })
  if (!head) return undefined
  return collected && head.bytes > 0 && !((of.confirmed ?? 0) >= head.bytes) ? undefined : head
}

/** @param told the retention that the writer of a segment was told; 0 for ever; undefined if it was told nothing */
function isKeptLonger(told: number | undefined, retention: number): boolean {
  return told !== undefined && (told === 0 || told > retention)
}

function isOld(time: number, retention: number): boolean {
  return Date.now() - time >= retention
}

/** The time in the ID of a segment. */
function createdIn(segment: string): number {
  return Number(segment.slice(0, segment.indexOf('-')))
}

/** @returns undefined if there is no such file, or a link or directory has its name */
async function openSegment<Result>(
  file: string,
  read: (handle: FileHandle) => Promise<Result>,
): Promise<Result | undefined> {
  const handle = await open(file, READ_ONLY | constants.O_NOFOLLOW).catch((error: unknown) => {
    if (!NOT_A_FILE.has(errno(error))) throw error
  })
  if (!handle) return undefined
  try {
    return await read(handle)
  } finally {
    await handle.close()
  }
}

/** How many bytes of each segment a collector has stored: none without a valid file that says so; undefined without a file. */
async function confirmedBytes(path: string): Promise<((segment: string) => number) | undefined> {
  const text = await runSoon(readIfAny(path, COLLECTED_FILE, MAX_COLLECTED_FILE))
  if (text === undefined) return undefined
  const read = readCollected(text)
  const segments = new Map('collected' in read ? Object.entries(read.collected.segments) : [])
  return (segment) => segments.get(segment) ?? 0
}
