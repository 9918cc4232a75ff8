import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import type * as FileSystem from '../source/file-system.ts'
import { foreignFileSystem } from '../source/file-system.ts'
import { Moment } from '../source/settling.ts'
import { findFiles } from '../source/find-files.ts'
import type { FoundFile } from '../source/source-file.ts'
import { sha256 } from '../testing/hash-jobs.ts'
import { openLocalSource } from '../source/local-source.ts'
import { refusal, scratch } from '../testing/scratch.ts'
import { fifo } from '../testing/special-files.ts'
import { hashSettled, type SettledDigests } from './hash-settled.ts'
import type { HashOptions } from './hash-files.ts'
import { hashWholeFiles } from './hash-whole-files.ts'
import { configureHashing } from './pool.ts'

const place = vi.hoisted(() => ({ found: undefined as string | undefined }))
vi.mock('../source/file-system.ts', async (original) => {
  const real = await original<typeof FileSystem>()
  return { foreignFileSystem: (path: string) => place.found ?? real.foreignFileSystem(path) }
})

const CHUNK = 128 * 1024
const MANY = 3_000
/** A file system in memory, as Linux has. */
const MEMORY = '/dev/shm'
const HAS_OTHER = existsSync(MEMORY) && statSync(MEMORY).dev !== statSync(tmpdir()).dev
const options = { hashType: 'sha256' } as const

/** What has not changed for so long that every change will show. */
const CONTENTS = {
  a: Buffer.from('A'),
  empty: Buffer.alloc(0),
  chunk: randomBytes(CHUNK),
  large: randomBytes(CHUNK + 1),
}
let settled = ''
/** Of a model that is to change, two versions for each way: `now` and `next`. */
let changing = ''

const CHANGES: [string, (directory: string) => void][] = [
  ['by another version in its place', (d) => exchange(join(d, 'now'), join(d, 'next'))],
  [
    'by other directories in it',
    (d) => ['early', 'late'].forEach((below) => exchange(join(d, 'now', below), join(d, 'next', below))),
  ],
  [
    'by links in place of its directories',
    (d) => ['early', 'late'].forEach((below) => becomeLink(join(d, 'now', below))),
  ],
  ['by older files in the place of its own', (d) => all(d, (now, next) => renameSync(next, now))],
  ['by new content of its files', (d) => all(d, (now) => writeFileSync(now, 'new'))],
  ['by files that go', (d) => all(d, (now) => rmSync(now))],
]

beforeAll(async () => {
  settled = mkdtempSync(join(realpathSync(tmpdir()), 'modelseal-'))
  for (const [name, content] of Object.entries(CONTENTS)) writeFileSync(join(settled, name), content)
  for (let i = 0; i < MANY; i++) writeFileSync(join(settled, `many-${i}`), `${i}`)
  changing = mkdtempSync(join(realpathSync(tmpdir()), 'modelseal-'))
  for (const [how] of CHANGES) for (const version of ['now', 'next']) writeModel(join(changing, how, version), version)
  await setTimeout(2_200)
}, 60_000)
afterAll(() => {
  rmSync(settled, { recursive: true })
  rmSync(changing, { recursive: true })
})
beforeEach(() => configureHashing({ callingThread: true }))
afterEach(() => {
  place.found = undefined
  configureHashing()
})

function filesIn(path: string, ...names: string[]): FoundFile[] {
  const { dev, ino } = lstatSync(path, { bigint: true })
  const directory = { path, dev, ino }
  return names.map((name) => ({ name, path: join(path, name), directory }))
}

function hashed(found: readonly FoundFile[], more: Partial<HashOptions> = {}): Promise<SettledDigests> {
  return hashSettled(found, new Moment(), { ...options, ...more })
}

function many(): FoundFile[] {
  return filesIn(settled, ...Array.from({ length: MANY }, (_, i) => `many-${i}`))
}

// Elsewhere it leaves every file.
describe.runIf(foreignFileSystem(tmpdir()) === undefined)('files that have settled', () => {
  test('are hashed up to the size of one chunk, without their state', async () => {
    const found = filesIn(settled, 'a', 'empty', 'chunk', 'large')
    const { a, empty, chunk } = CONTENTS
    expect(await hashed(found)).toEqual({
      digests: [sha256(a), sha256(empty), sha256(chunk), undefined],
      bytes: 1 + CHUNK,
    })
  })

  test('are left where they changed shortly before, whatever it was', async () => {
    const directory = scratch({ written: 'w' })
    chmodSync(join(settled, 'a'), 0o600)
    try {
      const found = [...filesIn(directory, 'written'), ...filesIn(settled, 'a', 'empty')]
      expect((await hashed(found)).digests).toEqual([undefined, undefined, sha256(CONTENTS.empty)])
    } finally {
      await setTimeout(2_200)
    }
  })

  test('are left where a link led to them, or the caller', async () => {
    const [a, empty] = filesIn(settled, 'a', 'empty') as [FoundFile, FoundFile]
    expect((await hashed([{ name: 'a', path: a.path }, empty])).digests).toEqual([undefined, sha256(CONTENTS.empty)])
  })

  test('are left where the clock was set back meanwhile', async () => {
    const found = many()
    const now = Date.now()
    let asked = 0
    vi.spyOn(Date, 'now').mockImplementation(() => (asked++ === 0 ? now : now - 1_500))
    try {
      expect(await hashed(found)).toEqual({ digests: found.map(() => undefined), bytes: 0 })
    } finally {
      vi.restoreAllMocks()
    }
  })

  test.runIf(HAS_OTHER)('are left on another file system than the first', async () => {
    const other = mkdtempSync(join(MEMORY, 'modelseal-'))
    try {
      writeFileSync(join(other, 'b'), 'B')
      await setTimeout(2_200)
      const found = [...filesIn(settled, 'empty'), ...filesIn(other, 'b')]
      expect((await hashed(found)).digests).toEqual([sha256(CONTENTS.empty), undefined])
      expect((await hashed(found.reverse())).digests).toEqual([sha256(Buffer.from('B')), undefined])
    } finally {
      rmSync(other, { recursive: true })
    }
  })

  test('are looked for no longer among others that are large', async () => {
    const directory = scratch({ sparse: '' })
    truncateSync(join(directory, 'sparse'), 17 * 1024 * 1024)
    const found = [...filesIn(directory, 'sparse'), ...filesIn(settled, 'a')]
    expect((await hashed(found)).digests).toEqual([undefined, undefined])
  })

  test('are left where it is for other threads to hash', async () => {
    const found = filesIn(settled, 'empty')
    place.found = 'a file system that is not known'
    expect((await hashed(found)).digests).toEqual([undefined])
    place.found = undefined
    configureHashing()
    expect((await hashed(found)).digests).toEqual([undefined])
  })

  test('end by their caller, with the codes of all hashing', async () => {
    const reason = new Error('enough')
    const aborted = hashed(many(), { ...options, signal: AbortSignal.abort(reason) })
    await expect(aborted).rejects.toEqual(refusal('ABORTED', { cause: reason }))
    const onProgress = () => {
      throw reason
    }
    const thrown = hashed(many(), { onProgress })
    await expect(thrown).rejects.toEqual(refusal('INVALID_ARGUMENT', { cause: reason }))
  })
})

describe('what is no file to be hashed', () => {
  test.each<[string, (path: string) => void, string]>([
    ['nothing', () => {}, 'it disappeared'],
    ['a link', (path) => symlinkSync(join(settled, 'a'), path), 'it became a symbolic link'],
    ['a directory', (path) => mkdirSync(path), 'it is no longer a regular file'],
    ['a FIFO', fifo, 'it is no longer a regular file'],
  ])('is left, and then refused as a change: %s', async (_, make, change) => {
    const directory = scratch()
    make(join(directory, 'x'))
    const found = [...filesIn(settled, 'empty'), ...filesIn(directory, 'x')]
    expect((await hashed(found)).digests[1]).toBeUndefined()
    const refused = hashWholeFiles(found, options)
    await expect(refused).rejects.toEqual(
      refusal('FILE_CHANGED', { file: 'x', message: expect.stringContaining(change) as string }),
    )
  })
})

// Else some files would be hashed as they were, and others as they are.
describe.runIf(foreignFileSystem(tmpdir()) === undefined)('a model that changes while it is hashed is refused', () => {
  test.each(CHANGES)('%s', async (how, change) => {
    const directory = join(changing, how)
    const source = await openLocalSource(join(directory, 'now'))
    const found = await findFiles(source, { ignored: () => false, followLinks: false })
    let turns = 0
    const onProgress = () => {
      if (turns++ === 2) change(directory)
    }
    await expect(hashWholeFiles(found, { ...options, onProgress })).rejects.toEqual(refusal('FILE_CHANGED'))
    expect(turns).toBeGreaterThan(2)
  })

  test('but not where it did so shortly before, or by a clock that is ahead', async () => {
    const found = [...filesIn(settled, 'empty'), ...filesIn(scratch({ young: 'y' }), 'young')]
    expect((await hashWholeFiles(found, options)).digests).toHaveLength(2)
    const ahead = { dev: 1n, ino: 1n, size: 1, mtimeNs: 0n, ctimeNs: BigInt(Date.now() + 60_000) * 1_000_000n }
    expect(new Moment().isBefore(ahead)).toBe(false)
  })
})

/** Files in a directory and two below. */
function writeModel(path: string, content: string): void {
  for (const below of ['', 'early', 'late']) {
    mkdirSync(join(path, below), { recursive: true })
    for (let i = 0; i < 500; i++) writeFileSync(join(path, below, `${i}`), `${content} ${i}`)
  }
}

function exchange(one: string, other: string): void {
  renameSync(one, `${one}.old`)
  renameSync(other, one)
}

function becomeLink(path: string): void {
  renameSync(path, `${path}.moved`)
  symlinkSync(`${path}.moved`, path)
}

function all(directory: string, change: (now: string, next: string) => void): void {
  for (const below of ['', 'early', 'late'])
    for (let i = 0; i < 500; i++) change(join(directory, 'now', below, `${i}`), join(directory, 'next', below, `${i}`))
}

describe('whole files', () => {
  test('have the same digests however they are hashed', async () => {
    const young = scratch({ young: 'y' })
    const found = [...filesIn(settled, 'large', 'chunk', 'empty'), ...filesIn(young, 'young'), ...many()]
    const here = await hashWholeFiles(found, options)
    configureHashing()
    expect(await hashWholeFiles(found, options)).toEqual(here)
    expect(here.digests.slice(0, 4)).toEqual(
      [CONTENTS.large, CONTENTS.chunk, CONTENTS.empty, Buffer.from('y')].map(sha256),
    )
    expect(here.bytes).toBe(found.reduce((sum, { path }) => sum + statSync(path).size, 0))
  })

  test('report bytes that only grow, and all of them in the end', async () => {
    const seen: [number, number][] = []
    const found = [...many(), ...filesIn(settled, 'large')]
    const { bytes } = await hashWholeFiles(found, { ...options, onProgress: (...args) => void seen.push(args) })
    expect(seen.at(-1)).toEqual([bytes, bytes])
    expect(seen.map(([done]) => done)).toEqual(seen.map(([done]) => done).sort((a, b) => a - b))
    expect(seen.every(([done, total]) => done <= total)).toBe(true)
  })

  test('of no model are none', async () => {
    expect(await hashWholeFiles([], options)).toEqual({ digests: [], bytes: 0 })
  })
})
