import { randomBytes } from 'node:crypto'
import { appendFileSync, mkdirSync, renameSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { type ModelSealError } from '../errors.ts'
import { hashFiles } from '../hashing/hash-files.ts'
import { configureHashing } from '../hashing/pool.ts'
import { openLocalSource } from '../source/local/local-source.ts'
import { sha256 } from '../testing/bundles.ts'
import { refusal, scratch } from '../testing/scratch.ts'
import { Contents, type ContentsOptions } from './contents.ts'
import { Manifest } from './manifest.ts'
import { compareCodePoints } from './order.ts'
import type { Serialization } from './serialization.ts'

vi.mock('../hashing/hash-files.ts', { spy: true })

const WHOLE: Serialization = { method: 'files', hashType: 'sha256', allowSymlinks: false, ignorePaths: [] }

function manifestOf(files: Readonly<Record<string, string | Uint8Array>>, serialization = WHOLE): Manifest {
  const resources = Object.entries(files).map(([name, content]) => ({ name, digest: sha256(content) }))
  return new Manifest(
    'm',
    serialization,
    resources.sort((a, b) => compareCodePoints(a.name, b.name)),
  )
}

async function compared(directory: string, manifest: Manifest, options: ContentsOptions = {}): Promise<Contents> {
  return Contents.compareNames(await openLocalSource(directory), manifest, options)
}

const FILES = { a: 'A', 'b/c': 'C', 'b/empty': '' }

test('accepts an unchanged model and counts its files', async () => {
  const contents = await compared(scratch(FILES), manifestOf(FILES))
  expect(contents.checked).toEqual({ files: 0, bytes: 0 })
  await contents.checkRest()
  expect(contents.checked).toEqual({ files: 3, bytes: 2 })
  expect(contents.names.sort()).toEqual(['a', 'b/c', 'b/empty'])
})

test('needs no memory for files that are only checked, because they may be larger than it', async () => {
  const contents = await compared(scratch(FILES), manifestOf(FILES))
  vi.mocked(hashFiles).mockClear()
  await contents.check([{ file: contents.file('a'), copyTo: undefined }])
  await contents.checkRest()
  await contents.read('a')
  const jobs = vi.mocked(hashFiles).mock.calls.flatMap(([given]) => given)
  expect(jobs.map(({ file, keep }) => `${file.name} ${keep}`).sort()).toEqual([
    'a false',
    'a true',
    'b/c false',
    'b/empty false',
  ])
})

test('reads a small file of a large model without threads if the others need not be hashed', async () => {
  const large = Buffer.alloc(12 * 1024 ** 2)
  const files = { small: 'small', large }
  const run = vi.fn().mockRejectedValue(new Error('No thread in this test'))
  configureHashing({ pool: { maxThreads: 2, run } })
  onTestFinished(() => configureHashing())
  const read = (contents: Contents) => contents.read('small').then((bytes) => Buffer.from(bytes).toString())
  await expect(read(await compared(scratch(files), manifestOf(files)))).rejects.toEqual(refusal('WORKER_FAILED'))
  const taken = await compared(scratch(files), manifestOf(files))
  taken.takeOver(() => [])
  expect(await read(taken)).toBe('small')
  expect(run).toHaveBeenCalledOnce()
})

describe('names', () => {
  test('that are missing or not signed are all reported before anything is hashed', async () => {
    const directory = scratch({ a: 'changed', extra: 'x', 'b/c': 'C', 'b/more': 'y' })
    const error = await compared(directory, manifestOf(FILES)).catch((e: unknown) => e)
    expect(error).toEqual(refusal('FILE_MISSING', { file: 'b/empty' }))
    expect((error as ModelSealError).problems).toEqual([
      { code: 'FILE_MISSING', file: 'b/empty' },
      { code: 'FILE_UNSIGNED', file: 'b/more' },
      { code: 'FILE_UNSIGNED', file: 'extra' },
    ])
  })

  test('that differ in case or Unicode normal form are different names', async () => {
    await expect(compared(scratch({ A: 'x' }), manifestOf({ a: 'x' }))).rejects.toEqual(refusal('FILE_MISSING'))
    await expect(compared(scratch({ 'e\u0301': 'x' }), manifestOf({ é: 'x' }))).rejects.toEqual(refusal('FILE_MISSING'))
  })

  test('that are not signed may be ignored, and are then not readable', async () => {
    const contents = await compared(scratch({ ...FILES, extra: 'x' }), manifestOf(FILES), { ignoreUnsignedFiles: true })
    await contents.checkRest()
    expect(contents.checked.files).toBe(3)
    await expect(contents.read('extra')).rejects.toEqual(refusal('FILE_NOT_SIGNED'))
  })

  test('that are missing are never ignored', async () => {
    const comparing = compared(scratch({ a: 'A' }), manifestOf(FILES), { ignoreUnsignedFiles: true })
    await expect(comparing).rejects.toEqual(refusal('FILE_MISSING'))
  })

  test('are listed in the message up to five, and all as data', async () => {
    const extras = Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`x${i}`, 'x']))
    const error = await compared(scratch({ ...FILES, ...extras }), manifestOf(FILES)).catch((e: unknown) => e)
    expect((error as ModelSealError).problems).toHaveLength(9)
    expect((error as ModelSealError).message).toContain('"x4" is not covered by the signature. 4 more files differ.')
  })

  test('are reported up to a thousand of each kind, however many files were added or removed', async () => {
    const many = Object.fromEntries(Array.from({ length: 1_005 }, (_, i) => [`x${i}`, 'x']))
    const added = await compared(scratch({ ...FILES, ...many }), manifestOf(FILES)).catch((e: unknown) => e)
    expect((added as ModelSealError).problems).toHaveLength(1_000)
    expect((added as ModelSealError).message).toContain('At least 995 more files differ.')
    const lost = await compared(scratch({ extra: 'x' }), manifestOf(many)).catch((e: unknown) => e)
    expect((lost as ModelSealError).problems).toHaveLength(1_001)
    expect((lost as ModelSealError).problems?.at(-1)).toEqual({ code: 'FILE_UNSIGNED', file: 'extra' })
  })
})

describe('verification leaves out', () => {
  const git = { '.git/HEAD': 'x', '.gitignore': 'x', '.gitattributes': 'x', '.github/a': 'x' }

  test('Git files at the top level, even if no ignored paths were recorded', async () => {
    const old = manifestOf({ a: 'A' }, { method: 'files', hashType: 'sha256', allowSymlinks: false })
    await (await compared(scratch({ a: 'A', ...git }), old)).checkRest()
    await (await compared(scratch({ a: 'A', ...git }), manifestOf({ a: 'A' }))).checkRest()
  })

  test('no Git files further down, and none at all if the caller includes them', async () => {
    await expect(compared(scratch({ a: 'A', 'b/.gitignore': '' }), manifestOf({ a: 'A' }))).rejects.toEqual(
      refusal('FILE_UNSIGNED'),
    )
    const strict = compared(scratch({ a: 'A', ...git }), manifestOf({ a: 'A' }), { ignoreGitPaths: false })
    await expect(strict).rejects.toEqual(refusal('FILE_UNSIGNED'))
  })

  test('no Git file that was signed', async () => {
    const manifest = manifestOf({ a: 'A', '.gitignore': 'signed' })
    const contents = await compared(scratch({ a: 'A', '.gitignore': 'changed' }), manifest)
    await expect(contents.checkRest()).rejects.toEqual(refusal('FILE_MISMATCH', { file: '.gitignore' }))
    await expect(compared(scratch({ a: 'A' }), manifest)).rejects.toEqual(refusal('FILE_MISSING'))
    const directory = manifestOf({ a: 'A', '.git/HEAD': 'x' })
    await expect(compared(scratch({ a: 'A', '.git/HEAD': 'x', '.git/config': 'x' }), directory)).rejects.toEqual(
      refusal('FILE_UNSIGNED'),
    )
  })

  test('the recorded paths and those of the caller, with everything below them', async () => {
    const manifest = manifestOf({ a: 'A' }, { ...WHOLE, ignorePaths: ['cache'] })
    const files = { a: 'A', 'cache/deep/x': 'x', 'model.sig': 'x' }
    await (await compared(scratch(files), manifest, { ignored: ['model.sig'] })).checkRest()
    await expect(compared(scratch(files), manifest)).rejects.toEqual(refusal('FILE_UNSIGNED', { file: 'model.sig' }))
  })

  test('nothing that was signed: a signed file below an ignored path counts as missing, not as trusted', async () => {
    const manifest = manifestOf({ a: 'A', 'b/c': 'C' }, { ...WHOLE, ignorePaths: ['b'] })
    await expect(compared(scratch({ a: 'A', 'b/c': 'C' }), manifest)).rejects.toEqual(refusal('FILE_MISSING'))
  })
})

describe('contents', () => {
  test.each<[string, (directory: string) => void]>([
    ['a changed byte', (d) => writeFileSync(join(d, 'a'), 'B')],
    ['an added byte', (d) => appendFileSync(join(d, 'a'), ' ')],
    ['an emptied file', (d) => truncateSync(join(d, 'a'))],
    ['a file that was empty', (d) => writeFileSync(join(d, 'b/empty'), 'x')],
    ['two files swapped', (d) => swap(join(d, 'a'), join(d, 'b/c'))],
  ])('that differ are refused: %s', async (_, change) => {
    const directory = scratch(FILES)
    change(directory)
    const contents = await compared(directory, manifestOf(FILES))
    await expect(contents.checkRest()).rejects.toEqual(refusal('FILE_MISMATCH'))
    expect(contents.checked).toEqual({ files: 0, bytes: 0 })
  })

  test('that differ are all reported, with both digests', async () => {
    const contents = await compared(scratch({ a: 'B', 'b/c': 'D', 'b/empty': '' }), manifestOf(FILES))
    const error = await contents.checkRest().catch((e: unknown) => e)
    expect((error as ModelSealError).problems).toEqual([
      { code: 'FILE_MISMATCH', file: 'a', expected: `sha256:${sha256('A')}`, found: `sha256:${sha256('B')}` },
      { code: 'FILE_MISMATCH', file: 'b/c', expected: `sha256:${sha256('C')}`, found: `sha256:${sha256('D')}` },
    ])
  })

  test('are returned as the buffer that was hashed, and never if they differ', async () => {
    const directory = scratch({ ...FILES, 'b/c': 'D' })
    const contents = await compared(directory, manifestOf(FILES))
    const bytes = await contents.read('a')
    expect(Buffer.from(bytes).toString()).toBe('A')
    expect(bytes.byteOffset).toBe(0)
    expect(bytes.buffer.byteLength).toBe(1)
    expect(contents.checked).toEqual({ files: 1, bytes: 1 })
    expect(await contents.read('b/empty')).toEqual(new Uint8Array(0))
    await expect(contents.read('b/c')).rejects.toEqual(refusal('FILE_MISMATCH', { file: 'b/c' }))
    for (const name of ['none', '../a', './a', 'b', '', 'A'])
      await expect(contents.read(name)).rejects.toEqual(refusal('FILE_NOT_SIGNED'))
  })

  test('that change between listing and reading are refused', async () => {
    const directory = scratch(FILES)
    const contents = await compared(directory, manifestOf(FILES))
    renameSync(join(directory, 'a'), join(directory, 'moved'))
    symlinkSync(join(directory, 'moved'), join(directory, 'a'))
    await expect(contents.read('a')).rejects.toEqual(refusal('FILE_CHANGED'))
    rmSync(join(directory, 'b'), { recursive: true })
    mkdirSync(join(directory, 'b'))
    await expect(contents.checkRest()).rejects.toEqual(refusal('FILE_CHANGED'))
  })
})

describe('shards', () => {
  const sharded = (...ranges: [string, string][]) =>
    new Manifest(
      'm',
      { method: 'shards', hashType: 'sha256', shardSize: 4, allowSymlinks: false },
      ranges.map(([name, content]) => ({ name, digest: sha256(content) })),
    )

  test('are hashed separately and read as one file', async () => {
    const manifest = sharded(['a:0:4', '0123'], ['a:4:6', '45'])
    const contents = await compared(scratch({ a: '012345' }), manifest)
    expect(Buffer.from(await contents.read('a')).toString()).toBe('012345')
    await expect((await compared(scratch({ a: '01234x' }), manifest)).checkRest()).rejects.toEqual(
      refusal('FILE_MISMATCH'),
    )
  })

  test('reveal a file of the wrong size without hashing', async () => {
    const contents = await compared(scratch({ a: '0123456' }), sharded(['a:0:4', '0123'], ['a:4:6', '45']))
    await expect(contents.checkRest()).rejects.toEqual(
      refusal('FILE_MISMATCH', { expected: '6 bytes', found: '7 bytes' }),
    )
  })

  test('do not cover empty files, which are tolerated and never read', async () => {
    const contents = await compared(scratch({ a: '0123', empty: '' }), sharded(['a:0:4', '0123']))
    await contents.checkRest()
    await expect(contents.read('empty')).rejects.toEqual(refusal('FILE_NOT_SIGNED'))
    await expect(compared(scratch({ a: '0123', more: 'x' }), sharded(['a:0:4', '0123']))).rejects.toEqual(
      refusal('FILE_UNSIGNED'),
    )
  })
})

describe('a single file', () => {
  test('is compared under its own name or the name that the reference tool gives it', async () => {
    const path = join(scratch({ 'vad.onnx': 'V', other: 'x' }), 'vad.onnx')
    for (const name of ['vad.onnx', '.']) {
      const contents = await compared(path, manifestOf({ [name]: 'V' }))
      expect(Buffer.from(await contents.read('vad.onnx')).toString()).toBe('V')
      expect(contents.checked.files).toBe(1)
    }
    await expect(compared(path, manifestOf({ 'other.onnx': 'V' }))).rejects.toEqual(refusal('FILE_MISSING'))
  })
})

test('progress grows up to the size of the model over several reads, concurrent ones and repeated ones included', async () => {
  const files = { a: randomBytes(3_000_000), b: randomBytes(5_000_000), c: randomBytes(2_000_000) }
  const calls: [number, number][] = []
  const contents = await compared(scratch(files), manifestOf(files), { onProgress: (...call) => calls.push(call) })
  await Promise.all([contents.read('a'), contents.read('b')])
  await contents.read('a')
  await contents.checkRest()
  const done = calls.map(([bytes]) => bytes)
  expect(done).toEqual([...done].sort((x, y) => x - y))
  expect(calls.at(-1)).toEqual([10_000_000, 10_000_000])
})

function swap(a: string, b: string): void {
  renameSync(a, `${a}.swap`)
  renameSync(b, a)
  renameSync(`${a}.swap`, b)
}
