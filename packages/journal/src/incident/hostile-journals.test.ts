import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { RecordOf } from '@modelseal/core/journal'
import type { WriterKey } from '../../../core/src/journal/format/writer-key.ts'
import {
  digestOf,
  loadRecord,
  signerRecord,
  testWriter,
  TestJournal,
  type TestSegment,
} from '../../../core/src/testing/journals.ts'
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

test('more signers than are read are told', async () => {
  const a = journalOf('host-a')
  const segment = a.segment()
  for (let number = 0; number < 1_000; number += 50)
    segment.add(loadRecord({ signers: Array.from({ length: 50 }, (_, more) => signerRecord(`${number + more}`)) }))
  segment.commit()
  const { signers, unknown } = await findIncident([a.directory], { model: VAD })
  expect(signers.items).toHaveLength(1_000)
  expect(unknown.join()).toContain('Only the first thousand entries')
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

describe('another writer cannot say that a load has ended', () => {
  const time = '2026-11-02T11:00:00.000Z'
  const end = (segment: TestSegment): RecordOf<'end'> => ({
    type: 'end',
    time,
    load: 1,
    segment: segment.id,
    why: 'closed',
  })
  const loaded = (journal: TestJournal, hour: number, given: Partial<RecordOf<'segment'>> = {}, writer?: WriterKey) => {
    const segment = journal.segment({ time: `2026-11-01T0${hour}:00:00.000Z`, ...given }, writer)
    segment.add(loadRecord({ rootDigest: digestOf(`model of ${hour}`) }))
    segment.commit()
    return segment
  }
  const asked = async (journal: TestJournal, hour = 1) => {
    const incident = await findIncident([journal.directory], { model: digestOf(`model of ${hour}`) })
    expect(await findIncident([journal.directory], { model: digestOf(`model of ${hour}`), anew: true })).toEqual({
      ...incident,
      at: expect.any(String) as string,
    })
    const { total, loadedNow, complete, journals, refusals } = incident
    return { live: total.live, loadedNow, complete, problems: journals[0]?.problems.length, refusals: refusals.items }
  }
  const UNCHANGED = { live: 1, loadedNow: 'unknown', complete: false, refusals: [] }

  test.each([
    ['of another process', {}, { pid: 666 }],
    ['of another thread', {}, { thread: 1 }],
    ['of another process that had the same number', {}, { started: '2026-10-01T00:00:00.000Z' }],
    ['that does not continue its segment', {}, {}],
  ])('in a segment %s', async (_, first, second) => {
    const journal = journalOf('host-a')
    const victim = loaded(journal, 1, first)
    const other = loaded(journal, 2, second)
    for (const record of [end(victim), { ...end(victim), type: 'revoked', why: undefined } as never]) other.add(record)
    other.close()
    expect(await asked(journal)).toMatchObject({ ...UNCHANGED, problems: 2 })
  })

  test('in one that claims to continue its segment, with a key of its own, and ends properly', async () => {
    const journal = journalOf('host-a')
    const victim = loaded(journal, 1)
    const other = loaded(journal, 2, { continues: victim.id }, testWriter('attacker'))
    other.add(end(victim))
    other.close()
    expect(await asked(journal)).toMatchObject({ ...UNCHANGED, problems: 2 })
  })

  test('in one that states its key, without its signature', async () => {
    const journal = journalOf('host-a')
    const victim = loaded(journal, 1)
    const { publicKey: key } = journal.writers.get(victim.id)!
    const other = loaded(journal, 2, { key, continues: victim.id }, testWriter('attacker'))
    other.add(end(victim))
    other.close()
    expect(await asked(journal)).toMatchObject({ ...UNCHANGED, problems: 2 })
  })

  test('in one that was read before', async () => {
    const journal = journalOf('host-a')
    const other = journal.segment({ time: '2026-11-01T00:00:00.000Z', pid: 666 })
    const victim = journal.segment({ time: '2026-11-01T01:00:00.000Z' })
    other.add(end(victim))
    other.close()
    expect(await asked(journal)).toMatchObject({ live: 0, loadedNow: 'no', complete: true })
    victim.add(loadRecord({ rootDigest: digestOf('model of 1') }))
    victim.commit()
    expect(await asked(journal)).toMatchObject({ ...UNCHANGED, problems: 1 })
  })

  test('in the journal of another host, even if that says that it continues the segment', async () => {
    const [a, b] = [journalOf('host-a'), journalOf('host-b')]
    const victim = loaded(a, 1)
    const other = loaded(b, 2, { continues: victim.id })
    other.add(end(victim))
    other.close()
    const { total, loadedNow, complete } = await findIncident([b.directory, a.directory], {
      model: digestOf('model of 1'),
    })
    expect({ live: total.live, loadedNow, complete }).toEqual({ live: 1, loadedNow: 'unknown', complete: true })
  })

  test('in a copy of its own segment, in a journal of another key', async () => {
    const [a, b] = [journalOf('host-a'), journalOf('host-b')]
    const victim = loaded(a, 1)
    const forged = loaded(b, 1, { segment: victim.id })
    forged.add({ ...end(victim), segment: undefined } as never)
    forged.close()
    const { total, loadedNow } = await findIncident([a.directory, b.directory], { model: digestOf('model of 1') })
    expect({ loads: total.loads, live: total.live, loadedNow }).toEqual({ loads: 2, live: 1, loadedNow: 'unknown' })
  })

  test('but the same one can, whatever the order of its segments', async () => {
    const journal = journalOf('host-a')
    const writer = testWriter('one')
    const continues = '1762000000000-0123456789abcdef'
    const last = journal.segment({ time: '2026-11-01T01:00:00.000Z', continues }, writer)
    last.commit()
    expect(await asked(journal, 3)).toMatchObject({ live: 0, complete: true })
    const first = loaded(journal, 3, {}, writer)
    expect(await asked(journal, 3)).toMatchObject({ live: 1, complete: true })
    last.add(end(first))
    last.commit()
    expect(await asked(journal, 3)).toMatchObject({ live: 0, loadedNow: 'no', complete: true })
    // The one between them has an ID between theirs, because the clock was set back.
    const between = journal.segment({
      time: '2026-11-01T02:00:00.000Z',
      segment: '1762000000000-0123456789abcdef',
      continues: first.id,
    })
    between.commit()
    expect(await asked(journal, 3)).toMatchObject({ live: 0, loadedNow: 'no', complete: true, problems: 0 })
  })
})

describe('a commit that the key of the journal did not sign is not believed', () => {
  test.each([
    ['retired', { retired: true as const }],
    ['ended', { end: true as const }],
  ])('that a segment %s, even if the next one is signed over it', async (_, more) => {
    const journal = journalOf('host-a')
    const [victim, other] = [journal.segment(), journal.segment({ time: '2026-11-01T01:00:00.000Z' })]
    victim.add(loadRecord())
    for (const segment of [victim, other]) segment.commit()
    await findIncident([journal.directory], { model: VAD })
    const { id: segment, bytes, tree } = victim
    const leaf = {
      segment,
      size: tree.size,
      root: tree.root().toString('hex'),
      bytes,
      time: '2026-11-01T02:00:00.000Z',
    }
    journal.commit({ ...leaf, ...more }, journalOf('attacker').key)
    rmSync(victim.path)
    for (let number = 0; number < 300; number++) {
      other.add({ type: 'alive', time: '2026-11-01T03:00:00.000Z' })
      other.commit()
    }
    for (const anew of [false, true]) {
      const { loadedNow, complete, journals } = await findIncident([journal.directory], { model: VAD, anew })
      expect({ loadedNow, complete, holds: journals[0]?.holds }).toEqual({
        loadedNow: 'unknown',
        complete: false,
        holds: false,
      })
      expect(journals[0]?.problems.join()).toMatch(/missing, and no commit says.*not signed by the key of the journal/)
    }
  })
})
