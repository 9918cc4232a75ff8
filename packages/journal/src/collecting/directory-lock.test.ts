import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { readCollected, verifyJournal } from '@modelseal/core/journal'
import { expect, onTestFinished, test, vi } from 'vitest'
import { refusal, scratch } from '../../../core/src/testing/scratch.ts'
import { addLoads, Site } from '../testing/collecting.ts'
import { lockForCollector, lockForSending } from './directory-lock.ts'

test('a second collector cannot use a directory until the first has ended', async () => {
  const site = await Site.create()
  await expect(site.start()).rejects.toThrow(refusal('JOURNAL_IN_USE', { file: site.stored }))
  const { journal } = site.journal()
  await site.push(journal.directory)
  await site.collector.close()
  await site.start()
  await site.collector.close()
  // One that cannot listen lets go of it.
  await expect(site.start({}, '192.0.2.1:8443')).rejects.toThrow(refusal('JOURNAL_FAILED'))
  await site.start()
})

/** Holds the lock in another process. */
async function held(sql: string, file: string) {
  const code = `const { DatabaseSync } = require('node:sqlite'); const d = new DatabaseSync(${JSON.stringify(file)})
    d.exec(${JSON.stringify(sql)}); console.log('held'); setInterval(() => d, 1000)`
  const child = spawn(process.execPath, ['--no-warnings', '-e', code], { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  return async () => {
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
}

test('the lock of a process that was killed ends with it', async () => {
  const directory = scratch()
  const kill = await held('BEGIN EXCLUSIVE', join(directory, '.collector.lock'))
  expect(() => lockForCollector(directory)).toThrow(refusal('JOURNAL_IN_USE'))
  await kill()
  lockForCollector(directory).release()
})

test('a lock that is damaged, or cannot be created, is refused', () => {
  const directory = scratch()
  writeFileSync(join(directory, '.collector.lock'), 'x'.repeat(5_000))
  expect(() => lockForCollector(directory)).toThrow(refusal('JOURNAL_FAILED'))
  rmSync(join(directory, '.collector.lock'))
  lockForCollector(directory).release()
  expect(() => lockForCollector(join(directory, 'missing'))).toThrow(refusal('JOURNAL_FAILED'))
})

test('a journal is sent to one collector at a time', async () => {
  const directory = scratch()
  const locks = [lockForSending(directory, 'https://one/'), lockForSending(directory, 'https://one/')]
  expect(() => lockForSending(directory, 'https://two/')).toThrow(refusal('JOURNAL_IN_USE', { file: directory }))
  locks[0]!.release()
  expect(() => lockForSending(directory, 'https://two/')).toThrow(refusal('JOURNAL_IN_USE'))
  locks[1]!.release()
  locks[1]!.release()
  const other = lockForSending(directory, 'https://two/')
  expect(() => lockForSending(directory, 'https://one/')).toThrow(refusal('JOURNAL_IN_USE'))
  other.release()
  const kill = await held('BEGIN; SELECT * FROM collector', join(directory, '.push.lock'))
  expect(() => lockForSending(directory, 'https://one/')).toThrow(refusal('JOURNAL_IN_USE'))
  await kill()
  lockForSending(directory, 'https://one/').release()
})

test('several processes that send a journal to one collector lose and double nothing', async () => {
  const site = await Site.create()
  const { journal, segment } = site.journal()
  const ended = new AbortController()
  const options = { follow: true, interval: 5, signal: ended.signal }
  const following = [site.push(journal.directory, options), site.push(journal.directory, options)]
  for (let round = 0; round < 40; round++) {
    addLoads(segment, 3)
    if (round % 5 === 0) await site.push(journal.directory)
  }
  await expect(site.push(journal.directory, { to: 'https://other.example' })).rejects.toThrow(refusal('JOURNAL_IN_USE'))
  const collected = () => {
    const read = readCollected(readFileSync(join(journal.directory, 'collected.json'), 'utf8'))
    return 'collected' in read ? read.collected : undefined
  }
  await site.push(journal.directory)
  await vi.waitFor(
    () => expect(collected()).toMatchObject({ size: 41, segments: { [segment.id]: segment.bytes } }),
    10_000,
  )
  ended.abort()
  await Promise.all(following)
  expect(site.events.map(({ event }) => event)).toEqual(['created'])
  expect(await verifyJournal(site.directoryOf(journal))).toMatchObject({ holds: true, records: 124, uncovered: 0 })
  expect(await verifyJournal(journal.directory)).toMatchObject({ holds: true, records: 124 })
  expect(existsSync(join(journal.directory, '.push.lock'))).toBe(true)
})

test('a journal that is begun anew while it is followed is sent as another one', async () => {
  const site = await Site.create()
  const { journal } = site.journal()
  const ended = new AbortController()
  const onEvent = vi.fn()
  const pushed = site.push(journal.directory, { follow: true, interval: 500, signal: ended.signal, onEvent })
  await vi.waitFor(() => expect(onEvent).toHaveBeenCalled(), { timeout: 20_000 })
  const { journal: next } = site.journal('host-a', 'next')
  site.copy('next', 'host-a')
  await vi.waitFor(() => expect(existsSync(site.directoryOf(next))).toBe(true), 5_000)
  await vi.waitFor(() => expect(onEvent).toHaveBeenCalledTimes(2), 5_000)
  expect(await verifyJournal(site.directoryOf(next))).toMatchObject({ holds: true, records: 4 })
  ended.abort()
  await pushed
})
