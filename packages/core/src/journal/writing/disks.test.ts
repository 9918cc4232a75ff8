import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, readdirSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { join } from 'node:path'
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { JOURNAL_CHANNEL, type JournalState } from '../../events.ts'
import { recordsOf } from '../../testing/journal-reading.ts'
import { refusal, scratch } from '../../testing/scratch.ts'
import { MAX_PACK } from '../format/commit.ts'
import { verifyJournal } from '../reading/verify-journal.ts'
import { openDirectory } from './files/directory.ts'
import { JournalWriter } from './writer.ts'

afterEach(() => void vi.useRealTimers())

function writerIn(directory: string, checkpoint?: string): JournalWriter {
  const checkpoints = checkpoint === undefined ? undefined : { file: checkpoint }
  return new JournalWriter({
    directory,
    place: 'test',
    checkpoints,
    required: false,
    durability: 'interval',
    service: 'test',
    paths: 'full',
  })
}

function record(writer: JournalWriter, path: string, isRequired = false): Promise<void> {
  return new Promise((resolve, reject) =>
    writer.add({
      make: () => [{ type: 'policy', time: new Date().toISOString(), path }],
      isSynced: false,
      isRequired,
      ended: (failure) => (failure ? reject(failure) : resolve()),
      at: {},
    }),
  )
}

function heard(): JournalState[] {
  const states: JournalState[] = []
  const hear = (state: unknown) => void states.push(state as JournalState)
  subscribe(JOURNAL_CHANNEL, hear)
  onTestFinished(() => void unsubscribe(JOURNAL_CHANNEL, hear))
  return states
}

const mount = (...args: string[]) => spawnSync('mount', args).status === 0
const umount = (path: string) => void spawnSync('umount', ['-l', path])

/** @returns undefined if this user cannot mount file systems */
function smallDisk(): string | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return undefined
  const path = scratch()
  if (!mount('-t', 'tmpfs', '-o', 'size=1m,mode=700', 'tmpfs', path)) return undefined
  onTestFinished(() => umount(path))
  return path
}

describe('on a disk that', () => {
  test('is full, required records are refused, and the others follow when there is room', async ({ skip }) => {
    const disk = smallDisk() ?? skip('only root can mount a small disk')
    const directory = join(disk, 'journal')
    const writer = writerIn(directory)
    const states = heard()
    await record(writer, 'before')
    const filler = Buffer.alloc(4_096)
    let files = 0
    for (let isFull = false; !isFull; files++) {
      try {
        writeFileSync(join(disk, `filler-${files}`), filler)
      } catch {
        isFull = true
      }
    }
    // What is left of the last block is filled, too.
    let written = 0
    await expect(
      (async () => {
        for (;;) await record(writer, `${written++}`, true)
      })(),
    ).rejects.toThrow(refusal('JOURNAL_FAILED', { message: expect.stringContaining('ENOSPC') as string }))
    void record(writer, 'waits')
    expect((await verifyJournal(directory)).holds).toBe(true)
    for (const name of readdirSync(disk)) if (name.startsWith('filler')) rmSync(join(disk, name))
    await vi.waitFor(() => expect(JSON.stringify(recordsOf(directory))).toContain('waits'), { timeout: 5_000 })
    await vi.waitFor(() => expect(states.at(-1)).not.toHaveProperty('error'), { timeout: 5_000 })
    writer.endNow([])
    expect(await verifyJournal(directory)).toMatchObject({ holds: true, uncovered: 0, records: written + 3 })
    expect(states[0]?.error).toMatchObject({ code: 'JOURNAL_FAILED' })
  })

  test('is read-only, required records are refused', async ({ skip }) => {
    const disk = smallDisk() ?? skip('only root can mount a small disk')
    const directory = join(disk, 'journal')
    const first = writerIn(directory)
    await record(first, 'before')
    first.endNow([])
    expect(mount('-o', 'remount,ro', disk)).toBe(true)
    const states = heard()
    const writer = writerIn(directory)
    await writer.start()
    await expect(record(writer, 'required', true)).rejects.toThrow(
      refusal('JOURNAL_FAILED', { message: expect.stringContaining('EROFS') as string }),
    )
    expect(states.at(-1)?.error).toMatchObject({ code: 'JOURNAL_FAILED' })
    expect(await verifyJournal(directory)).toMatchObject({ holds: true, records: 3 })
  })
})

const LARGE = 500 * 1024 * 1024
const PLANTED: [string, (path: string) => void][] = [
  ['a FIFO', (path) => expect(spawnSync('mkfifo', ['-m', '600', path]).status).toBe(0)],
  ['a directory', (path) => mkdirSync(path)],
  [
    'a link',
    (path) => {
      symlinkSync('/dev/zero', path)
    },
  ],
  [
    'a large file',
    (path) => {
      writeFileSync(path, '')
      truncateSync(path, LARGE)
    },
  ],
]

describe.runIf(process.platform !== 'win32').each(PLANTED)('%s in the place of', (_, plant) => {
  test.each(['commits/0000000000.json', 'heads/00000000.jsonl'])(
    '%s has what is required refused, and the rest is recorded',
    async (name) => {
      const directory = join(scratch(), 'journal')
      await openDirectory({ directory, host: undefined, key: undefined })
      plant(join(directory, name))
      const [states, writer] = [heard(), writerIn(directory)]
      await writer.start()
      const { rss } = process.memoryUsage()
      await expect(record(writer, 'required', true)).rejects.toThrow(refusal('JOURNAL_INVALID'))
      await record(writer, 'not required')
      writer.endNow([])
      expect(states.at(-1)).toMatchObject({
        error: { code: 'JOURNAL_INVALID', message: expect.stringContaining(`"${name}" is `) as string },
      })
      expect(process.memoryUsage().rss - rss).toBeLessThan(LARGE / 2)
      expect(recordsOf(directory)).toMatchObject([{ type: 'segment' }, { type: 'policy' }, { type: 'close' }])
    },
  )

  test('journal.json has what is required refused', async () => {
    const directory = join(scratch(), 'journal')
    for (const folder of ['.', 'segments', 'commits', 'heads'])
      mkdirSync(join(directory, folder), { mode: 0o700, recursive: true })
    plant(join(directory, 'journal.json'))
    const writer = writerIn(directory)
    await writer.start()
    await expect(record(writer, 'required', true)).rejects.toThrow(refusal('JOURNAL_INVALID'))
  })

  test('journal.json of an open journal counts as its end', async () => {
    const directory = join(scratch(), 'journal')
    const writer = writerIn(directory)
    await record(writer, 'a')
    rmSync(join(directory, 'journal.json'))
    plant(join(directory, 'journal.json'))
    await expect(record(writer, 'required', true)).rejects.toThrow(refusal('JOURNAL_INVALID'))
  })
})

test('a pack of line feeds is a fault, and takes little memory', async () => {
  const directory = join(scratch(), 'journal')
  await openDirectory({ directory, host: undefined, key: undefined })
  writeFileSync(join(directory, 'heads', '00000000.jsonl'), Buffer.alloc(MAX_PACK, '\n'))
  const [states, writer] = [heard(), writerIn(directory)]
  await expect(record(writer, 'required', true)).rejects.toThrow(refusal('JOURNAL_INVALID'))
  await record(writer, 'not required')
  writer.endNow([])
  expect(states.at(-1)).toMatchObject({
    error: { code: 'JOURNAL_INVALID', message: expect.stringContaining('commit 255 is invalid') as string },
  })
})

test('a journal that is deleted while it is written is begun anew, and says what was lost', async () => {
  const directory = join(scratch(), 'journal')
  const writer = writerIn(directory)
  const states = heard()
  for (const path of ['a', 'b']) await record(writer, path)
  rmSync(directory, { recursive: true })
  await record(writer, 'c')
  await vi.waitFor(() => expect(states.some(({ error }) => error?.code === 'JOURNAL_FAILED')).toBe(true), {
    timeout: 5_000,
  })
  await record(writer, 'd', true)
  writer.endNow([])
  expect(recordsOf(directory)).toMatchObject([
    { type: 'segment' },
    { type: 'lost', count: 4, code: 'ENOENT' },
    { type: 'policy', path: 'd' },
    { type: 'close' },
  ])
  expect(await verifyJournal(directory)).toMatchObject({ holds: true, uncovered: 0 })
})

test('a clock that jumps back changes times, and nothing else', async () => {
  const directory = join(scratch(), 'journal')
  vi.useFakeTimers({ toFake: ['Date'], now: new Date('2026-11-29T12:00:00Z') })
  const first = writerIn(directory)
  await record(first, 'noon')
  vi.setSystemTime(new Date('2020-01-01T00:00:00Z'))
  await record(first, 'years before')
  first.endNow([])
  const second = writerIn(directory)
  await record(second, 'again')
  second.endNow([])
  expect(await verifyJournal(directory)).toMatchObject({ holds: true, uncovered: 0, segments: 2, records: 7 })
  // By the names of their files.
  expect(recordsOf(directory).flatMap((one) => (one.type === 'policy' ? one.path : []))).toEqual([
    'again',
    'noon',
    'years before',
  ])
})

test('a directory that was copied to another host, and is written by both, contradicts checkpoints that left either', async () => {
  const root = scratch()
  const [original, clone] = [join(root, 'original'), join(root, 'clone')]
  const first = writerIn(original)
  await record(first, 'before')
  first.endNow([])
  mkdirSync(clone, { mode: 0o700 })
  cpSync(original, clone, { recursive: true })
  for (const directory of [original, clone]) {
    const writer = writerIn(directory, `${directory}.checkpoint`)
    await record(writer, directory)
    writer.endNow([])
    expect(await verifyJournal(directory, { checkpoint: `${directory}.checkpoint` })).toMatchObject({ holds: true })
  }
  for (const [directory, other] of [
    [original, clone],
    [clone, original],
  ] as const) {
    const { problems } = await verifyJournal(directory, { checkpoint: `${other}.checkpoint` })
    expect(problems).toMatchObject([{ kind: 'rollback', problem: 'it has other commits than the checkpoint covers' }])
  }
})

test('a service may end thousands of loads at once', async () => {
  const directory = join(scratch(), 'journal')
  const writer = writerIn(directory)
  await writer.start()
  await Promise.all(Array.from({ length: 5_000 }, (_, index) => record(writer, String(index))))
  writer.endNow([])
  expect(await verifyJournal(directory)).toMatchObject({ holds: true, records: 5_002 })
  expect(recordsOf(directory).some(({ type }) => type === 'lost')).toBe(false)
})
