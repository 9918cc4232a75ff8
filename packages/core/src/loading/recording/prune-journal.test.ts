import { existsSync, readFileSync, renameSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import { writeCollected } from '../../journal/format/collected.ts'
import { verifyJournal } from '../../journal/reading/verify-journal.ts'
import { loadRecord, TestJournal, type TestSegment } from '../../testing/journals.ts'
import { refusal, scratch } from '../../testing/scratch.ts'
import { pruneJournal } from './prune-journal.ts'

let directory: string
let old: TestSegment
let recent: TestSegment
beforeEach(() => {
  directory = join(scratch(), 'journal')
  const journal = new TestJournal(directory)
  writeFileSync(join(directory, 'host.key'), journal.key.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 })
  ;[old, recent] = [91, 3].map((days) => {
    const time = new Date(Date.now() - days * 86_400_000)
    const segment = journal.segment({ service: `of ${days} days ago`, time: time.toISOString() })
    segment.add({ ...loadRecord(), time: time.toISOString() })
    if (days > 90) segment.close()
    else segment.commit()
    utimesSync(segment.path, time, time)
    return segment
  }) as [TestSegment, TestSegment]
})

test('old segments are deleted, and the journal still holds', async () => {
  const { segments } = await pruneJournal(directory, { olderThan: '90d' })
  expect(segments).toMatchObject([{ segment: old.id, records: 3, bytes: old.bytes }])
  expect([existsSync(old.path), existsSync(recent.path)]).toEqual([false, true])
  expect(await verifyJournal(directory)).toMatchObject({ holds: true, retired: 1, segments: 1 })
})

test('a dry run deletes nothing, and needs no key', async () => {
  renameSync(join(directory, 'host.key'), join(directory, '../host.key'))
  expect((await pruneJournal(directory, { olderThan: '90d', dryRun: true })).segments).toHaveLength(1)
  expect(existsSync(old.path)).toBe(true)
  await expect(pruneJournal(directory, { olderThan: '90d' })).rejects.toThrow(refusal('JOURNAL_INVALID'))
  await pruneJournal(directory, { olderThan: '90d', key: join(directory, '../host.key') })
  expect(existsSync(old.path)).toBe(false)
})

test('what a collector has not confirmed is kept', async () => {
  const confirmed = (segments: Record<string, number>) =>
    writeFileSync(
      join(directory, 'collected.json'),
      writeCollected({ format: 1, url: 'https://collector.example', size: 1, root: 'a'.repeat(64), segments }),
    )
  confirmed({ [old.id]: old.bytes - 1 })
  expect((await pruneJournal(directory, { olderThan: '90d' })).segments).toEqual([])
  confirmed({ [old.id]: old.bytes })
  expect((await pruneJournal(directory, { olderThan: '90d' })).segments).toHaveLength(1)
})

test('a journal that does not hold is kept as it is', async () => {
  writeFileSync(old.path, readFileSync(old.path, 'utf8').replace('accepted', 'tolerated'))
  utimesSync(old.path, 0, 0)
  await expect(pruneJournal(directory, { olderThan: '90d' })).rejects.toThrow(refusal('JOURNAL_INVALID'))
  expect(existsSync(old.path)).toBe(true)
})

test.each(['1d', '47h', '3 months', '1y', '', '-5d'])('refuses segments older than %j', async (olderThan) => {
  await expect(pruneJournal(directory, { olderThan })).rejects.toThrow(refusal('INVALID_ARGUMENT'))
})
