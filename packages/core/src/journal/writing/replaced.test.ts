import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { JOURNAL_CHANNEL, type JournalState } from '../../events.ts'
import { recordsOf } from '../../testing/journal-reading.ts'
import { TestJournal } from '../../testing/journals.ts'
import { refusal, scratch } from '../../testing/scratch.ts'
import { verifyJournal } from '../reading/verify-journal.ts'
import { Segment } from './segments/segment.ts'
import { JournalWriter } from './writer.ts'

// Journals that somebody moves or deletes, completely or in part, while they are written.

function writerIn(directory: string): JournalWriter {
  return new JournalWriter({
    directory,
    place: 'test',
    required: false,
    durability: 'interval',
    service: 'test',
    paths: 'full',
  })
}

function record(writer: JournalWriter, path: string, isRequired = false, isSynced = false): Promise<void> {
  return new Promise((resolve, reject) =>
    writer.add({
      make: () => [{ type: 'policy', time: new Date().toISOString(), path }],
      isSynced,
      isRequired,
      ended: (failure) => (failure ? reject(failure) : resolve()),
      at: {},
    }),
  )
}

/** A writer whose first record is committed, and what it reports from then on. */
async function started(directory: string) {
  const codes: (string | undefined)[] = []
  const hear = (state: unknown) => void codes.push((state as JournalState).error?.code)
  subscribe(JOURNAL_CHANNEL, hear)
  onTestFinished(() => void unsubscribe(JOURNAL_CHANNEL, hear))
  const writer = writerIn(directory)
  await writer.start()
  await record(writer, 'a')
  await vi.waitFor(() => expect(readdirSync(join(directory, 'commits'))).toContain('0000000000.json'), 5_000)
  return { writer, codes }
}

const whatIn = (directory: string) =>
  recordsOf(directory).map((one) => (one.type === 'policy' ? one.path : one.type === 'lost' ? one.count : one.type))

test.each([false, true])(
  'a journal in the place of one that was moved gets no commit of it (required: %s)',
  async (isRequired) => {
    const directory = join(scratch(), 'journal')
    const { writer, codes } = await started(directory)
    renameSync(directory, `${directory}-moved`)
    await writerIn(directory).start()
    await record(writer, 'b', isRequired)
    await vi.waitFor(() => expect(codes).toContain('JOURNAL_FAILED'), 5_000)
    await record(writer, 'c')
    writer.endNow([])
    // What is not required may be written just before somebody looks.
    const found = [['segment', 2, 'b', 'c', 'close'], ...(isRequired ? [] : [['segment', 3, 'c', 'close']])]
    expect(found).toContainEqual(whatIn(directory))
    expect(await verifyJournal(directory)).toMatchObject({ holds: true, uncovered: 0 })
    expect(await verifyJournal(`${directory}-moved`)).toMatchObject({ holds: true, checkpoint: { size: 1 } })
  },
)

test('nothing that is required goes to a segment that was deleted, and the others are counted as lost', async () => {
  const directory = join(scratch(), 'journal')
  const { writer, codes } = await started(directory)
  rmSync(join(directory, 'segments'), { recursive: true })
  await record(writer, 'b', true)
  writer.endNow([])
  expect(codes).toContain('JOURNAL_FAILED')
  expect(whatIn(directory)).toEqual(['segment', 2, 'b', 'close'])
  expect((await verifyJournal(directory)).problems).toMatchObject([{ kind: 'missing' }])
})

const REMOVALS: [string, (directory: string) => void][] = [
  ['the journal is deleted', (directory) => rmSync(directory, { recursive: true })],
  ['its segments are deleted', (directory) => rmSync(join(directory, 'segments'), { recursive: true })],
  ['its segment is replaced', (directory) => eachSegment(directory, (file) => writeFileSync(`${file}.new`, ''))],
  ['its segment is cut', (directory) => eachSegment(directory, (file) => truncateSync(file, 10))],
]

function eachSegment(directory: string, change: (file: string) => void): void {
  for (const name of readdirSync(join(directory, 'segments'))) {
    const file = join(directory, 'segments', name)
    change(file)
    if (existsSync(`${file}.new`)) renameSync(`${file}.new`, file)
  }
}

describe.each(['prepare', 'write', 'sync'] as const)('before the %s of what is required', (method) => {
  test.each(REMOVALS)('%s: it is refused, and the next one is held', async (_, remove) => {
    const directory = join(scratch(), 'journal')
    const { writer, codes } = await started(directory)
    const original = Segment.prototype[method] as (...given: unknown[]) => never
    const spy = vi.spyOn(Segment.prototype, method).mockImplementationOnce(function (
      this: Segment,
      ...given: unknown[]
    ) {
      remove(directory)
      return original.apply(this, given)
    })
    onTestFinished(() => spy.mockRestore())
    await expect(record(writer, 'b', true, true)).rejects.toMatchObject({ code: 'JOURNAL_FAILED' })
    const before = existsSync(join(directory, 'segments')) ? readdirSync(join(directory, 'segments')) : []
    await record(writer, 'c', true, true)
    writer.endNow([])
    for (const name of before) rmSync(join(directory, 'segments', name))
    expect(whatIn(directory)).toEqual(['segment', 2, 'c', 'close'])
    expect(codes).toContain('JOURNAL_FAILED')
  })
})

test.each([
  ['cut', (file: string) => truncateSync(file, 10)],
  ['appended to', (file: string) => appendFileSync(file, '{"torn')],
])('nothing that is required goes to a segment that was %s', async (_, change) => {
  const directory = join(scratch(), 'journal')
  const { writer, codes } = await started(directory)
  eachSegment(directory, change)
  const [changed = ''] = readdirSync(join(directory, 'segments'))
  await record(writer, 'b', true)
  writer.endNow([])
  expect(codes).toContain('JOURNAL_FAILED')
  rmSync(join(directory, 'segments', changed))
  expect(whatIn(directory)).toEqual(['segment', 2, 'b', 'close'])
})

test('what is not required is written again after a segment that was cut before', async () => {
  const directory = join(scratch(), 'journal')
  const { writer } = await started(directory)
  const [cut = ''] = readdirSync(join(directory, 'segments'))
  truncateSync(join(directory, 'segments', cut), 10)
  void record(writer, 'b')
  await vi.waitFor(() => expect(readdirSync(join(directory, 'segments'))).toHaveLength(2), 5_000)
  await record(writer, 'c', true, true)
  writer.endNow([])
  expect((await verifyJournal(directory)).problems).toMatchObject([{ kind: 'line' }, { kind: 'truncated' }])
  rmSync(join(directory, 'segments', cut))
  expect(whatIn(directory)).toEqual(['segment', 2, 'b', 'c', 'close'])
})

test('a segment that was deleted when its process exits is reported', async () => {
  const directory = join(scratch(), 'journal')
  const { writer, codes } = await started(directory)
  renameSync(join(directory, 'segments'), join(directory, 'elsewhere'))
  writer.endNow([])
  expect(codes).toEqual(['JOURNAL_FAILED'])
})

test('where the directory of segments cannot be made again, what is required is refused', async () => {
  const directory = join(scratch(), 'journal')
  const { writer } = await started(directory)
  rmSync(join(directory, 'journal.json'))
  rmSync(join(directory, 'host.key'))
  renameSync(join(directory, 'segments'), join(directory, 'journal.json'))
  await expect(record(writer, 'b', true)).rejects.toMatchObject({ code: 'JOURNAL_INVALID' })
})

test.each([
  ['commits', 'commits/0000000000.json', 1],
  ['packed commits', 'heads/00000000.jsonl', 256],
])('no journal is created where only journal.json was deleted beside %s', async (_, left, commits) => {
  const directory = join(scratch(), 'journal')
  mkdirSync(directory, { mode: 0o700 })
  const journal = new TestJournal(directory)
  const segment = journal.segment()
  for (let index = 0; index < commits; index++) segment.commit()
  if (left.startsWith('heads')) rmSync(join(directory, 'commits'), { recursive: true })
  renameSync(join(directory, 'journal.json'), `${directory}.json`)
  writeFileSync(join(directory, 'host.key'), journal.key.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 })
  const writer = writerIn(directory)
  await expect(record(writer, 'a', true)).rejects.toThrow(
    refusal('JOURNAL_INVALID', {
      message: expect.stringContaining('its journal.json is missing') as string,
      found: left,
      hint: expect.stringContaining('Restore journal.json') as string,
    }),
  )
  expect(existsSync(join(directory, 'journal.json'))).toBe(false)
  renameSync(`${directory}.json`, join(directory, 'journal.json'))
  await record(writer, 'b', true)
  writer.endNow([])
  expect(await verifyJournal(directory)).toMatchObject({ holds: true, uncovered: 0 })
})
