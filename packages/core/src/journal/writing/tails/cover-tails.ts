import { lstatSync, type Stats } from 'node:fs'
import { opendir } from 'node:fs/promises'
import { join } from 'node:path'
import { wallClock } from '../../../real-time.ts'
import type { SegmentHead } from '../../format/commit.ts'
import { newSegmentId, segmentIn, SEGMENTS } from '../../format/names.ts'
import { Commits } from '../commits/commits.ts'
import { openedOf, type WritableJournal } from '../files/directory.ts'
import { runSoon } from '../files/file-work.ts'
import type { WriterSettings } from '../settings/merged-settings.ts'
import { newestHeads } from './newest-heads.ts'
import { readTail } from './read-tail.ts'
import { MOST_IDLE, SOME_IDLE } from './writer-is-gone.ts'

/** The newest segments are looked at. */
const MOST_SEGMENTS = 1_000
/** Names that are read before other work has its turn. */
const NAMES_AT_ONCE = 128
/** An ID begins with the time at which its segment was created, by a clock that may have been wrong. In milliseconds. */
const CLOCK_ERROR = 24 * 3_600_000
/** A writer begins another segment after 64 MiB. Whatever is longer was made by others. */
const LONGEST_SEGMENT = 96 * 1024 * 1024
/** Bytes that are read at most. */
const MOST_BYTES = 4 * LONGEST_SEGMENT
/** A signature that takes more milliseconds comes from a slow token, for which the thread waits. The next segment is left for another time. */
const SLOW = 100

interface Covering extends Pick<WriterSettings, 'host' | 'checkpoints'> {
  /** Bytes of segments of which nothing is left to be covered. It is added to. */
  done: Map<string, number>
  isEnded: () => boolean
}

/**
 * Commits the records that the writers of other segments left uncovered when they were killed. Each such segment is read and verified from
 * its beginning to its last complete line. Nothing is committed for one that does not hold, that is shorter than its newest head, or that
 * ended.
 *
 * @returns the heads that were committed
 */
export async function coverTails(
  journal: WritableJournal,
  { host, checkpoints, done, isEnded }: Covering,
): Promise<SegmentHead[]> {
  const found = await laggards(journal, done)
  const commits = new Commits(journal, { checkpoints: () => checkpoints, isContinuous: true })
  const newest = await runSoon(commits.newest())
  if (found.length === 0 || !newest) return []
  for (const { segment } of found) commits.watch(segment)
  const { heads, isComplete } = await newestHeads(
    openedOf(journal),
    newest.index,
    new Set(found.map(({ segment }) => segment)),
  )
  const covered: SegmentHead[] = []
  let read = 0
  for (const { segment, file, bytes, idle } of found) {
    const head = heads.get(segment)
    if (!head && !isComplete) continue
    if (head && (head.end || head.retired || head.bytes >= bytes)) {
      done.set(segment, bytes)
      continue
    }
    read += bytes
    if (isEnded() || read > MOST_BYTES || commits.signing > SLOW) break
    // One that cannot be read keeps none of the others from being covered.
    const tail = await readTail(file, { journal: journal.file.id, segment, head, idle, host }).catch(
      () => 'in use' as const,
    )
    if (tail === 'in use') continue
    // One that does not hold is not read again either.
    done.set(segment, bytes)
    if (!tail) continue
    if (await runSoon(commits.publish(tail))) covered.push(tail)
  }
  return covered
}

interface Laggard {
  segment: string
  file: string
  bytes: number
  /** Milliseconds since it was last written. */
  idle: number
}

/** Segments that may have uncovered records, and that nobody writes at the moment, the oldest first. */
async function laggards({ path }: WritableJournal, done: ReadonlyMap<string, number>): Promise<Laggard[]> {
  const found = await newestSegments(join(path, SEGMENTS))
  return found.filter(({ segment, bytes, idle }) => idle >= SOME_IDLE && done.get(segment) !== bytes)
}

/** However many names there are, others have their turn meanwhile. Files that no writer can have left take no place of its segments. */
async function newestSegments(directory: string): Promise<Laggard[]> {
  const [now, found]: [number, Laggard[]] = [wallClock(), []]
  const future = newSegmentId(now + CLOCK_ERROR)
  const sortOut = () => found.sort((a, b) => (a.segment < b.segment ? -1 : 1)).splice(0, found.length - MOST_SEGMENTS)
  let oldest = ''
  for await (const { name } of await opendir(directory, { bufferSize: NAMES_AT_ONCE })) {
    const segment = segmentIn(name)
    if (segment === undefined || segment <= oldest || segment > future) continue
    const file = join(directory, name)
    const state = stateOf(file)
    if (!state?.isFile() || state.size === 0 || state.size > LONGEST_SEGMENT) continue
    found.push({ segment, file, bytes: state.size, idle: Math.min(now - state.mtimeMs, MOST_IDLE) })
    if (found.length < 2 * MOST_SEGMENTS) continue
    sortOut()
    oldest = found[0]?.segment ?? ''
  }
  sortOut()
  return found
}

function stateOf(file: string): Stats | undefined {
  try {
    return lstatSync(file)
  } catch {
    // It was retired meanwhile, or cannot be read.
    return undefined
  }
}
