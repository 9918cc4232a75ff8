import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { digestOf, loadRecord, TestJournal } from '../../../core/src/testing/journals.ts'
import { findIncident } from './find-incident.ts'

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'modelseal-journal-'))
  vi.stubEnv('MODELSEAL_CACHE', join(root, 'cache'))
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

function journalOf(host: string): TestJournal {
  mkdirSync(join(root, host))
  return new TestJournal(join(root, host), host)
}

const VAD = digestOf('vad')

test('a time that does not exist is a problem of its journal, and the others are read', async () => {
  const [a, b] = [journalOf('host-a'), journalOf('host-b')]
  const [bad, good] = [a.segment(), b.segment()]
  bad.add(loadRecord({ time: '9999-99-99T99:99:99.999Z' }))
  bad.commit()
  good.add(loadRecord())
  good.commit()
  const incident = await findIncident([a.directory, b.directory], { model: VAD })
  expect(incident).toMatchObject({ complete: false, total: { loads: 1 } })
  expect(incident.journals.map(({ holds }) => holds)).toEqual([false, true])
})

test('numbers of lost records that no number can hold together are counted all the same', async () => {
  const a = journalOf('host-a')
  for (const time of ['2026-11-01T00:00:00.000Z', '2026-11-01T00:00:01.000Z']) {
    const segment = a.segment({ time })
    for (let index = 0; index < 3; index++)
      segment.add({ type: 'lost', time, count: Number.MAX_SAFE_INTEGER, code: 'ENOSPC' })
    segment.add(loadRecord())
    segment.commit()
  }
  const { total, journals } = await findIncident([a.directory], { model: VAD })
  expect(total.loads).toBe(2)
  expect(journals[0]?.lost).toBeGreaterThanOrEqual(Number.MAX_SAFE_INTEGER)
})

test('no path or name hides another with the same parts', async () => {
  const a = journalOf('host-a')
  const [one, two] = [digestOf('one'), digestOf('two')]
  const segment = a.segment()
  segment.add(loadRecord({ policy: { path: `p,${one}`, digest: two } }))
  segment.add(loadRecord({ policy: { path: `p\0${one}`, digest: two } }))
  segment.add(loadRecord({ policy: { path: 'p', digest: one, includes: [two] } }))
  segment.commit()
  expect((await findIncident([a.directory], { policy: one })).total.loads).toBe(1)
  expect((await findIncident([a.directory], { policy: two })).total.loads).toBe(3)
  const places = [
    { service: 'a\0b', host: 'c' },
    { service: 'a', host: 'b\0c' },
    { service: 'a', host: 'b' },
  ]
  for (const [index, place] of places.entries()) {
    const other = a.segment({ ...place, pid: index, segment: `176252000000${index}-0123456789abcdef` })
    other.add(loadRecord({ rootDigest: digestOf('named') }))
    other.commit()
  }
  const { services, models } = await findIncident([a.directory], { model: digestOf('named') })
  expect(services.items.map(({ service, host }) => [service, host]).sort()).toEqual([
    ['a', 'b'],
    ['a', 'b\u2400c'],
    ['a\u2400b', 'c'],
  ])
  expect(models.items[0]?.loadedBy).toHaveLength(3)
  expect(models.items[0]?.loadedBy).toContainEqual({ service: 'a\u2400b', host: 'c' })
})

test('a process whose clock was ahead is not taken to run until then', async () => {
  const a = journalOf('host-a')
  const segment = a.segment()
  segment.add(loadRecord({ time: new Date(Date.now() + 30 * 86_400_000).toISOString() }))
  segment.commit()
  const { loadedNow, total } = await findIncident([a.directory], { model: VAD })
  expect({ loadedNow, live: total.live }).toEqual({ loadedNow: 'unknown', live: 1 })
})

test('a journal whose segments cannot be listed is not taken for an empty one', async () => {
  const a = journalOf('host-a')
  rmSync(join(a.directory, 'segments'), { recursive: true })
  writeFileSync(join(a.directory, 'segments'), '')
  await expect(findIncident([a.directory], { model: VAD })).rejects.toMatchObject({ code: 'FILE_UNREADABLE' })
})
