import { appendFileSync, mkdirSync, readFileSync, rmSync, truncateSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { loadRecord, TestJournal, type TestSegment } from '../../../core/src/testing/journals.ts'
import { refusal, scratch } from '../../../core/src/testing/scratch.ts'
import { followJournals, type FollowOptions } from './follow-journals.ts'

function journalOf(host = 'host-a'): TestJournal {
  const directory = join(scratch(), host)
  mkdirSync(directory)
  return new TestJournal(directory, host)
}

function add(segment: TestSegment, name: string): void {
  segment.add(loadRecord({ model: { path: name } }))
  segment.flush()
}

/** Follows until as many things were told, doing something once it has begun. */
async function followed(
  directories: string[],
  most: number,
  { then, ...options }: Partial<FollowOptions> & { then?: () => void } = {},
): Promise<string[]> {
  const controller = new AbortController()
  const told: string[] = []
  setTimeout(() => then?.(), 200)
  for await (const { record, problem } of followJournals(directories, { signal: controller.signal, ...options })) {
    told.push(problem ? problem.kind : record.record.type === 'load' ? record.record.model.path! : record.record.type)
    if (told.length >= most) controller.abort()
  }
  return told
}

test('only what is appended from now on is told, with its process, also in new segments and of several journals', async () => {
  const [one, other] = [journalOf(), journalOf('host-b')]
  const segment = one.segment()
  add(segment, 'before')
  const then = () => {
    add(segment, 'after')
    add(other.segment({ service: 'new' }), 'elsewhere')
  }
  expect(await followed([one.directory, other.directory], 3, { then })).toEqual(['after', 'segment', 'elsewhere'])
})

test('records since a time are told first', async () => {
  const journal = journalOf()
  const segment = journal.segment()
  segment.add(loadRecord({ time: '2026-11-01T10:00:00.000Z', model: { path: 'old' } }))
  segment.add(loadRecord({ time: '2026-11-02T10:00:00.000Z', model: { path: 'recent' } }))
  segment.flush()
  const then = () => add(segment, 'new')
  expect(await followed([journal.directory], 2, { since: new Date('2026-11-02'), then })).toEqual(['recent', 'new'])
})

const CHANGES: [string, string, (segment: TestSegment) => void][] = [
  [
    'changed, and the size stays the same',
    'line',
    (segment) => {
      writeFileSync(segment.path, readFileSync(segment.path, 'utf8').replace('"path":"one"', '"path":"two"'))
      utimesSync(segment.path, 1, 1)
    },
  ],
  ['cut', 'truncated', ({ path }) => truncateSync(path, 100)],
  ['removed with its segment', 'missing', ({ path }) => rmSync(path)],
  ['followed by a line of others', 'line', ({ path }) => appendFileSync(path, '{"type":"load"}\n')],
]

test.each(CHANGES)('a record that is %s is told', async (_, kind, change) => {
  const journal = journalOf()
  const segment = journal.segment()
  add(segment, 'one')
  const told = followed([journal.directory], 3, { since: new Date('2026-11-01'), then: () => change(segment) })
  expect(await told).toEqual(['segment', 'one', kind])
})

test('a segment that was retired is not missing', async () => {
  const journal = journalOf()
  const [old, segment] = [journal.segment({ service: 'old' }), journal.segment()]
  old.close()
  add(segment, 'one')
  const then = () => {
    old.commit({ end: true, retired: true })
    rmSync(old.path)
    setTimeout(() => add(segment, 'two'), 700)
  }
  expect(await followed([journal.directory], 1, { then })).toEqual(['two'])
})

test('a segment of which only an unsigned commit says that it was retired is missing', async () => {
  const journal = journalOf()
  const old = journal.segment()
  add(old, 'one')
  const then = () => {
    old.commit({ end: true, retired: true })
    const path = join(journal.directory, 'commits/0000000000.json')
    const forged = (_: string, one: string, rest: string) => `${one === 'A' ? 'B' : 'A'}${rest}`
    writeFileSync(path, readFileSync(path, 'utf8').replace(/(.)(.{20}"\}\n)$/, forged))
    rmSync(old.path)
  }
  expect(await followed([journal.directory], 1, { then })).toEqual(['missing'])
})

test('refuses what is not a journal', async () => {
  await expect(followed([], 1)).rejects.toThrow(refusal('INVALID_ARGUMENT'))
  await expect(followed([scratch()], 1)).rejects.toThrow(refusal('FILE_NOT_FOUND'))
})
