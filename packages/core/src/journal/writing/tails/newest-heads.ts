import { turnOfLoop } from '../../../real-time.ts'
import { MAX_COMMIT, MAX_PACK, readCommit, type Commit, type SegmentHead } from '../../format/commit.ts'
import { commitFile, COMMITS, HEADS, PACKED, packFile } from '../../format/names.ts'
import { CommitTree, signatureFault } from '../../reading/commits/commit-tree.ts'
import type { OpenedJournal } from '../../reading/open-journal.ts'
import { readIfAny } from '../files/files.ts'
import { runSoon } from '../files/file-work.ts'

/** More commits are not searched: some 300 MB. */
const MOST_COMMITS = 1_024 * PACKED
const SEGMENT = /"segment":"([^"]*)"/

/**
 * The newest heads of segments, as the key of the journal signed them.
 *
 * @param newest index of the commit with which the search begins, backwards
 * @returns also whether those without a head have none
 */
export async function newestHeads(
  journal: OpenedJournal,
  newest: number,
  segments: ReadonlySet<string>,
): Promise<{ heads: ReadonlyMap<string, SegmentHead>; isComplete: boolean }> {
  const heads = new Map<string, SegmentHead>()
  let left = newest + 1
  let found: Commit | undefined
  for await (const line of linesBefore(journal.directory, newest)) {
    if (found) {
      if (!isProven(found, commitIn(line), journal)) return { heads, isComplete: false }
      heads.set(found.leaf.segment, found.leaf)
      found = undefined
      if (heads.size === segments.size) return { heads, isComplete: true }
    }
    left -= 1
    const [, segment = ''] = SEGMENT.exec(line) ?? []
    if (!segments.has(segment) || heads.has(segment)) continue
    found = commitIn(line)
    // Nothing is built on a commit that was changed.
    if (found?.leaf.segment !== segment) return { heads, isComplete: false }
  }
  if (found && left === 0 && isProven(found, undefined, journal)) heads.set(found.leaf.segment, found.leaf)
  return { heads, isComplete: left === 0 }
}

function commitIn(line: string): Commit | undefined {
  const read = readCommit(`${line}\n`)
  return 'commit' in read ? read.commit : undefined
}

/** Whether the checkpoint of a commit covers its head, and is signed. */
function isProven(commit: Commit, before: Commit | undefined, journal: OpenedJournal): boolean {
  if ((before?.index ?? -1) !== commit.index - 1) return false
  const tree = new CommitTree(journal, { size: commit.index, frontier: before?.frontier ?? [] })
  return !tree.add(commit) && !signatureFault(commit, journal)
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
