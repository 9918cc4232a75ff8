import { join } from 'node:path'
import { mkdirSync, rmSync } from 'node:fs'
import { expect, test } from 'vitest'
import { loadRecord, TestJournal, type TestSegment } from '../../../testing/journals.ts'
import { scratch } from '../../../testing/scratch.ts'
import type { RecordOf } from '../../format/record.ts'
import { segmentPath } from './read-segment.ts'
import { verifyJournal } from '../verify-journal.ts'

const STARTED = '2026-11-01T00:00:00.000Z'
const time = '2026-11-02T10:00:00.000Z'
const end = (segment: string, load = 1): RecordOf<'end'> => ({ type: 'end', time, load, segment, why: 'closed' })
const revoked = (segment: string): RecordOf<'revoked'> => ({ type: 'revoked', time, load: 1, segment })

function emptyJournal(): TestJournal {
  const directory = join(scratch(), 'journal')
  mkdirSync(directory)
  return new TestJournal(directory)
}

/** @param hour by which segments are sorted */
function segmentOf(journal: TestJournal, hour: number, given: Partial<RecordOf<'segment'>> = {}): TestSegment {
  const begun = `2026-11-01T${String(hour).padStart(2, '0')}:00:00.000Z`
  const segment = journal.segment({ started: STARTED, time: begun, ...given })
  segment.add(loadRecord())
  return segment
}

async function problemsOf(journal: TestJournal, ...segments: TestSegment[]) {
  for (const segment of segments) segment.commit()
  return (await verifyJournal(journal.directory)).problems
}

const foreign = ({ id }: TestSegment, index: number, of: TestSegment) => ({
  kind: 'reference',
  file: segmentPath(id),
  index,
  problem: `it refers to the segment ${of.id}, which another writer filled`,
})

test('a writer may refer to all segments that it filled before', async () => {
  const journal = emptyJournal()
  const first = segmentOf(journal, 1)
  const second = segmentOf(journal, 2, { continues: first.id })
  const third = segmentOf(journal, 3, { continues: second.id, host: 'named-later' })
  for (const record of [end(second.id), end(first.id), revoked(first.id)]) third.add(record)
  expect(await problemsOf(journal, first, second, third)).toEqual([])
})

test('also if its clock was set back', async () => {
  const journal = emptyJournal()
  const first = segmentOf(journal, 3)
  const second = segmentOf(journal, 1, { continues: first.id })
  const third = segmentOf(journal, 2, { continues: second.id })
  second.add(end(first.id))
  third.add(end(first.id))
  expect(await problemsOf(journal, first, second, third)).toEqual([])
})

test('also if a segment between them was retired, and to one that is gone', async () => {
  const journal = emptyJournal()
  const first = segmentOf(journal, 1)
  const second = segmentOf(journal, 2, { continues: first.id })
  const third = segmentOf(journal, 3, { continues: second.id })
  third.add(end(first.id))
  third.add(end(second.id))
  for (const segment of [first, second, third]) segment.commit()
  second.commit({ end: true })
  second.commit({ retired: true })
  rmSync(second.path)
  expect((await verifyJournal(journal.directory)).problems).toEqual([])
})

test.each([
  ['an end', end],
  ['a revocation', revoked],
])('%s of a load of another writer is a problem', async (_, record) => {
  const journal = emptyJournal()
  const victim = segmentOf(journal, 1)
  const other = segmentOf(journal, 2, { pid: 666 })
  const index = other.add(record(victim.id))
  expect(await problemsOf(journal, victim, other)).toEqual([foreign(other, index, victim)])
})

test('whatever the order of the segments', async () => {
  const journal = emptyJournal()
  const other = segmentOf(journal, 1, { pid: 666 })
  const victim = segmentOf(journal, 2)
  const index = other.add(end(victim.id))
  expect(await problemsOf(journal, other, victim)).toEqual([foreign(other, index, victim)])
})

test.each([[{ pid: 666 }], [{ thread: 1 }], [{ started: '2026-11-01T00:00:00.001Z' }]])(
  'a segment of another writer (%j) cannot continue it',
  async (who) => {
    const journal = emptyJournal()
    const victim = segmentOf(journal, 1)
    const other = segmentOf(journal, 2, { continues: victim.id, ...who })
    const index = other.add(end(victim.id))
    expect(await problemsOf(journal, victim, other)).toEqual([foreign(other, 0, victim), foreign(other, index, victim)])
  },
)

test('nor by continuing one that is gone, or itself', async () => {
  const journal = emptyJournal()
  const victim = segmentOf(journal, 1)
  const other = segmentOf(journal, 2, { continues: '1700000000000-0123456789abcdef', pid: 666 })
  const index = other.add(end(victim.id))
  const itself = '1762000000000-0123456789abcdef'
  const third = segmentOf(journal, 3, { segment: itself, continues: itself })
  expect(await problemsOf(journal, victim, other, third)).toEqual([
    foreign(third, 0, third),
    foreign(other, index, victim),
  ])
})

test('the same thread of a process is not another one that says nothing of it', async () => {
  const journal = emptyJournal()
  const victim = segmentOf(journal, 1)
  const other = segmentOf(journal, 2)
  const index = other.add(end(victim.id))
  expect(await problemsOf(journal, victim, other)).toEqual([foreign(other, index, victim)])
})
