import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
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
import type * as RealTime from '../real-time.ts'
import type * as FileSystem from '../source/local/file-system.ts'
import { foreignFileSystem } from '../source/local/file-system.ts'
import { Moment } from '../source/local/settling.ts'
import type { FoundFile } from '../source/local/source-file.ts'
import { foundIn, sha256 } from '../testing/hash-jobs.ts'
import { refusal, scratch } from '../testing/scratch.ts'
import { fifo } from '../testing/special-files.ts'
import { hashSettled, type SettledDigests } from './hash-settled.ts'
import type { HashOptions } from './hash-files.ts'
import { configureHashing } from './pool.ts'

const place = vi.hoisted(() => ({ found: undefined as string | undefined }))
// Lets a test set the clock back.
vi.mock('../real-time.ts', async (original) => ({
  ...(await original<typeof RealTime>()),
  wallClock: () => Date.now(),
}))
vi.mock('../source/local/file-system.ts', async (original) => {
  const real = await original<typeof FileSystem>()
  return { foreignFileSystem: (path: string) => place.found ?? real.foreignFileSystem(path) }
})

const CHUNK = 128 * 1024
const MANY = 3_000
/** Linux has a file system in memory there. */
const MEMORY = '/dev/shm'
const HAS_OTHER = existsSync(MEMORY) && statSync(MEMORY).dev !== statSync(tmpdir()).dev
const options = { hashType: 'sha256' } as const

/** Files old enough that every change to them shows. */
const CONTENTS = {
  a: Buffer.from('A'),
  empty: Buffer.alloc(0),
  chunk: randomBytes(CHUNK),
  large: randomBytes(CHUNK + 1),
}
let settled = ''

beforeAll(async () => {
  settled = mkdtempSync(join(realpathSync(tmpdir()), 'modelseal-'))
  for (const [name, content] of Object.entries(CONTENTS)) writeFileSync(join(settled, name), content)
  for (let i = 0; i < MANY; i++) writeFileSync(join(settled, `many-${i}`), `${i}`)
  await setTimeout(2_200)
}, 60_000)
afterAll(() => rmSync(settled, { recursive: true }))
beforeEach(() => configureHashing({ callingThread: true }))
afterEach(() => {
  place.found = undefined
  configureHashing()
})

function hashed(found: readonly FoundFile[], more: Partial<HashOptions> = {}): Promise<SettledDigests> {
  return hashSettled(found, new Moment(), { ...options, ...more })
}

function many(): FoundFile[] {
  return foundIn(settled, ...Array.from({ length: MANY }, (_, i) => `many-${i}`))
}

// On other file systems every file is skipped.
describe.runIf(foreignFileSystem(tmpdir()) === undefined)('files that have settled', () => {
  test('are hashed without reading their state, up to the size of one chunk', async () => {
    const found = foundIn(settled, 'a', 'empty', 'chunk', 'large')
    const { a, empty, chunk } = CONTENTS
    expect(await hashed(found)).toEqual({
      digests: [sha256(a), sha256(empty), sha256(chunk), undefined],
      bytes: 1 + CHUNK,
    })
  })

  test('are skipped if they changed shortly before, in any way', async () => {
    const directory = scratch({ written: 'w' })
    chmodSync(join(settled, 'a'), 0o600)
    try {
      const found = [...foundIn(directory, 'written'), ...foundIn(settled, 'a', 'empty')]
      expect((await hashed(found)).digests).toEqual([undefined, undefined, sha256(CONTENTS.empty)])
    } finally {
      await setTimeout(2_200)
    }
  })

  test('are skipped if the search did not find them in a directory', async () => {
    const [a, empty] = foundIn(settled, 'a', 'empty') as [FoundFile, FoundFile]
    expect((await hashed([{ name: 'a', path: a.path }, empty])).digests).toEqual([undefined, sha256(CONTENTS.empty)])
  })

  test('are skipped if the clock was set back in the meantime', async () => {
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

  test.runIf(HAS_OTHER)('are skipped on a file system other than that of the first file', async () => {
    const other = mkdtempSync(join(MEMORY, 'modelseal-'))
    try {
      writeFileSync(join(other, 'b'), 'B')
      await setTimeout(2_200)
      const found = [...foundIn(settled, 'empty'), ...foundIn(other, 'b')]
      expect((await hashed(found)).digests).toEqual([sha256(CONTENTS.empty), undefined])
      expect((await hashed(found.reverse())).digests).toEqual([sha256(Buffer.from('B')), undefined])
    } finally {
      rmSync(other, { recursive: true })
    }
  })

  test('are no longer looked for once enough large files were skipped', async () => {
    const directory = scratch({ sparse: '' })
    truncateSync(join(directory, 'sparse'), 17 * 1024 * 1024)
    const found = [...foundIn(directory, 'sparse'), ...foundIn(settled, 'a')]
    expect((await hashed(found)).digests).toEqual([undefined, undefined])
  })

  test('are skipped if other threads must hash them', async () => {
    const found = foundIn(settled, 'empty')
    place.found = 'an unknown file system'
    expect((await hashed(found)).digests).toEqual([undefined])
    place.found = undefined
    configureHashing()
    expect((await hashed(found)).digests).toEqual([undefined])
  })

  test.each<[string, (path: string) => void]>([
    ['nothing', () => {}],
    ['a link', (path) => symlinkSync(join(settled, 'a'), path)],
    ['a directory', (path) => mkdirSync(path)],
    ['a FIFO', fifo],
  ])('are skipped if %s is in their place', async (_, make) => {
    const directory = scratch()
    make(join(directory, 'x'))
    const found = [...foundIn(settled, 'empty'), ...foundIn(directory, 'x')]
    expect((await hashed(found)).digests).toEqual([sha256(CONTENTS.empty), undefined])
  })

  test('stop when the caller aborts or its callback throws, with the usual codes', async () => {
    const reason = new Error('enough')
    const aborted = hashed(many(), { signal: AbortSignal.abort(reason) })
    await expect(aborted).rejects.toEqual(refusal('ABORTED', { cause: reason }))
    const onProgress = () => {
      throw reason
    }
    const thrown = hashed(many(), { onProgress })
    await expect(thrown).rejects.toEqual(refusal('INVALID_ARGUMENT', { cause: reason }))
  })
})
