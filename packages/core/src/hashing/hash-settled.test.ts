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
import type * as FileSystem from '../source/file-system.ts'
import { foreignFileSystem } from '../source/file-system.ts'
import type { FoundFile } from '../source/source-file.ts'
import { sha256 } from '../testing/hash-jobs.ts'
import { refusal, scratch } from '../testing/scratch.ts'
import { fifo } from '../testing/special-files.ts'
import { hashSettled } from './hash-settled.ts'
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

beforeAll(async () => {
  settled = mkdtempSync(join(realpathSync(tmpdir()), 'modelseal-'))
  for (const [name, content] of Object.entries(CONTENTS)) writeFileSync(join(settled, name), content)
  for (let i = 0; i < MANY; i++) writeFileSync(join(settled, `many-${i}`), `${i}`)
  writeFileSync(join(settled, 'in-turn'), 'before')
  await setTimeout(2_200)
})
afterAll(() => rmSync(settled, { recursive: true }))
beforeEach(() => configureHashing({ callingThread: true }))
afterEach(() => {
  place.found = undefined
  configureHashing()
})

function filesIn(directory: string, ...names: string[]): FoundFile[] {
  return names.map((name) => ({ name, path: join(directory, name) }))
}

function many(): FoundFile[] {
  return filesIn(settled, ...Array.from({ length: MANY }, (_, i) => `many-${i}`))
}

// Elsewhere it leaves every file.
describe.runIf(foreignFileSystem(tmpdir()) === undefined)('files that have settled', () => {
  test('are hashed up to the size of one chunk, without their state', async () => {
    const found = filesIn(settled, 'a', 'empty', 'chunk', 'large')
    const { a, empty, chunk } = CONTENTS
    expect(await hashSettled(found, options)).toEqual({
      digests: [sha256(a), sha256(empty), sha256(chunk), undefined],
      bytes: 1 + CHUNK,
    })
  })

  test('are left where they changed shortly before, whatever it was', async () => {
    const directory = scratch({ written: 'w' })
    chmodSync(join(settled, 'a'), 0o600)
    try {
      const found = [...filesIn(directory, 'written'), ...filesIn(settled, 'a', 'empty')]
      expect((await hashSettled(found, options)).digests).toEqual([undefined, undefined, sha256(CONTENTS.empty)])
    } finally {
      await setTimeout(2_200)
    }
  })

  test('are hashed as they are then, where they change while others are', async () => {
    const found = [...many(), ...filesIn(settled, 'in-turn')]
    let turns = 0
    const onProgress = () => {
      if (turns++ === 0) writeFileSync(join(settled, 'in-turn'), 'after!')
    }
    const left = await hashSettled(found, { ...options, onProgress })
    expect(turns).toBeGreaterThan(0)
    expect(left.digests.indexOf(undefined)).toBe(MANY)
    expect((await hashWholeFiles(found, options)).digests[MANY]).toBe(sha256(Buffer.from('after!')))
  })

  test('are left where the clock was set back meanwhile', async () => {
    const found = many()
    const now = Date.now()
    let asked = 0
    vi.spyOn(Date, 'now').mockImplementation(() => (asked++ === 0 ? now : now - 1_500))
    try {
      expect(await hashSettled(found, options)).toEqual({ digests: found.map(() => undefined), bytes: 0 })
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
      expect((await hashSettled(found, options)).digests).toEqual([sha256(CONTENTS.empty), undefined])
      expect((await hashSettled(found.reverse(), options)).digests).toEqual([sha256(Buffer.from('B')), undefined])
    } finally {
      rmSync(other, { recursive: true })
    }
  })

  test('are looked for no longer among others that are large', async () => {
    const directory = scratch({ sparse: '' })
    truncateSync(join(directory, 'sparse'), 17 * 1024 * 1024)
    const found = [...filesIn(directory, 'sparse'), ...filesIn(settled, 'a')]
    expect((await hashSettled(found, options)).digests).toEqual([undefined, undefined])
  })

  test('are left where it is for other threads to hash', async () => {
    const found = filesIn(settled, 'empty')
    place.found = 'a file system that is not known'
    expect((await hashSettled(found, options)).digests).toEqual([undefined])
    place.found = undefined
    configureHashing()
    expect((await hashSettled(found, options)).digests).toEqual([undefined])
  })

  test('end by their caller, with the codes of all hashing', async () => {
    const reason = new Error('enough')
    const aborted = hashSettled(many(), { ...options, signal: AbortSignal.abort(reason) })
    await expect(aborted).rejects.toEqual(refusal('ABORTED', { cause: reason }))
    const onProgress = () => {
      throw reason
    }
    const thrown = hashSettled(many(), { ...options, onProgress })
    await expect(thrown).rejects.toEqual(refusal('INVALID_ARGUMENT', { cause: reason }))
  })
})

describe('what is no file to be hashed', () => {
  test.each<[string, (path: string) => void, string]>([
    ['nothing', () => {}, 'FILE_UNREADABLE'],
    ['a link', (path) => symlinkSync(join(settled, 'a'), path), 'SYMLINK_REFUSED'],
    ['a directory', (path) => mkdirSync(path), 'FILE_SPECIAL'],
    ['a FIFO', fifo, 'FILE_SPECIAL'],
  ])('is left and then refused: %s', async (_, make, code) => {
    const directory = scratch()
    make(join(directory, 'x'))
    const found = [...filesIn(settled, 'empty'), ...filesIn(directory, 'x')]
    expect((await hashSettled(found, options)).digests[1]).toBeUndefined()
    await expect(hashWholeFiles(found, options)).rejects.toEqual(refusal(code as 'FILE_SPECIAL'))
  })
})

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
