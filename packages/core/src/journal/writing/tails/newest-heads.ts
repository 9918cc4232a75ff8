import { turnOfLoop } from '../../../real-time.ts'
import { MAX_COMMIT, MAX_PACK, readCommit, type Commit, type SegmentHead } from '../../format/commit.ts'
import { commitFile, COMMITS, HEADS, PACKED, packFile } from '../../format/names.ts'
import type { WritableJournal } from '../files/directory.ts'
import { readIfAny } from '../files/files.ts'
import { runSoon } from '../files/file-work.ts'

/** More commits are not searched: some 300 MB. */
const MOST_COMMITS = 1_024 * PACKED
const SEGMENT = /"segment":"([^"]*)"/

/**
 * The newest heads of segments.
 *
 * @param newest the commit with which the search begins, backwards
 * @returns also whether those without a head have none
 */
export async function newestHeads(
  { path }: Pick<WritableJournal, 'path'>,
  newest: Commit,
  segments: ReadonlySet<string>,
): Promise<{ heads: ReadonlyMap<string, SegmentHead>; isComplete: boolean }> {
  const heads = new Map<string, SegmentHead>()
  let left = newest.index + 1
  for await (const line of linesBefore(path, newest.index)) {
    left -= 1
    const [, segment = ''] = SEGMENT.exec(line) ?? []
    if (!segments.has(segment) || heads.has(segment)) continue
    const read = readCommit(`${line}\n`)
    // Nothing is built on a commit that was changed.
    if (!('commit' in read) || read.commit.leaf.segment !== segment) return { heads, isComplete: false }
    heads.set(segment, read.commit.leaf)
    if (heads.size === segments.size) break
  }
  return { heads, isComplete: left === 0 }
}

/** Commits, the newest first, up to one that cannot be found. */
async function* linesBefore(path: string, newest: number): AsyncGenerator<string> {
  for (let index = newest; index >= Math.max(0, newest - MOST_COMMITS);) {
    const pack = Math.floor(index / PACKED)
    const packed = await runSoon(readIfAny(path, `${HEADS}/${packFile(pack)}`, MAX_PACK))
    const name = `${COMMITS}/${commitFile(index)}`
    const single = packed === undefined && (await runSoon(readIfAny(path, name, MAX_COMMIT)))
    if (single === undefined) return
    const lines = typeof single === 'string' ? [single.trimEnd()] : packed?.split('\n', (index % PACKED) + 1)
    for (const line of lines?.reverse() ?? []) yield line
    index -= lines?.length ?? 1
    await turnOfLoop()
  }
}
