import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { digestOf, loadRecord, signerRecord, TestJournal } from '../../../core/src/testing/journals.ts'
import { scratch } from '../../../core/src/testing/scratch.ts'
import { exportJournals, type ExportOptions } from './export-journals.ts'

const HOSTILE = "=cmd|' /C calc'!A0\"\r\n;+1\u202e"

function journalWith(name = 'host-a') {
  const journal = new TestJournal(join(scratch(), 'journal'), name)
  const segment = journal.segment()
  const load = segment.add(loadRecord({ model: { path: '/srv/models/vad', name: HOSTILE } }))
  segment.add({ type: 'end', time: '2026-11-03T00:00:00.000Z', load, why: 'closed' })
  segment.commit()
  return { journal, segment, directory: journal.directory }
}

async function exported(directories: string[], options: Partial<ExportOptions>) {
  let text = ''
  const write = (more: string) => {
    text += more
    return true
  }
  const result = await exportJournals(directories, { format: 'json', write, ...options })
  return { text, ...result }
}

test('JSON lines have the process of each record, and an end names its load', async () => {
  const { directory, journal, segment } = journalWith()
  const { text, complete, records } = await exported([directory], {})
  const lines = text.trimEnd().split('\n')
  expect({ complete, records }).toEqual({ complete: true, records: 3 })
  const writer = { journal: journal.file.id, host: 'host-a', service: 'transcribe', pid: 4711, thread: 0 }
  expect(lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([
    { ...writer, id: `${segment.id}/0`, record: { type: 'segment' } },
    { ...writer, id: `${segment.id}/1`, record: { type: 'load', model: { name: HOSTILE } } },
    { ...writer, id: `${segment.id}/2`, load: `${segment.id}/1`, record: { type: 'end', why: 'closed' } },
  ])
  expect(text).not.toMatch(/\u202e/)
})

test('events have what CloudEvents 1.0 demands', async () => {
  const { directory, journal, segment } = journalWith()
  const { text } = await exported([directory], { format: 'cloudevents', types: ['load'] })
  expect(JSON.parse(text)).toEqual({
    specversion: '1.0',
    id: `${segment.id}/1`,
    source: `modelseal.journal/${journal.file.id}`,
    type: 'modelseal.load',
    time: '2026-11-02T10:00:00.000Z',
    subject: '/srv/models/vad',
    datacontenttype: 'application/json',
    data: {
      host: 'host-a',
      service: 'transcribe',
      pid: 4711,
      thread: 0,
      record: loadRecord({ model: { path: '/srv/models/vad', name: HOSTILE } }),
    },
  })
})

test('a table has fixed columns, and no cell that a spreadsheet takes for a formula', async () => {
  const { directory, segment } = journalWith()
  const { text } = await exported([directory], { format: 'csv', types: ['load', 'end'] })
  expect(text.split('\r\n')[0]).toBe(
    'time,type,host,service,pid,thread,journal,id,load,decision,code,wouldRefuse,rule,mode,by,path,url,revision,name,format,' +
      'rootDigest,policy,policyDigest,signers,fingerprints,counted,claims,bytes,milliseconds,why,source,feed,sequence,lost',
  )
  const [header = [], load = [], end = []] = rowsOf(text)
  const cell = (row: string[], name: string) => row[header.indexOf(name)]
  expect([header.length, load.length, end.length]).toEqual([34, 34, 34])
  expect(cell(load, 'name')).toBe("'=cmd|' /C calc'!A0\"\\u{d}\\u{a};'+1\\u{202e}")
  expect(cell(load, 'signers')).toBe('release')
  expect(cell(load, 'rootDigest')).toBe(digestOf('vad'))
  expect(cell(end, 'load')).toBe(`${segment.id}/1`)
  expect(cell(end, 'why')).toBe('closed')
})

test.each([
  '=1',
  '+1',
  '-1',
  '@a',
  '\ta',
  '\r=1',
  '＝1',
  'a;=1',
  'a;  -1',
  'a\n@b',
  'a\t+b',
  'a;"=1',
  'a; ""-1',
  ' =1',
  '\u00a0 -1',
])('the name %j is never a formula', async (name) => {
  const journal = new TestJournal(join(scratch(), 'journal'))
  const segment = journal.segment({ service: name })
  segment.add(loadRecord({ signers: [signerRecord(name), signerRecord('=2')] }))
  segment.commit()
  const { text } = await exported([journal.directory], { format: 'csv', types: ['load'] })
  const cells = rowsOf(text)
    .flat()
    .flatMap((one) => one.split(/[;\t\r\n][ "]*/))
    .map((one) => one.trimStart())
  expect(cells.filter((one) => /^[=+\-@＝]/.test(one))).toEqual([])
})

test('only what was asked for is written, of several journals', async () => {
  const [one, other] = [journalWith(), journalWith('host-b')]
  const directories = [one.directory, other.directory, one.directory]
  const { records } = await exported(directories, { since: new Date('2026-11-03'), until: new Date('2026-11-04') })
  expect(records).toBe(2)
  expect((await exported(directories, { until: new Date('2026-11-03') })).records).toBe(4)
})

test('a journal that does not hold is exported up to the changed record, and not complete', async () => {
  const { directory, segment } = journalWith()
  const text = readFileSync(segment.path, 'utf8')
  writeFileSync(segment.path, text.replace('"why":"closed"', '"why":"exit"'))
  const { records, complete, journals } = await exported([directory], {})
  expect({ records, complete }).toEqual({ records: 2, complete: false })
  expect(journals[0]?.problems[0]).toMatchObject({ kind: 'line', index: 2 })
})

test('ends as soon as nobody takes the text, and when it is aborted', async () => {
  const { directory } = journalWith()
  const { complete } = await exported([directory], { write: () => false })
  expect(complete).toBe(false)
  await expect(exported([directory], { signal: AbortSignal.abort() })).rejects.toEqual(refusal('ABORTED'))
})

test('refuses options that cannot be meant', async () => {
  const { directory } = journalWith()
  const refused = refusal('INVALID_ARGUMENT')
  await expect(exported([], {})).rejects.toEqual(refused)
  await expect(exported([directory], { format: 'xml' as 'csv' })).rejects.toEqual(refused)
  await expect(exported([directory], { types: ['laod'] })).rejects.toEqual(refused)
  const time = new Date()
  await expect(exported([directory], { since: time, until: time })).rejects.toEqual(refused)
  await expect(exported([directory, join(directory, 'no')], {})).rejects.toEqual(refusal('FILE_NOT_FOUND'))
})

function refusal(code: string): Error {
  return expect.objectContaining({ code }) as Error
}

/** RFC 4180. */
function rowsOf(text: string): string[][] {
  const cells = text.matchAll(/("(?:[^"]|"")*"|[^,\r\n]*)(,|\r\n)/g)
  const rows: string[][] = [[]]
  for (const [, cell = '', end] of cells) {
    rows.at(-1)!.push(cell.startsWith('"') ? cell.slice(1, -1).replaceAll('""', '"') : cell)
    if (end !== ',') rows.push([])
  }
  return rows.slice(0, -1)
}
