import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import type * as RealTime from '../real-time.ts'
import type * as FileSystem from '../source/local/file-system.ts'
import { foreignFileSystem } from '../source/local/file-system.ts'
import { findFiles } from '../source/local/find-files.ts'
import { openLocalSource } from '../source/local/local-source.ts'
import type * as OpenFile from '../source/local/open-file.ts'
import type { FoundFile } from '../source/local/source-file.ts'
import { foundIn, sha256 } from '../testing/hash-jobs.ts'
import { refusal, scratch } from '../testing/scratch.ts'
import { fifo } from '../testing/special-files.ts'
import type * as HashFiles from './hash-files.ts'
import { hashWholeFiles } from './hash-whole-files.ts'
import { configureHashing } from './pool.ts'

const hook = vi.hoisted(() => ({
  /** Called when a directory has been checked. */
  checked: undefined as (() => void) | undefined,
  /** The file system that is found. */
  foreign: undefined as string | undefined,
  /** What the clock shows, if it stands still. */
  now: undefined as number | undefined,
  /** The files that the usual procedure hashed. */
  usual: [] as string[],
}))
vi.mock('../source/local/open-file.ts', async (original) => {
  const real = await original<typeof OpenFile>()
  const checkDirectory = (file: FoundFile): void => {
    real.checkDirectory(file)
    hook.checked?.()
  }
  return { ...real, checkDirectory }
})
vi.mock('../source/local/file-system.ts', async (original) => {
  const real = await original<typeof FileSystem>()
  return { foreignFileSystem: (path: string) => hook.foreign ?? real.foreignFileSystem(path) }
})
vi.mock('../real-time.ts', async (original) => {
  const real = await original<typeof RealTime>()
  return { ...real, wallClock: () => hook.now ?? real.wallClock() }
})
vi.mock('./hash-files.ts', async (original) => {
  const real = await original<typeof HashFiles>()
  const hashFiles: typeof real.hashFiles = (jobs, more) => {
    hook.usual = jobs.map(({ file }) => file.name)
    return real.hashFiles(jobs, more)
  }
  return { ...real, hashFiles }
})

const options = { hashType: 'sha256' } as const
const BELOW = ['', 'early', 'late']
const COUNT = 300
const CHUNK = 128 * 1024
/** Linux has a file system in memory there, whose clock has different ticks. */
const MEMORY = '/dev/shm'
const HAS_OTHER = existsSync(MEMORY) && statSync(MEMORY).dev !== statSync(tmpdir()).dev
const ROOTS = [realpathSync(tmpdir()), MEMORY].filter(
  (path) => existsSync(path) && foreignFileSystem(path) === undefined,
)

/** Ways in which a model can change. The directory has two versions of it: `now` and `next`. */
const CHANGES: [string, (directory: string) => void][] = [
  ['when another version takes its place', (d) => exchange(join(d, 'now'), join(d, 'next'))],
  ['when its directories are exchanged', (d) => below((sub) => exchange(join(d, 'now', sub), join(d, 'next', sub)))],
  ['when links replace its directories', (d) => below((sub) => becomeLink(join(d, 'now', sub)))],
  ['when files replace its directories', (d) => below((sub) => becomeFile(join(d, 'now', sub)))],
  ['when older files replace its files', (d) => all(d, (now, next) => renameSync(next, now))],
  ['when links to older files replace its files', (d) => all(d, replaceByLink)],
  ['when its files get new content', (d) => all(d, (now) => writeFileSync(now, 'new'))],
  ['when its files disappear', (d) => all(d, (now) => rmSync(now))],
]
const CASES = ROOTS.flatMap((root) =>
  CHANGES.flatMap(([how, change]) => [0, 2].map((turn) => ({ root, how, turn, change }))),
)

/** Ways in which one of the files `a`, `b`, `c` and `linked`, or a directory, can change. */
const LATE: [string, (directory: string) => void][] = [
  ['was written', (directory) => writeFileSync(join(directory, 'a'), 'A')],
  ['changed in any way', (directory) => chmodSync(join(directory, 'a'), 0o600)],
  ['was replaced by an older one', (directory) => renameSync(join(directory, 'c'), join(directory, 'a'))],
  ['is behind a link and was written', (directory) => writeFileSync(join(directory, 'linked'), 'L')],
  ['was added to the directory', (directory) => writeFileSync(join(directory, 'added'), '')],
  ['was added to the directory above', (directory) => writeFileSync(join(directory, '../added'), '')],
]

const made: string[] = []
let places: string[] = []
let late: string[] = []
let settled = ''
let large = ''
let other = ''

beforeAll(async () => {
  settled = make(realpathSync(tmpdir()))
  writeFileSync(join(settled, 'small'), 'small')
  writeFileSync(join(settled, 'large'), Buffer.alloc(CHUNK + 1))
  writeFileSync(join(settled, 'chunk'), Buffer.alloc(CHUNK, 7))
  writeFileSync(join(settled, 'empty'), '')
  large = make(realpathSync(tmpdir()))
  writeFileSync(join(large, 'small'), 'small')
  writeFileSync(join(large, 'sparse'), '')
  truncateSync(join(large, 'sparse'), 17 * 1024 * 1024)
  late = LATE.map(() => join(make(realpathSync(tmpdir())), 'sub'))
  for (const directory of late) {
    mkdirSync(directory)
    for (const name of ['a', 'b', 'c', 'linked']) writeFileSync(join(directory, name), name)
  }
  if (HAS_OTHER) writeFileSync(join((other = make(MEMORY)), 'other'), 'O')
  for (let i = 0; i < COUNT; i++) writeFileSync(join(settled, `${i}`), `${i}`)
  places = CASES.map(({ root }) => make(root))
  for (const place of places) for (const version of ['now', 'next']) writeModel(join(place, version), version)
  await setTimeout(2_200)
}, 120_000)
afterAll(() => made.forEach((path) => rmSync(path, { recursive: true })), 120_000)
beforeEach(() => configureHashing({ callingThread: true }))
afterEach(() => {
  hook.checked = undefined
  hook.foreign = undefined
  hook.now = undefined
  configureHashing()
})

// Otherwise some digests would be of the old version and some of the new.
describe('a model that changes while it is hashed is refused', () => {
  // The first turn comes within one tick of the file system's clock.
  test.each(CASES.map((one, index) => ({ ...one, index })))(
    '$how, in turn $turn, in $root',
    async ({ turn, change, index }) => {
      const place = places[index]!
      let turns = 0
      const onProgress = () => {
        if (turns++ === turn) change(place)
      }
      const hashing = hashWholeFiles(await found(join(place, 'now')), { ...options, onProgress })
      await expect(hashing).rejects.toEqual(refusal('FILE_CHANGED'))
      expect(turns).toBeGreaterThan(turn)
    },
  )

  test.runIf(ROOTS.length > 0)('when a directory is exchanged after it was checked', async () => {
    const directory = make(ROOTS[0]!)
    for (const version of ['now', 'next']) {
      mkdirSync(join(directory, version, 'sub'), { recursive: true })
      writeFileSync(join(directory, version, 'sub/small'), version)
      writeFileSync(join(directory, version, 'sub/large'), version.repeat(100_000))
    }
    await setTimeout(2_200)
    hook.checked = () => exchange(join(directory, 'now/sub'), join(directory, 'next/sub'))
    await expect(hashWholeFiles(await found(join(directory, 'now')), options)).rejects.toEqual(
      refusal('FILE_CHANGED', { file: 'sub/large' }),
    )
  })

  test.each<[string, (path: string) => void, string]>([
    ['nothing', () => {}, 'it disappeared'],
    ['a link', (path) => symlinkSync(join(settled, 'small'), path), 'it became a symbolic link'],
    ['a directory', (path) => mkdirSync(path), 'it is no longer a regular file'],
    ['a FIFO', fifo, 'it is no longer a regular file'],
  ])('when %s takes the place of a file', async (_, make, change) => {
    const directory = scratch()
    make(join(directory, 'x'))
    const hashing = hashWholeFiles([...foundIn(settled, 'small'), ...foundIn(directory, 'x')], options)
    const message: unknown = expect.stringContaining(change)
    await expect(hashing).rejects.toEqual(refusal('FILE_CHANGED', { file: 'x', message }))
  })
})

describe('whole files', () => {
  test('have the same digests whichever way they are hashed', async () => {
    const young = scratch({ young: 'y' })
    const all = [...(await found(settled)), ...foundIn(young, 'young')]
    const here = await hashWholeFiles(all, options)
    configureHashing()
    expect(await hashWholeFiles(all, options)).toEqual(here)
    const digestOf = (name: string) => here.digests[all.findIndex((file) => file.name === name)]
    expect(digestOf('large')).toBe(sha256(Buffer.alloc(CHUNK + 1)))
    expect(digestOf('small')).toBe(sha256(Buffer.from('small')))
    expect(digestOf('young')).toBe(sha256(Buffer.from('y')))
    expect(here.bytes).toBe(all.reduce((sum, { path }) => sum + statSync(path).size, 0))
  })

  test('are hashed even if one changed just before', async () => {
    const young = scratch({ young: 'before' })
    for (let tries = 0; tries < 100; tries++) {
      writeFileSync(join(young, 'young'), `${tries}`)
      const { digests } = await hashWholeFiles([...foundIn(settled, 'small'), ...foundIn(young, 'young')], options)
      expect(digests).toEqual([sha256(Buffer.from('small')), sha256(Buffer.from(`${tries}`))])
    }
  })

  test('report progress that only grows and ends at the total', async () => {
    const seen: [number, number][] = []
    const onProgress = (done: number, total: number) => void seen.push([done, total])
    const { bytes } = await hashWholeFiles(await found(settled), { ...options, onProgress })
    expect(seen.at(-1)).toEqual([bytes, bytes])
    expect(seen.map(([done]) => done)).toEqual(seen.map(([done]) => done).sort((a, b) => a - b))
    expect(seen.every(([done, total]) => done <= total)).toBe(true)
  })

  test('have no digests if there are no files', async () => {
    expect(await hashWholeFiles([], options)).toEqual({ digests: [], bytes: 0 })
  })

  test('are hashed together with a large file', async () => {
    const directory = scratch({ sparse: '' })
    truncateSync(join(directory, 'sparse'), 17 * 1024 * 1024)
    const { digests } = await hashWholeFiles([...foundIn(directory, 'sparse'), ...foundIn(settled, 'small')], options)
    expect(digests).toEqual([sha256(Buffer.alloc(17 * 1024 * 1024)), sha256(Buffer.from('small'))])
  })
})

// On other file systems, the usual procedure hashes everything.
describe.runIf(foreignFileSystem(tmpdir()) === undefined)('the usual procedure', () => {
  test('hashes large files, empty files and links', async () => {
    const [small] = foundIn(settled, 'small') as [FoundFile]
    const linked = { name: 'linked', path: small.path }
    expect(await usualOf([linked, ...foundIn(settled, 'small', 'chunk', 'large', 'empty')])).toEqual([
      'linked',
      'large',
      'empty',
    ])
  })

  test.each(LATE.map(([how, change], index) => ({ how, change, index })))(
    'hashes all files if one $how just before',
    async ({ change, index }) => {
      const directory = late[index]!
      const files = foundIn(directory, 'a', 'b').map((file) => within(file, dirname(directory)))
      const linked = { name: 'linked', path: join(directory, 'linked') }
      expect(await usualOf([...files, linked])).toEqual(['linked'])
      hook.now = Date.now()
      change(directory)
      expect(await usualOf([...files, linked])).toEqual(['a', 'b', 'linked'])
    },
  )

  test.runIf(HAS_OTHER)('hashes all files if one is on another file system', async () => {
    const files = [...foundIn(settled, 'small'), ...foundIn(other, 'other')]
    expect(await usualOf(files)).toEqual(['small', 'other'])
    expect(await usualOf(files.reverse())).toEqual(['other', 'small'])
  })

  test('hashes all files if the file system is not local, or if other threads hash', async () => {
    const files = foundIn(settled, 'small')
    expect(await usualOf(files)).toEqual([])
    hook.foreign = 'an unknown file system'
    expect(await usualOf(files)).toEqual(['small'])
    hook.foreign = undefined
    configureHashing()
    expect(await usualOf(files)).toEqual(['small'])
  })

  test('hashes the rest once enough large files are left to it', async () => {
    expect(await usualOf(foundIn(large, 'small', 'sparse'))).toEqual(['sparse'])
    expect(await usualOf(foundIn(large, 'sparse', 'small'))).toEqual(['sparse', 'small'])
  })
})

test('small files are no longer hashed when the caller aborts or its callback throws', async () => {
  const files = await found(settled)
  const reason = new Error('enough')
  const aborted = hashWholeFiles(files, { ...options, signal: AbortSignal.abort(reason) })
  await expect(aborted).rejects.toEqual(refusal('ABORTED', { cause: reason }))
  const onProgress = () => {
    throw reason
  }
  const thrown = hashWholeFiles(files, { ...options, onProgress })
  await expect(thrown).rejects.toEqual(refusal('INVALID_ARGUMENT', { cause: reason }))
})

/** @returns the names of the files that the usual procedure hashed */
async function usualOf(files: readonly FoundFile[]): Promise<string[]> {
  const { digests } = await hashWholeFiles(files, options)
  expect(digests).toEqual(files.map(({ path }) => sha256(readFileSync(path))))
  return hook.usual
}

/** The same file of a larger model. */
function within(file: FoundFile, root: string): FoundFile {
  return { ...file, directory: { ...file.directory!, root } }
}

async function found(path: string): Promise<FoundFile[]> {
  return findFiles(await openLocalSource(path), { ignored: () => false, followLinks: false })
}

function make(root: string): string {
  const path = mkdtempSync(join(root, 'modelseal-'))
  made.push(path)
  return path
}

function writeModel(path: string, content: string): void {
  for (const sub of BELOW) {
    mkdirSync(join(path, sub), { recursive: true })
    for (let i = 0; i < COUNT; i++) writeFileSync(join(path, sub, `${i}`), `${content} ${i}`)
  }
}

function below(change: (sub: string) => void): void {
  for (const sub of BELOW) if (sub !== '') change(sub)
}

function all(directory: string, change: (now: string, next: string) => void): void {
  for (const sub of BELOW)
    for (let i = 0; i < COUNT; i++) change(join(directory, 'now', sub, `${i}`), join(directory, 'next', sub, `${i}`))
}

function exchange(one: string, other: string): void {
  renameSync(one, `${one}.old`)
  renameSync(other, one)
}

function replaceByLink(now: string, next: string): void {
  rmSync(now)
  linkSync(next, now)
}

function becomeLink(path: string): void {
  renameSync(path, `${path}.moved`)
  symlinkSync(`${path}.moved`, path)
}

function becomeFile(path: string): void {
  renameSync(path, `${path}.moved`)
  writeFileSync(path, '')
}
