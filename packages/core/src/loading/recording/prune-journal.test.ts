import { existsSync, readFileSync, renameSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { ModelSealError } from '../../errors.ts'
import { writeCollected } from '../../journal/format/collected.ts'
import { verifyJournal } from '../../journal/reading/verify-journal.ts'
import { Commits } from '../../journal/writing/commits/commits.ts'
import { loadRecord, TestJournal, type TestSegment } from '../../testing/journals.ts'
import { refusal, scratch } from '../../testing/scratch.ts'
import { pruneJournal } from './prune-journal.ts'

const ISO = /^\d{4}-\d\d-\d\dT[\d:.]+Z$/

let directory: string
let old: TestSegment
let recent: TestSegment
beforeEach(() => {
  directory = join(scratch(), 'journal')
  const journal = new TestJournal(directory)
  writeFileSync(join(directory, 'host.key'), journal.key.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 })
  ;[old, recent] = [91, 3].map((days) => {
    const time = new Date(Date.now() - days * 86_400_000)
    // Told to keep it for ever: whoever prunes decides all the same.
    const segment = journal.segment({ service: `of ${days} days ago`, time: time.toISOString(), retention: 0 })
    segment.add({ ...loadRecord(), time: time.toISOString() })
    if (days > 90) segment.close()
    else segment.commit()
    utimesSync(segment.path, time, time)
    return segment
  }) as [TestSegment, TestSegment]
})

test('old segments are deleted, and the journal still holds', async () => {
  const { segments } = await pruneJournal(directory, { olderThan: '90d' })
  expect(segments).toEqual([
    { segment: old.id, records: 3, bytes: old.bytes, written: expect.stringMatching(ISO) as string },
  ])
  expect(Date.now() - Date.parse(segments[0]!.written)).toBeGreaterThan(90 * 86_400_000)
  expect([existsSync(old.path), existsSync(recent.path)]).toEqual([false, true])
  expect(await verifyJournal(directory)).toMatchObject({ holds: true, retired: 1, segments: 1 })
})

test('a dry run deletes nothing, and needs no key', async () => {
  renameSync(join(directory, 'host.key'), join(directory, '../host.key'))
  expect((await pruneJournal(directory, { olderThan: '90d', dryRun: true })).segments).toHaveLength(1)
  expect(existsSync(old.path)).toBe(true)
  await expect(pruneJournal(directory, { olderThan: '90d' })).rejects.toThrow(
    refusal('JOURNAL_INVALID', { hint: expect.stringContaining('--key') as string }),
  )
  const key = join(directory, '../other.key')
  await expect(pruneJournal(directory, { olderThan: '90d', key })).rejects.toEqual(
    expect.objectContaining({ hint: expect.not.stringContaining('--key') as string }),
  )
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
  await expect(pruneJournal(directory, { olderThan: '90d' })).rejects.toThrow(
    refusal('JOURNAL_INVALID', {
      message: expect.stringContaining('it does not hold') as string,
      found: expect.stringContaining(old.id) as string,
    }),
  )
  expect(existsSync(old.path)).toBe(true)
})

describe('a segment whose end', () => {
  function adding(add: () => unknown): void {
    const spy = vi.spyOn(Commits.prototype, 'add').mockImplementation(function* () {
      return add() as never
    })
    onTestFinished(() => spy.mockRestore())
  }
  const failing = (error: Error) => () => {
    throw error
  }
  const pruning = () => pruneJournal(directory, { olderThan: '90d' })

  test('was not committed is kept', async () => {
    adding(() => undefined)
    expect((await pruning()).segments).toEqual([])
    expect(existsSync(old.path)).toBe(true)
  })

  test('a token refuses to sign is kept, with advice about the token', async () => {
    const cause = new ModelSealError('PKCS11_FAILED', 'No.')
    adding(failing(new ModelSealError('JOURNAL_FAILED', 'No.', { cause })))
    const hint = expect.stringContaining('PIN') as string
    await expect(pruning()).rejects.toEqual(refusal('JOURNAL_FAILED', { hint }))
    expect(existsSync(old.path)).toBe(true)
    adding(failing(new ModelSealError('JOURNAL_FAILED', 'No.', { cause: new Error('mine'), hint: 'Free space.' })))
    await expect(pruning()).rejects.toEqual(refusal('JOURNAL_FAILED', { hint: 'Free space.' }))
  })

  test('cannot be written is kept', async () => {
    const cause = Object.assign(new Error('full', { cause: new ModelSealError('ABORTED', 'No.') }), { code: 'ENOSPC' })
    adding(failing(cause))
    await expect(pruning()).rejects.toEqual(refusal('JOURNAL_FAILED', { file: directory, cause }))
    expect(existsSync(old.path)).toBe(true)
  })
})

test('an unknown option is refused with the name of the function', async () => {
  await expect(pruneJournal(directory, { olderThan: '90d', keys: 'x' } as never)).rejects.toEqual(
    refusal('INVALID_ARGUMENT', { message: expect.stringContaining('for pruneJournal') as string }),
  )
})

test('ends when it is aborted', async () => {
  await expect(pruneJournal(directory, { olderThan: '90d', signal: AbortSignal.abort() })).rejects.toEqual(
    refusal('ABORTED'),
  )
})

test.each<[string, unknown]>([
  ['olderThan', 90],
  ['key', 1],
  ['dryRun', 'yes'],
  ['signal', 1],
  ['unknown', true],
])('refuses the option %s: %j', async (option, value) => {
  await expect(pruneJournal(directory, { olderThan: '90d', [option]: value })).rejects.toEqual(
    refusal('INVALID_ARGUMENT', { message: expect.stringContaining(`"${option}"`) as string }),
  )
  expect(existsSync(old.path)).toBe(true)
})

test.each(['1d', '47h', '3 months', '1y', '', '-5d'])('refuses segments older than %j', async (olderThan) => {
  const message = expect.stringMatching(/ ".*": .*\.$/) as string
  await expect(pruneJournal(directory, { olderThan })).rejects.toThrow(refusal('INVALID_ARGUMENT', { message }))
})

test('refuses segments of any age', async () => {
  const message = expect.stringMatching(/ undefined\.$/) as string
  await expect(pruneJournal(directory, {} as never)).rejects.toThrow(refusal('INVALID_ARGUMENT', { message }))
})
