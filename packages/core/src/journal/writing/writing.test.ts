import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { JOURNAL_CHANNEL, type JournalState } from '../../events.ts'
import { refusal } from '../../testing/scratch.ts'
import { commitsOf, readSegment, recordsOf, segmentsOf } from '../../testing/journal-reading.ts'
import { scratch } from '../../testing/scratch.ts'
import type { SegmentHead } from '../format/commit.ts'
import { COLLECTED_FILE, writeCollected } from '../format/collected.ts'
import { PACKED, segmentIn, SEGMENTS } from '../format/names.ts'
import type { JournalRecord } from '../format/record.ts'
import { VARIABLE } from '../enabled.ts'
import { Commits } from './commits/commits.ts'
import { openDirectory } from './files/directory.ts'
import type { ToRecord } from './records/waiting-records.ts'
import { retireSegments } from './segments/retention.ts'
import { Segment } from './segments/segment.ts'
import { VERSION } from './segments/segment-record.ts'
import type { JournalSettings } from './settings/settings.ts'
import { runNow, runSoon } from './files/file-work.ts'
import { JournalWriter } from './writer.ts'
import { writersFor } from './writers.ts'

afterEach(() => void vi.restoreAllMocks())

const settingsFor = (directory: string, more: Partial<JournalSettings> = {}): JournalSettings => ({
  directory,
  place: 'test',
  required: false,
  durability: 'interval',
  service: 'test',
  paths: 'full',
  ...more,
})

/** A directory that does not exist yet. */
const fresh = () => join(scratch(), 'journal')

const note = (path: string): JournalRecord => ({ type: 'policy', time: new Date().toISOString(), path })

/** Records something, and waits until it is written; rejects if it was required and could not be. */
function record(
  writer: JournalWriter,
  path: string,
  { isSynced = false, isRequired = false }: Partial<ToRecord> = {},
): Promise<ToRecord> {
  return new Promise((resolve, reject) => {
    const entry: ToRecord = {
      make: () => [note(path)],
      isSynced,
      at: {},
      isRequired,
      ended: (failure) => (failure ? reject(failure) : resolve(entry)),
    }
    writer.add(entry)
  })
}

const pathsIn = (records: readonly JournalRecord[]) =>
  records.flatMap((each) => (each.type === 'policy' ? [each.path] : []))
const typesIn = (records: readonly JournalRecord[]) => records.map(({ type }) => type)

describe('a journal', () => {
  test('is created with a key, private to this user', async () => {
    const directory = fresh()
    const { file } = await openDirectory({ directory, host: 'node-1', key: undefined })
    expect(file.host).toBe('node-1')
    for (const name of ['', 'segments', 'commits', 'heads'])
      expect(statSync(join(directory, name)).mode & 0o777).toBe(0o700)
    for (const name of ['journal.json', 'host.key']) expect(statSync(join(directory, name)).mode & 0o777).toBe(0o600)
    expect(readdirSync(directory).sort()).toEqual(['commits', 'heads', 'host.key', 'journal.json', 'segments'])
  })

  test('is the same for all that create it at once', async () => {
    const directory = fresh()
    const opened = await Promise.all(
      Array.from({ length: 8 }, () => openDirectory({ directory, host: undefined, key: undefined })),
    )
    expect(new Set(opened.map(({ file }) => file.id)).size).toBe(1)
  })

  test.each([
    ['others can enter', 0o755, 'it is not private to this user'],
    ['others can write to', 0o777, 'it is not private to this user'],
  ])('is refused in a directory that %s', async (_, mode, reason) => {
    const directory = fresh()
    mkdirSync(directory)
    chmodSync(directory, mode)
    await expect(openDirectory({ directory, host: undefined, key: undefined })).rejects.toMatchObject({
      code: 'JOURNAL_INVALID',
      message: expect.stringContaining(reason) as string,
    })
  })

  test('is refused if a file is named, and not a directory', async () => {
    const file = fresh()
    writeFileSync(file, '')
    await expect(openDirectory({ directory: file, host: undefined, key: undefined })).rejects.toMatchObject({
      code: 'JOURNAL_INVALID',
      message: expect.stringContaining('it is not a directory') as string,
    })
  })

  test('is refused if its key can be read by others, is missing, or is another', async () => {
    const directory = fresh()
    const open = () => openDirectory({ directory, host: undefined, key: undefined })
    await open()
    const key = readFileSync(join(directory, 'host.key'))
    chmodSync(join(directory, 'host.key'), 0o644)
    await expect(open()).rejects.toMatchObject({ code: 'JOURNAL_INVALID' })
    chmodSync(join(directory, 'host.key'), 0o600)
    const other = fresh()
    await openDirectory({ directory: other, host: undefined, key: undefined })
    const given = { directory, host: undefined, key: join(other, 'host.key') }
    await expect(openDirectory(given)).rejects.toMatchObject({ code: 'JOURNAL_INVALID', message: /another key/ })
    writeFileSync(join(directory, 'host.key'), '')
    await expect(open()).rejects.toMatchObject({ code: 'JOURNAL_INVALID' })
    writeFileSync(join(directory, 'host.key'), key)
    await expect(open()).resolves.toMatchObject({ path: directory })
  })

  test('is refused at every byte at which its file is cut', async () => {
    const directory = fresh()
    const open = () => openDirectory({ directory, host: undefined, key: undefined })
    await open()
    const text = readFileSync(join(directory, 'journal.json'), 'utf8')
    for (let end = 0; end < text.length; end += 7) {
      writeFileSync(join(directory, 'journal.json'), text.slice(0, end))
      await expect(open()).rejects.toMatchObject({ code: 'JOURNAL_INVALID' })
    }
  })
})

describe('a writer', () => {
  test('begins its segment with who it is, and appends in order', async () => {
    const directory = fresh()
    const writer = new JournalWriter(settingsFor(directory, { host: 'node-1' }))
    await Promise.all(Array.from({ length: 200 }, (_, index) => record(writer, `${index}`)))
    const [{ records, tail }] = segmentsOf(directory) as [ReturnType<typeof readSegment>]
    expect(records[0]).toMatchObject({
      type: 'segment',
      service: 'test',
      host: 'node-1',
      pid: process.pid,
      modelseal: VERSION,
    })
    expect(pathsIn(records)).toEqual(Array.from({ length: 200 }, (_, index) => `${index}`))
    expect(tail).toBe('')
  })

  test('says where each record is', async () => {
    const writer = new JournalWriter(settingsFor(fresh()))
    const [first, second] = [await record(writer, 'a'), await record(writer, 'b')]
    expect([first.at.place?.index, second.at.place?.index]).toEqual([1, 2])
  })

  test('commits its head within a second or so, and again when it ends', async () => {
    const directory = fresh()
    const writer = new JournalWriter(settingsFor(directory))
    await record(writer, 'a')
    await vi.waitFor(() => expect(commitsOf(directory)).toHaveLength(1), { timeout: 5_000, interval: 100 })
    await record(writer, 'b')
    writer.endNow([])
    expect(commitsOf(directory).at(-1)?.leaf).toMatchObject({ size: 4, end: true })
    expect(typesIn(recordsOf(directory))).toEqual(['segment', 'policy', 'policy', 'close'])
  })

  test('writes what is in progress or waits when the thread ends', async () => {
    const directory = fresh()
    const writer = new JournalWriter(settingsFor(directory))
    await writer.start()
    for (let index = 0; index < 300; index++) void record(writer, `${index}`)
    await Promise.resolve()
    writer.endNow([])
    expect(pathsIn(recordsOf(directory))).toEqual(Array.from({ length: 300 }, (_, index) => `${index}`))
    expect(commitsOf(directory).at(-1)?.leaf.size).toBe(302)
  })

  test('writes its checkpoint to another file too', async () => {
    const directory = fresh()
    const file = join(scratch(), 'checkpoint')
    const writer = new JournalWriter(settingsFor(directory, { checkpoints: { file } }))
    await record(writer, 'a')
    writer.endNow([])
    expect(readFileSync(file, 'utf8')).toBe(commitsOf(directory).at(-1)?.note)
  })

  test('is one for a thread and a directory, by whatever path', async () => {
    const directory = fresh()
    const link = join(scratch(), 'link')
    symlinkSync(directory, link)
    const found = await Promise.all([
      writersFor([settingsFor(directory)]),
      writersFor([settingsFor(directory), settingsFor(link)]),
      writersFor([settingsFor(link)]),
    ])
    expect(new Set(found.flatMap((writers) => [...writers.keys()])).size).toBe(1)
  })
})

describe('a journal that cannot be written', () => {
  const failing = async () => {
    const directory = fresh()
    const writer = new JournalWriter(settingsFor(directory))
    await record(writer, 'before')
    const write = vi.spyOn(Segment.prototype, 'write')
    const full = () => write.mockRejectedValue(Object.assign(new Error('full'), { code: 'ENOSPC' }))
    full()
    return { directory, writer, write }
  }

  test('refuses what must be recorded, and records the rest later', async () => {
    const { directory, writer, write } = await failing()
    const states: JournalState[] = []
    const heard = (state: unknown) => void states.push(state as JournalState)
    subscribe(JOURNAL_CHANNEL, heard)
    await expect(record(writer, 'required', { isRequired: true })).rejects.toThrow(refusal('JOURNAL_FAILED'))
    await record(writer, 'tried again')
    write.mockRestore()
    await vi.waitFor(() => expect(pathsIn(recordsOf(directory))).toEqual(['before', 'tried again']), { timeout: 3_000 })
    await vi.waitFor(() => expect(states.at(-1)).not.toHaveProperty('error'), { timeout: 20_000 })
    unsubscribe(JOURNAL_CHANNEL, heard)
    expect(states[0]?.error).toMatchObject({ code: 'JOURNAL_FAILED' })
    expect(typesIn(recordsOf(directory))).not.toContain('lost')
  })

  test('counts what it has no memory for, and says so as soon as it can', async () => {
    const { directory, writer, write } = await failing()
    await record(writer, 'first')
    for (let index = 0; index < 1_500; index++) void record(writer, `${index}`)
    await record(writer, 'last')
    write.mockRestore()
    const lostIn = (records: readonly JournalRecord[]) =>
      records.flatMap((each) => (each.type === 'lost' ? [each] : []))
    await vi.waitFor(
      () => {
        const records = recordsOf(directory)
        const lost = lostIn(records).reduce((sum, { count }) => sum + count, 0)
        expect([lost > 0, lost + pathsIn(records).length]).toEqual([true, 1_503])
      },
      { timeout: 10_000, interval: 100 },
    )
    const lost = lostIn(recordsOf(directory))
    expect(lost[0]?.code).toBe('ENOSPC')
  })

  test('goes on in another segment if the disk fails to sync', async () => {
    const directory = fresh()
    const writer = new JournalWriter(settingsFor(directory))
    const { sync } = Segment.prototype
    let failures = 0
    vi.spyOn(Segment.prototype, 'sync').mockImplementation(function (this: Segment) {
      if (failures > 0 || this.size > 2) return sync.call(this)
      failures++
      Object.defineProperty(this, 'isBroken', { value: true })
      return Promise.reject(Object.assign(new Error('sync'), { code: 'EIO' }))
    })
    await expect(record(writer, 'a', { isSynced: true, isRequired: true })).rejects.toThrow(refusal('JOURNAL_FAILED'))
    await record(writer, 'b', { isSynced: true, isRequired: true })
    const segments = segmentsOf(directory)
    expect(segments).toHaveLength(2)
    expect(
      segments
        .flatMap(({ records }) => records)
        .some((each) => each.type === 'segment' && each.continues !== undefined),
    ).toBe(true)
  })

  test('because its directory is missing for ever refuses what is required', async () => {
    const file = join(scratch({ file: '' }), 'file')
    const writer = new JournalWriter(settingsFor(join(file, 'journal')))
    await writer.start()
    await expect(record(writer, 'a', { isRequired: true })).rejects.toThrow(refusal('JOURNAL_FAILED'))
  })
})

describe('commits', () => {
  const head = (number: number) => ({
    segment: `${String(number).padStart(13, '0')}-0000000000000000`,
    size: 1,
    root: '00'.repeat(32),
    bytes: 0,
    time: new Date().toISOString(),
    retired: true as const,
  })

  test('of several writers are one tree, and are packed', async () => {
    const journal = await openDirectory({ directory: fresh(), host: undefined, key: undefined })
    const writers = [new Commits(journal), new Commits(journal), new Commits(journal)]
    const count = 4 * PACKED + 10
    for (let index = 0; index < count; index += 3)
      await Promise.all(writers.map((commits, more) => runSoon(commits.add(head(index + more)))))
    const all = commitsOf(journal.path)
    expect(all.length).toBeGreaterThanOrEqual(count)
    expect(readdirSync(join(journal.path, 'heads'))).toHaveLength(4)
    expect(readdirSync(join(journal.path, 'commits')).length).toBeLessThan(3 * PACKED)
    // A writer that begins now, and one that slept.
    expect(runNow(new Commits(journal).add(head(9_999)))?.index).toBe(all.length)
  }, 60_000)

  test('of a writer that slept are not put where packed ones were', async () => {
    const journal = await openDirectory({ directory: fresh(), host: undefined, key: undefined })
    const [awake, asleep] = [new Commits(journal), new Commits(journal)]
    expect(runNow(asleep.add(head(0)))?.index).toBe(0)
    for (let index = 0; index < 3 * PACKED + 2; index++) runNow(awake.add(head(index + 1)))
    const commit = runNow(asleep.add(head(9_999)))
    expect(commit?.index).toBe(3 * PACKED + 3)
    expect(commitsOf(journal.path)).toHaveLength(3 * PACKED + 4)
  }, 60_000)

  test('are not built on a damaged one', async () => {
    const journal = await openDirectory({ directory: fresh(), host: undefined, key: undefined })
    const commit = runNow(new Commits(journal).add(head(0)))
    const path = join(journal.path, 'commits', '0000000000.json')
    const text = readFileSync(path, 'utf8')
    expect(commit?.index).toBe(0)
    for (const damaged of [text.slice(0, -1), text.replace(/"frontier":\["../, '"frontier":["00'), '']) {
      writeFileSync(path, damaged)
      expect(() => runNow(new Commits(journal).add(head(1)))).toThrow(refusal('JOURNAL_INVALID'))
    }
  })
})

test('a head that comes after the end of its segment is not committed', async () => {
  const journal = await openDirectory({ directory: fresh(), host: undefined, key: undefined })
  const segment = new Segment(journal.path)
  const head = { segment: segment.id, size: 1, root: '00'.repeat(32), bytes: 9, time: new Date().toISOString() }
  const commits = new Commits(journal)
  const late = runSoon(commits.add(head))
  // The segment is full, or the process exits, while the commit is written.
  expect(runNow(commits.add({ ...head, size: 2, end: true }))?.index).toBe(0)
  expect(await late).toBeUndefined()
  expect(readdirSync(join(journal.path, 'commits'))).toEqual(['0000000000.json'])
  segment.close()
})

/** Until what was written a moment ago is older than a millisecond. */
const old = () => new Promise((resolve) => setTimeout(resolve, 10))

test('a writer that was idle for longer than the retention commits nothing about its deleted segment', async () => {
  const directory = fresh()
  const journal = await openDirectory({ directory, host: undefined, key: undefined })
  const writer = new JournalWriter(settingsFor(directory, { place: VARIABLE }))
  await record(writer, 'a')
  await vi.waitFor(() => expect(commitsOf(directory)).toHaveLength(1), 5_000)
  const [name] = readdirSync(join(directory, SEGMENTS)) as [string]
  utimesSync(join(directory, SEGMENTS, name), 0, 0)
  const commits = new Commits(journal)
  const commit = async (head: SegmentHead) => (await runSoon(commits.add(head))) !== undefined
  await old()
  await retireSegments(journal, { retention: 1, collected: false }, commit)
  writer.endNow([])
  expect(commitsOf(directory).map(({ leaf }) => [leaf.retired, leaf.end])).toEqual([
    [undefined, undefined],
    [true, undefined],
  ])
})

test('segments older than the retention are deleted after their heads were committed as retired', async () => {
  const directory = fresh()
  const journal = await openDirectory({ directory, host: undefined, key: undefined })
  const writer = new JournalWriter(settingsFor(directory, { place: VARIABLE }))
  await record(writer, 'a')
  writer.endNow([])
  const [name] = readdirSync(join(directory, SEGMENTS)) as [string]
  const commits = new Commits(journal)
  const retire = (collected = false, retention = 1) =>
    retireSegments(journal, { retention, collected }, async (head) => (await runSoon(commits.add(head))) !== undefined)
  utimesSync(join(directory, SEGMENTS, name), 0, 0)
  await old()
  await retire(false, 3_600_000)
  expect(existsSync(join(directory, SEGMENTS, name))).toBe(true)
  // Only what a collector confirmed may be deleted.
  const { size: bytes } = statSync(join(directory, SEGMENTS, name))
  const confirmed = (stored: number) =>
    writeCollected({
      format: 1,
      url: 'https://x',
      size: 1,
      root: 'a'.repeat(64),
      segments: { [segmentIn(name)!]: stored },
    })
  for (const text of [undefined, '{}', confirmed(bytes - 1)]) {
    if (text !== undefined) writeFileSync(join(directory, COLLECTED_FILE), text)
    await retire(true)
    expect(existsSync(join(directory, SEGMENTS, name))).toBe(true)
  }
  writeFileSync(join(directory, COLLECTED_FILE), confirmed(bytes))
  await retire(true)
  expect(existsSync(join(directory, SEGMENTS, name))).toBe(false)
  expect(commitsOf(directory).at(-1)?.leaf).toMatchObject({ retired: true, size: 3 })
})

test('the version in records is that of the package', () => {
  const { version } = JSON.parse(readFileSync(join(import.meta.dirname, '../../../package.json'), 'utf8')) as {
    version: string
  }
  expect(VERSION).toBe(version)
})

const MODULE = pathToFileURL(join(import.meta.dirname, 'writers.ts')).href
/** Appends records without end, and prints how many were written. */
const APPENDING = `
  const { writersFor } = await import(${JSON.stringify(MODULE)})
  const { isMainThread, Worker } = await import('node:worker_threads')
  const [directory, threads, most] = JSON.parse(process.env.JOB)
  if (isMainThread) for (let i = 0; i < threads; i++) new Worker(new URL(import.meta.url), { env: process.env })
  const [writer] = (await writersFor([{ directory, place: '', required: false, durability: 'interval', service: 'child', paths: 'full' }])).keys()
  for (let index = 0; index < most; index++) {
    await new Promise((ended) => writer.add({
      make: () => [{ type: 'policy', time: new Date().toISOString(), path: String(index) }], isSynced: false, isRequired: false, ended, at: {} }))
    if (index % 50 === 49 && isMainThread) process.stdout.write(index + '\\n')
  }
`

function appending(directory: string, threads: number, most: number) {
  const file = join(mkdtempSync(join(tmpdir(), 'appending-')), 'appending.mjs')
  writeFileSync(file, APPENDING)
  return spawn(process.execPath, [file], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, JOB: JSON.stringify([directory, threads, most]) },
  })
}

describe('processes and threads', () => {
  test('write one journal together', async () => {
    const directory = fresh()
    const children = [appending(directory, 2, 300), appending(directory, 2, 300)]
    for (const child of children) child.stdout.resume()
    const codes = await Promise.all(children.map((child) => once(child, 'exit')))
    expect(codes).toEqual([
      [0, null],
      [0, null],
    ])
    const segments = segmentsOf(directory)
    expect(segments).toHaveLength(6)
    for (const { records } of segments) expect([pathsIn(records).length, records.at(-1)?.type]).toEqual([300, 'close'])
    const heads = new Map(commitsOf(directory).map(({ leaf }) => [leaf.segment, leaf]))
    expect([...heads.values()].map(({ end, size }) => [end, size])).toEqual(Array(6).fill([true, 302]))
  }, 60_000)

  test.each([50, 150, 400])(
    'that are killed after %i records lose at most what was not synced',
    async (count) => {
      const directory = fresh()
      const child = appending(directory, 1, 1_000_000)
      let last = -1
      child.stdout.on('data', (chunk: Buffer) => {
        last = Number(chunk.toString().trim().split('\n').at(-1))
        if (last >= count) child.kill('SIGKILL')
      })
      expect(await once(child, 'exit')).toEqual([null, 'SIGKILL'])
      const segments = segmentsOf(directory)
      const longest = Math.max(...segments.map(({ records }) => pathsIn(records).length))
      expect(longest).toBeGreaterThan(last)
      for (const { records } of segments) expect(records.at(-1)?.type).not.toBe('close')
      commitsOf(directory)
      // Another writer goes on.
      const writer = new JournalWriter(settingsFor(directory))
      await record(writer, 'after')
      writer.endNow([])
      expect(commitsOf(directory).at(-1)?.leaf.end).toBe(true)
    },
    60_000,
  )
})

test('a segment cut at any byte is read up to its last complete line', async () => {
  const directory = fresh()
  const writer = new JournalWriter(settingsFor(directory))
  for (const path of ['a', 'b']) await record(writer, path)
  writer.endNow([])
  const [name] = readdirSync(join(directory, SEGMENTS)) as [string]
  const bytes = readFileSync(join(directory, SEGMENTS, name))
  const id = name.replace('.jsonl', '')
  for (let end = 0; end <= bytes.length; end++) {
    const { records, tail } = readSegment(id, bytes.subarray(0, end))
    const complete = bytes.subarray(0, end).toString().split('\n').length - 1
    expect([records.length, tail.includes('\n')]).toEqual([complete, false])
  }
})
