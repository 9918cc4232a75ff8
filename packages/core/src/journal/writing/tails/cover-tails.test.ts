import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  appendFileSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, test } from 'vitest'
import { commitsOf, segmentsOf } from '../../../testing/journal-reading.ts'
import { scratch } from '../../../testing/scratch.ts'
import { writeLine } from '../../format/line.ts'
import { newSegmentId, segmentFile, SEGMENTS } from '../../format/names.ts'
import type { RecordOf } from '../../format/record.ts'
import { newWriterKey } from '../../format/writer-key.ts'
import { verifyJournal } from '../../reading/verify-journal.ts'
import { Commits } from '../commits/commits.ts'
import { openDirectory, type WritableJournal } from '../files/directory.ts'
import { runSoon } from '../files/file-work.ts'
import { Segment } from '../segments/segment.ts'
import { segmentRecord } from '../segments/segment-record.ts'
import { coverTails } from './cover-tails.ts'
import { isWriterGone, MOST_IDLE } from './writer-is-gone.ts'

const HOST = 'host-a'
const policy = (path: string) => ({ type: 'policy' as const, time: new Date().toISOString(), path })

/** A journal with the segment of a writer that was killed: of four records, a commit covers the first `covered`. */
async function abandoned(covered: number, { pid = 2 ** 22 + 1 } = {}) {
  const directory = join(scratch(), 'journal')
  const journal = await openDirectory({ directory, host: HOST, key: undefined })
  const commits = new Commits(journal)
  const other = await written(journal, 1)
  await runSoon(commits.add({ ...other.head, end: true }))
  const { head, file, segment } = await written(journal, covered, pid)
  if (covered > 0) await runSoon(commits.add(head))
  for (let index = covered; index < 4; index++)
    segment.writeNow(segment.prepare([index === 0 ? description(journal, segment.id, pid) : policy(String(index))]))
  segment.close()
  const done = new Map<string, number>()
  const idle = (seconds: number) => utimesSync(file, Date.now() / 1_000 - seconds, Date.now() / 1_000 - seconds)
  idle(10)
  return {
    ...{ directory, file, idle, journal, commits, id: segment.id, head },
    cover: (more: Partial<Parameters<typeof coverTails>[1]> = {}) =>
      coverTails(journal, { host: HOST, checkpoints: [], done, isEnded: () => false, ...more }),
  }
}

const description = ({ file }: WritableJournal, segment: string, pid: number) => ({
  ...segmentRecord({ journal: file.id, segment }, newWriterKey(), { host: HOST }),
  pid,
})

async function written(journal: WritableJournal, records: number, pid = process.pid) {
  const segment = new Segment(journal.path)
  if (records > 0) segment.writeNow(segment.prepare([description(journal, segment.id, pid)]))
  for (let index = 1; index < records; index++) segment.writeNow(segment.prepare([policy(String(index))]))
  await segment.sync()
  const { synced } = segment
  if (!synced) throw new Error('it has no head')
  return { segment, head: synced, file: join(journal.path, SEGMENTS, segmentFile(segment.id)) }
}

test.each([0, 1, 3])('records of a killed writer are covered after %i that were', async (covered) => {
  const { directory, cover, id, file } = await abandoned(covered)
  appendFileSync(file, '{"torn')
  utimesSync(file, 0, 0)
  expect(await verifyJournal(directory)).toMatchObject({ holds: true, uncovered: 4 - covered })
  expect(await cover()).toMatchObject([{ segment: id, size: 4, bytes: statSync(file).size - 6 }])
  expect(await verifyJournal(directory)).toMatchObject({ holds: true, uncovered: 0, torn: 6 })
  commitsOf(directory)
  expect([await cover(), await cover({ done: new Map() })]).toEqual([[], []])
  // Now a cut at the end shows.
  truncateSync(file, statSync(file).size - 10)
  expect(await verifyJournal(directory)).toMatchObject({ holds: false, problems: [{ kind: 'truncated' }] })
})

test('of a segment that was changed, nothing is committed', async () => {
  for (const covered of [0, 1, 3]) {
    const { directory, cover, file } = await abandoned(covered)
    const bytes = readFileSync(file)
    for (const at of [5, Math.floor(bytes.length / 2), bytes.length - 30]) {
      const changed = Buffer.from(bytes)
      changed[at]! ^= 1
      writeFileSync(file, changed)
      utimesSync(file, 0, 0)
      expect(await cover({ done: new Map() })).toEqual([])
    }
    writeFileSync(file, bytes)
    commitsOf(directory)
  }
})

test('of a segment that is another than a commit says, shorter, or ended, nothing is committed', async () => {
  const { cover, file, id, journal } = await abandoned(3)
  const bytes = readFileSync(file)
  // Whoever can write a file can compute the checks of its lines.
  let [check, text] = [id, '']
  for (const record of [description(journal, id, 1), policy('x'), policy('x'), policy('x'), policy('x')]) {
    const line = writeLine(record, check)
    ;[check, text] = [line.check, text + line.bytes.toString()]
  }
  for (const content of [text, bytes.subarray(0, 200), Buffer.alloc(bytes.length, 10), '']) {
    writeFileSync(file, content)
    utimesSync(file, 0, 0)
    expect(await cover({ done: new Map() })).toEqual([])
  }
  writeFileSync(file, bytes)
  utimesSync(file, 0, 0)
  const [last] = commitsOf(journal.path).slice(-1)
  await runSoon(new Commits(journal).add({ ...last!.leaf, end: true }))
  expect(await cover({ done: new Map() })).toEqual([])
})

test('of a segment that states the key of another writer, nothing is committed', async () => {
  const { directory, cover, journal, id } = await abandoned(4)
  const forged = '1793900000001-0123456789abcdef'
  const { key } = segmentsOf(directory).find((one) => one.id === id)!.records[0] as RecordOf<'segment'>
  let [check, text] = [forged, '']
  for (const record of [
    { ...description(journal, forged, 1), continues: id, key },
    { type: 'end' as const, time: new Date().toISOString(), load: 1, segment: id, why: 'closed' as const },
  ]) {
    const line = writeLine(record, check)
    ;[check, text] = [line.check, text + line.bytes.toString()]
  }
  const path = join(directory, SEGMENTS, segmentFile(forged))
  writeFileSync(path, text)
  utimesSync(path, 0, 0)
  expect(await cover({ done: new Map() })).toEqual([])
  expect((await verifyJournal(directory)).problems.map(({ kind }) => kind)).toEqual(['reference', 'reference'])
})

test('of a segment that its writer still has, or that was just written, nothing is committed', async () => {
  const { cover, idle } = await abandoned(1, { pid: process.pid })
  expect(await cover()).toEqual([])
  const dead = await abandoned(1)
  dead.idle(1)
  expect(await dead.cover()).toEqual([])
  // Left for so long, it is not in use, whatever has its number.
  idle(MOST_IDLE / 1_000 + 1)
  expect(await cover()).toMatchObject([{ size: 4 }])
})

test('a writer that goes on after all commits no head that is shorter, and others follow', async () => {
  const { directory, cover, commits, head } = await abandoned(2)
  expect(await cover()).toMatchObject([{ size: 4 }])
  expect(await runSoon(commits.add({ ...head, size: 3 }))).toBeUndefined()
  expect(await verifyJournal(directory)).toMatchObject({ holds: true, uncovered: 0 })
})

test('several writers may cover at once', async () => {
  const { directory, cover } = await abandoned(1)
  await Promise.all(Array.from({ length: 8 }, () => cover({ done: new Map() })))
  expect(await verifyJournal(directory)).toMatchObject({ holds: true, uncovered: 0 })
})

test('a writer is gone if its process is, or another process has its number', () => {
  const mine = segmentRecord({ journal: '', segment: 'x' }, newWriterKey(), {})
  const gone = (record: object, idle = 5_000) => isWriterGone({ ...mine, ...record }, { idle, host: hostname() })
  expect(gone({})).toBe(false)
  expect(gone({}, MOST_IDLE)).toBe(true)
  expect(gone({ started: new Date(0).toISOString() })).toBe(true)
  expect(gone({ pid: 2 ** 22 + 1 })).toBe(true)
  expect(gone({ pid: 2 ** 22 + 1, host: 'another' })).toBe(false)
  if (process.platform === 'linux') expect(gone({ pid: process.ppid, started: new Date(0).toISOString() })).toBe(true)
})

const WRITERS = pathToFileURL(join(import.meta.dirname, '../writers.ts')).href
/** Records two policies, which are on the disk when it says so. */
const WRITING = `
  const { writersFor } = await import(${JSON.stringify(WRITERS)})
  const settings = { directory: process.env.JOURNAL, place: '', required: false, durability: 'each', service: 's', paths: 'full' }
  const [writer] = (await writersFor([settings])).keys()
  const add = (path) => new Promise((ended) => writer.add({
    make: () => [{ type: 'policy', time: new Date().toISOString(), path }], isSynced: true, isRequired: false, ended, at: {} }))
  await add('a')
  await add('b')
  ;(await import('node:fs')).writeSync(1, 'written')
  // A thread that is blocked commits nothing.
  if (process.env.BLOCKED) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
  setInterval(() => {}, 1_000)
`

test('the next process covers what a killed one had on the disk', async () => {
  const directory = join(scratch(), 'journal')
  const run = (more = {}) => {
    const file = join(scratch(), 'writing.mjs')
    writeFileSync(file, WRITING)
    const env = { ...process.env, JOURNAL: directory, ...more }
    return spawn(process.execPath, [file], { stdio: ['ignore', 'pipe', 'inherit'], env })
  }
  const killed = run({ BLOCKED: '1' })
  await once(killed.stdout, 'data')
  killed.kill('SIGKILL')
  await once(killed, 'exit')
  expect((await verifyJournal(directory)).uncovered).toBeGreaterThan(0)
  const [name] = readdirSync(join(directory, SEGMENTS)) as [string]
  utimesSync(join(directory, SEGMENTS, name), 0, 0)
  const next = run()
  await once(next.stdout, 'data')
  await expect.poll(async () => (await verifyJournal(directory)).uncovered, { timeout: 30_000, interval: 250 }).toBe(0)
  next.kill('SIGKILL')
  await once(next, 'exit')
  expect(await verifyJournal(directory)).toMatchObject({ holds: true, segments: 2, records: 6, uncovered: 0 })
}, 60_000)

describe('what others put between the segments keeps no record from being covered:', () => {
  const OLD = '0000000000000-0000000000000000'
  const PLANTED: [string, (folder: string) => void][] = [
    ['a directory', (folder) => mkdirSync(join(folder, segmentFile(OLD)))],
    ['a link', (folder) => symlinkSync('/dev/zero', join(folder, segmentFile(OLD)))],
    ['a FIFO', (folder) => expect(spawnSync('mkfifo', [join(folder, segmentFile(OLD))]).status).toBe(0)],
    ['a large file', (folder) => plant(join(folder, segmentFile(OLD)), 200 * 1024 * 1024)],
    ['a file that cannot be read', (folder) => plant(join(folder, segmentFile(OLD)), 10, 0o200)],
    ['empty files', (folder) => crowd(folder, Date.now(), 0)],
    ['segments of the future', (folder) => crowd(folder, 9_999_999_999_999, 10)],
  ]

  function plant(file: string, bytes: number, mode = 0o600): void {
    writeFileSync(file, '', { mode })
    truncateSync(file, bytes)
    utimesSync(file, 0, 0)
  }

  function crowd(folder: string, time: number, bytes: number): void {
    for (let index = 0; index < 1_001; index++) plant(join(folder, segmentFile(newSegmentId(time))), bytes)
  }

  test.each(PLANTED)('%s', async (_, planted) => {
    const { directory, cover, id } = await abandoned(1)
    planted(join(directory, SEGMENTS))
    expect(await cover()).toMatchObject([{ segment: id, size: 4 }])
  })

  test('one that is replaced once it was looked at', async () => {
    const { directory, cover, id, commits, journal } = await abandoned(1)
    const second = await written(journal, 2, 2 ** 22 + 1)
    second.segment.writeNow(second.segment.prepare([policy('uncovered')]))
    second.segment.close()
    await runSoon(commits.add(second.head))
    utimesSync(second.file, 0, 0)
    const first = join(directory, SEGMENTS, segmentFile(id))
    const isEnded = () => {
      // Is asked just before it is read.
      if (!lstatSync(first).isFile()) return false
      rmSync(first)
      mkdirSync(first)
      return false
    }
    expect(await cover({ isEnded })).toMatchObject([{ segment: second.segment.id, size: 3 }])
  })
})
