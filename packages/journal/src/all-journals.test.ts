import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import { TestJournal } from '../../core/src/testing/journals.ts'
import { refusal, scratch } from '../../core/src/testing/scratch.ts'
import { allJournals, keyFor } from './all-journals.ts'
import { verifyJournals } from './verifying/verify-journals.ts'

let collected: string
beforeEach(() => {
  collected = scratch()
  for (const host of ['host-a', 'host-b']) {
    mkdirSync(join(collected, host))
    new TestJournal(join(collected, host), host).segment().commit()
  }
  mkdirSync(join(collected, 'something else'))
})

const both = () => [join(collected, 'host-a'), join(collected, 'host-b')]

test('a directory of journals stands for all of them', async () => {
  expect([...(await allJournals([collected])).keys()]).toEqual(both())
})

test('a journal whose journal.json was deleted does not disappear from a directory of journals', async () => {
  rmSync(join(collected, 'host-b/journal.json'))
  expect([...(await allJournals([collected])).keys()]).toEqual(both())
  expect(await verifyJournals([collected])).toMatchObject([
    { holds: true },
    { holds: false, directory: join(collected, 'host-b'), error: { code: 'FILE_NOT_FOUND' } },
  ])
})

test('a journal is read once, however its path is written', async () => {
  const [first] = both() as [string, string]
  const given = [`${first}/`, first, `${collected}/./host-a`, collected]
  expect([...(await allJournals(given))]).toEqual([
    [`${first}/`, undefined],
    [join(collected, 'host-b'), undefined],
  ])
  expect([...(await allJournals(given, { [first]: 'key' })).values()]).toEqual(['key', undefined])
})

test('what is neither a journal nor contains any is left to whoever reads it', async () => {
  const file = join(collected, 'file')
  writeFileSync(file, '')
  expect([...(await allJournals([file, join(collected, 'nowhere')])).keys()]).toEqual([
    file,
    join(collected, 'nowhere'),
  ])
})

test('refuses one key for several journals', async () => {
  await expect(allJournals([collected], { [collected]: 'key' })).rejects.toThrow(refusal('INVALID_ARGUMENT'))
})

test('only a key that was given is that of a journal', () => {
  expect(keyFor('constructor', {})).toBeUndefined()
  expect(keyFor('constructor', { constructor: 'key' })).toBe('key')
})
