import { existsSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import { loadRecord, TestJournal, type TestSegment } from '../../../testing/journals.ts'
import { scratch } from '../../../testing/scratch.ts'
import type { SegmentHead } from '../../format/commit.ts'
import { verifyJournal } from '../../reading/verify-journal.ts'
import { Commits } from '../commits/commits.ts'
import { openDirectory, type WritableJournal } from '../files/directory.ts'
import { runSoon } from '../files/file-work.ts'
import { retireSegments } from './retention.ts'

let journal: WritableJournal
let made: TestJournal
let old: TestSegment
beforeEach(async () => {
  const directory = scratch()
  made = new TestJournal(directory)
  writeFileSync(join(directory, 'host.key'), made.key.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 })
  old = made.segment()
  old.add(loadRecord())
  old.close()
  utimesSync(old.path, 0, 0)
  journal = await openDirectory({ directory, host: undefined, key: undefined })
})

function retire(commit: (commits: Commits, head: SegmentHead) => Promise<boolean> = add): Promise<SegmentHead[]> {
  // As a process or thread that has just begun.
  const commits = new Commits(journal)
  return retireSegments(journal, { retention: 3_600_000, collected: false }, (head) => commit(commits, head))
}

async function add(commits: Commits, head: SegmentHead): Promise<boolean> {
  return (await runSoon(commits.add(head))) !== undefined
}

test('a segment whose process was killed before it deleted the file is retired again, and the journal holds', async () => {
  const killed = retire(async (commits, head) => {
    await add(commits, head)
    throw new Error('killed')
  })
  await expect(killed).rejects.toThrow('killed')
  expect(await verifyJournal(journal.path)).toMatchObject({ holds: true, segments: 1, retired: 1 })
  expect(await retire()).toMatchObject([{ segment: old.id }])
  expect(existsSync(old.path)).toBe(false)
  expect(await verifyJournal(journal.path)).toMatchObject({ holds: true, segments: 0, retired: 1 })
})

test('two threads that retire a segment at the same moment leave a journal that holds', async () => {
  const both = retire(async (commits, head) => {
    await retire()
    return add(commits, head)
  })
  expect(await both).toHaveLength(1)
  expect(await verifyJournal(journal.path)).toMatchObject({ holds: true, segments: 0, retired: 1 })
})

test('a retired segment can have no other records, and none can follow', async () => {
  await retire()
  const other = new Commits(journal)
  const head = { segment: old.id, size: 4, root: 'aa'.repeat(32), bytes: old.bytes + 1, time: new Date().toISOString() }
  await add(other, { ...head, retired: true })
  expect((await verifyJournal(journal.path)).problems).toMatchObject([
    { kind: 'commit', problem: 'the segment was retired before' },
  ])
})

test('a segment that another process deletes meanwhile is no failure', async () => {
  const other = made.segment({ pid: 4712 })
  other.close()
  utimesSync(other.path, 0, 0)
  const retired = await retire(async (commits, head) => {
    rmSync(head.segment === old.id ? other.path : old.path)
    return add(commits, head)
  })
  expect(retired).toHaveLength(1)
})
