import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import { loadRecord, TestJournal, type TestSegment } from '../../../testing/journals.ts'
import { scratch } from '../../../testing/scratch.ts'
import type { SegmentHead } from '../../format/commit.ts'
import { verifyJournal } from '../../reading/verify-journal.ts'
import { writeCollected } from '../../format/collected.ts'
import { writeLine } from '../../format/line.ts'
import type { RecordOf } from '../../format/record.ts'
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

/** A segment that was begun, and last written, so many hours ago. */
function segmentOf(hours: number, given: Partial<RecordOf<'segment'>> = {}): TestSegment {
  const time = new Date(Date.now() - hours * HOUR)
  const segment = made.segment({ time: time.toISOString(), pid: 4713, ...given })
  segment.close()
  utimesSync(segment.path, time, time)
  return segment
}

const HOUR = 3_600_000

test('a segment that only looks old is kept, whatever the time of its file', async () => {
  const young = segmentOf(0.5)
  utimesSync(young.path, 0, 0)
  expect(await retire()).toMatchObject([{ segment: old.id }])
  expect(existsSync(young.path)).toBe(true)
})

test('a segment whose newest head was committed a moment ago is kept', async () => {
  const young = made.segment({ pid: 4713 })
  young.add({ ...loadRecord(), time: new Date().toISOString() })
  young.commit()
  utimesSync(young.path, 0, 0)
  expect(await retire()).toMatchObject([{ segment: old.id }])
  expect(existsSync(young.path)).toBe(true)
})

test('a segment that does not hold is evidence, and is kept', async () => {
  const changed = segmentOf(2)
  let check = changed.id
  const lines = readFileSync(changed.path, 'utf8').trimEnd().split('\n')
  const forged = lines.map((line) => {
    const record = JSON.parse(line) as RecordOf<'load'> & { '~check'?: string; service?: string }
    delete record['~check']
    if (record.service !== undefined) record.service = 'another'
    const written = writeLine(record, check)
    check = written.check
    return written.bytes
  })
  writeFileSync(changed.path, Buffer.concat(forged))
  utimesSync(changed.path, 0, 0)
  expect(await retire()).toMatchObject([{ segment: old.id }])
  expect((await verifyJournal(journal.path)).problems).toMatchObject([{ kind: 'head' }])
})

test('a commit that is not signed does not make a changed segment hold', async () => {
  const head = { segment: old.id, size: 0, root: 'aa'.repeat(32), bytes: 0, time: new Date(0).toISOString() }
  const other = new TestJournal(scratch())
  other.commit(head)
  other.commit(head)
  const commits = join(journal.path, 'commits')
  rmSync(commits, { recursive: true })
  mkdirSync(commits)
  for (const name of ['0000000000.json', '0000000001.json'])
    writeFileSync(join(commits, name), readFileSync(join(other.directory, 'commits', name)))
  expect(await retire()).toEqual([])
  expect(existsSync(old.path)).toBe(true)
})

test.each<[string, Partial<RecordOf<'segment'>>, boolean]>([
  ['for ever', { retention: 0 }, true],
  ['for longer', { retention: 2 * HOUR }, true],
  ['for as long', { retention: HOUR }, false],
  ['for less', { retention: 1 }, false],
  ['for as long as the environment says, which is nothing', {}, false],
  ['until it was collected', { retention: 1, collected: true }, true],
])('a segment that its own writer was told to keep %s', async (_, given, isKept) => {
  const segment = segmentOf(3, given)
  await retire()
  expect(existsSync(segment.path)).toBe(isKept)
  expect(await verifyJournal(journal.path)).toMatchObject({ holds: true })
})

test('whoever prunes by hand need not keep what its writer was told to keep, but what no collector has', async () => {
  const [kept, uncollected] = [segmentOf(3, { retention: 0 }), segmentOf(4, { retention: 1, collected: true })]
  const commits = new Commits(journal)
  const rule = { retention: HOUR, collected: false, byHand: true }
  const retired = await retireSegments(journal, rule, (head) => add(commits, head))
  expect(retired.map(({ segment }) => segment).sort()).toEqual([kept.id, old.id].sort())
  expect(existsSync(uncollected.path)).toBe(true)
})

test('once a journal was sent to a collector, only what that has stored is deleted', async () => {
  const segment = segmentOf(3)
  const segments = { [segment.id]: segment.bytes }
  const collected = { format: 1, url: 'https://collector.example', size: 1, root: 'ab'.repeat(32), segments } as const
  writeFileSync(join(journal.path, 'collected.json'), writeCollected(collected))
  expect(await retire()).toMatchObject([{ segment: segment.id }])
  expect(existsSync(old.path)).toBe(true)
})

test('links, directories and files of other names among the segments are left alone', async () => {
  const segments = join(journal.path, 'segments')
  const target = join(scratch(), 'target')
  writeFileSync(target, 'x')
  symlinkSync(target, join(segments, '0000000000001-aaaaaaaaaaaaaaaa.jsonl'))
  mkdirSync(join(segments, '0000000000002-aaaaaaaaaaaaaaaa.jsonl'))
  writeFileSync(join(segments, 'notes.txt'), '')
  expect(await retire()).toMatchObject([{ segment: old.id }])
  expect(existsSync(target)).toBe(true)
})
