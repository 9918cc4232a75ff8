import { join } from 'node:path'
import { mkdirSync, rmSync } from 'node:fs'
import { expect, test } from 'vitest'
import { loadRecord, testWriter, TestJournal, type TestSegment } from '../../../testing/journals.ts'
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

const unsigned = ({ id }: TestSegment) => ({
  kind: 'reference',
  file: segmentPath(id),
  index: 0,
  problem: 'it is not signed by the key of its writer',
})

/** A segment that says that it continues another one, by somebody who has not the key of its writer. */
function forged(journal: TestJournal, victim: TestSegment, how: keyof typeof FORGED) {
  const id = '1793900000001-0123456789abcdef'
  const attacker = testWriter('attacker')
  const signature = attacker.sign({ journal: journal.file.id, segment: id, continues: victim.id })
  const stated = {
    segment: id,
    continues: victim.id,
    ...FORGED[how](journal, victim, attacker.publicKey),
    ...(how === 'its own key' && { signature }),
  }
  return segmentOf(journal, 2, stated)
}

const FORGED = {
  'its own key': (_: TestJournal, __: TestSegment, key: string) => ({ key }),
  'the key of the writer': (journal: TestJournal, victim: TestSegment) => ({
    key: keyOf(journal, victim),
    signature: testWriter('attacker').sign({ journal: journal.file.id, segment: victim.id }),
  }),
  'the key and signature of the segment before': (journal: TestJournal, victim: TestSegment) => ({
    key: keyOf(journal, victim),
    signature: journal.writers.get(victim.id)!.sign({ journal: journal.file.id, segment: victim.id }),
  }),
  'a signature for another journal': (journal: TestJournal, victim: TestSegment) => ({
    key: keyOf(journal, victim),
    signature: journal.writers
      .get(victim.id)!
      .sign({ journal: 'of another', segment: '1793900000001-0123456789abcdef', continues: victim.id }),
  }),
  'a signature that continues nothing': (journal: TestJournal, victim: TestSegment) => ({
    key: keyOf(journal, victim),
    signature: journal.writers
      .get(victim.id)!
      .sign({ journal: journal.file.id, segment: '1793900000001-0123456789abcdef' }),
  }),
}

function keyOf({ writers }: TestJournal, { id }: TestSegment): string {
  return writers.get(id)!.publicKey
}

test.each(Object.keys(FORGED) as (keyof typeof FORGED)[])(
  'nobody continues the segment of another process, thread and start that are copied, with %s',
  async (how) => {
    const journal = emptyJournal()
    const victim = segmentOf(journal, 1)
    const other = forged(journal, victim, how)
    const index = other.add(end(victim.id))
    const first = how === 'its own key' ? foreign(other, 0, victim) : unsigned(other)
    expect(await problemsOf(journal, victim, other)).toEqual([first, foreign(other, index, victim)])
  },
)

test('nor by continuing one that is gone, or itself', async () => {
  const journal = emptyJournal()
  const victim = segmentOf(journal, 1)
  const other = segmentOf(journal, 2, { continues: '1700000000000-0123456789abcdef' })
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
