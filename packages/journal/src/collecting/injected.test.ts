import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { verifyJournal } from '@modelseal/core/journal'
import { describe, expect, test } from 'vitest'
import { writeLine } from '../../../core/src/journal/format/line.ts'
import { loadRecord, type TestJournal, type TestSegment } from '../../../core/src/testing/journals.ts'
import { addLoads, asked, Site } from '../testing/collecting.ts'

describe('someone with the token of a host, but not its key,', () => {
  /** Lines that follow those of a segment, as anyone can write them. */
  function forged(segment: TestSegment, loads: number, bytes = 666_000): Buffer {
    const text = readFileSync(segment.path, 'utf8').trimEnd()
    let check = /"~check":"([0-9a-f]{16})"\}$/.exec(text)?.[1] ?? ''
    const lines = Array.from({ length: loads }, (_, index) => {
      const line = writeLine(loadRecord({ bytes: bytes + index }), check)
      check = line.check
      return line.bytes
    })
    return Buffer.concat(lines)
  }

  async function inject(site: Site, journal: TestJournal, segment: TestSegment, loads = 5): Promise<void> {
    const path = `/v1/journals/${journal.file.id}/segments/${segment.id}?offset=${segment.bytes}`
    expect(await asked(site, 'PUT', path, { content: forged(segment, loads) })).toMatchObject({ status: 200 })
  }

  const replaced = (site: Site) => site.events.filter(({ event }) => event === 'replaced').length
  const evidenceOf = (site: Site, journal: TestJournal) => readdirSync(join(site.directoryOf(journal), 'evidence'))

  test('cannot keep its lines from the collector', async () => {
    const site = await Site.create()
    const { journal, segment } = site.journal()
    await site.push(journal.directory)
    await inject(site, journal, segment)
    expect(await verifyJournal(site.directoryOf(journal))).toMatchObject({ holds: true, uncovered: 5 })
    addLoads(segment, 2)
    expect(await site.push(journal.directory)).toMatchObject({ commits: 1 })
    expect(await verifyJournal(site.directoryOf(journal))).toMatchObject({ holds: true, records: 6, uncovered: 0 })
    expect(readFileSync(join(site.directoryOf(journal), `segments/${segment.id}.jsonl`))).toEqual(
      readFileSync(segment.path),
    )
    expect(replaced(site)).toBe(1)
    const [kept = ''] = evidenceOf(site, journal)
    expect(kept).toMatch(new RegExp(`^tail-[0-9a-f]{32}-${segment.id}\\.jsonl$`))
    expect(readFileSync(join(site.directoryOf(journal), 'evidence', kept), 'utf8')).toContain('"bytes":666000')
  })

  test('cannot do so in the place of lines that were collected and not covered', async () => {
    const site = await Site.create()
    const { journal, segment } = site.journal()
    await site.push(journal.directory)
    const forgery = forged(segment, 3)
    const before = segment.bytes
    segment.add(loadRecord({ bytes: 7 }))
    segment.flush()
    const path = `/v1/journals/${journal.file.id}/segments/${segment.id}?offset=${before}`
    const own = readFileSync(segment.path).subarray(before)
    expect(await asked(site, 'PUT', path, { content: own })).toMatchObject({ body: { bytes: segment.bytes } })
    const collected = join(journal.directory, 'collected.json')
    const confirmed = readFileSync(collected, 'utf8').replace(
      `"${segment.id}":${before}`,
      `"${segment.id}":${segment.bytes}`,
    )
    writeFileSync(collected, confirmed)
    expect(await asked(site, 'PUT', path, { content: forgery })).toMatchObject({ status: 200 })
    segment.commit()
    // The host takes its line for confirmed, until the signed commit contradicts the other ones.
    expect(await site.push(journal.directory)).toMatchObject({ commits: 1 })
    expect(await verifyJournal(site.directoryOf(journal))).toMatchObject({ holds: true, records: 5, uncovered: 0 })
    addLoads(segment, 1)
    await site.push(journal.directory)
    expect(await verifyJournal(site.directoryOf(journal))).toMatchObject({ holds: true, records: 6, uncovered: 0 })
    expect(evidenceOf(site, journal)).toHaveLength(2)
  })

  test('cannot change what is covered, add to a segment that ended, or fill the disk with evidence', async () => {
    const site = await Site.create()
    const { journal, segment } = site.journal()
    await site.push(journal.directory)
    const path = `/v1/journals/${journal.file.id}/segments/${segment.id}?offset=`
    const other = Buffer.from(readFileSync(segment.path, 'latin1').replace('"bytes":1', '"bytes":7'), 'latin1')
    expect(await asked(site, 'PUT', `${path}0`, { content: other })).toMatchObject({
      status: 409,
      body: { error: { code: 'JOURNAL_INCONSISTENT' } },
    })
    for (let index = 0; index < 15; index++) {
      const content = forged(segment, 2, index)
      expect(await asked(site, 'PUT', `${path}${segment.bytes}`, { content })).toMatchObject({
        body: { bytes: segment.bytes + content.length },
      })
    }
    expect(replaced(site)).toBe(14)
    await inject(site, journal, segment)
    segment.commit({ end: true })
    await site.push(journal.directory)
    expect(await verifyJournal(site.directoryOf(journal))).toMatchObject({ holds: true, records: 4, uncovered: 0 })
    expect(await asked(site, 'PUT', `${path}${segment.bytes}`, { content: forged(segment, 1) })).toMatchObject({
      status: 409,
      body: { error: { code: 'JOURNAL_INCONSISTENT' } },
    })
    expect(evidenceOf(site, journal).length).toBeLessThanOrEqual(10)
  })
})
