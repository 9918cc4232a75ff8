import { truncateSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { hashingElsewhere } from '../hashing/elsewhere.ts'
import { hashFiles } from '../hashing/hash-files.ts'
import type * as FindFiles from '../source/local/find-files.ts'
import { openLocalSource } from '../source/local/local-source.ts'
import type { FoundFile } from '../source/local/source-file.ts'
import { SizeLimit } from '../source/size-limit.ts'
import { sha256 } from '../testing/bundles.ts'
import { refusal, scratch } from '../testing/scratch.ts'
import { buildManifest, buildManifestKnowing, listFiles, manifestFrom, type BuildOptions } from './build.ts'
import type { Serialization } from './serialization.ts'

// Simulates a file system that reports names which Linux does not allow.
const also = vi.hoisted(() => ({ found: [] as FoundFile[] }))
vi.mock('../source/local/find-files.ts', async (original) => {
  const { findFiles, ...others } = await original<typeof FindFiles>()
  return {
    ...others,
    findFiles: async (...args: Parameters<typeof findFiles>) => [...(await findFiles(...args)), ...also.found],
  }
})
afterEach(() => void (also.found = []))
vi.mock('../hashing/hash-files.ts', { spy: true })

const WHOLE: Serialization = { method: 'files', hashType: 'sha256', allowSymlinks: false }
const SHARDS: Serialization = { ...WHOLE, method: 'shards', shardSize: 2 }
const FILES = { 'b.bin': 'bbb', 'a/x': 'x', '.gitignore': '' }

const resource = (name: string, content: string) => ({ name, digest: sha256(content) })

async function built(serialization = WHOLE, options: BuildOptions = {}, files: Record<string, string> = FILES) {
  const source = await openLocalSource(scratch(files))
  return buildManifest(source, serialization, options)
}

describe('a new manifest', () => {
  test('has the digests of all files, sorted by name', async () => {
    const { manifest, files, bytes } = await built()
    expect(manifest.resources).toEqual([resource('.gitignore', ''), resource('a/x', 'x'), resource('b.bin', 'bbb')])
    expect([files, bytes]).toEqual([3, 4])
  })

  test('has the digests of shards, and none of empty files', async () => {
    const { manifest, files, bytes } = await built(SHARDS)
    expect(manifest.resources).toEqual([
      resource('a/x:0:1', 'x'),
      resource('b.bin:0:2', 'bb'),
      resource('b.bin:2:3', 'b'),
    ])
    expect([files, bytes]).toEqual([3, 4])
  })

  test('needs no memory for the files, which may be larger than it', async () => {
    vi.mocked(hashFiles).mockClear()
    await built(SHARDS)
    const jobs = vi.mocked(hashFiles).mock.calls.flatMap(([given]) => given)
    expect(jobs.map(({ keep }) => keep)).toEqual([false, false, false])
  })

  test('leaves out what is ignored, with or without recording it', async () => {
    const { manifest } = await built({ ...WHOLE, ignorePaths: ['a'] }, { leftOut: (name) => name === '.gitignore' })
    expect([...manifest.files.keys()]).toEqual(['b.bin'])
    expect(manifest.serialization.ignorePaths).toEqual(['a'])
  })

  test('is refused if the name of a file is not allowed', async () => {
    also.found = [{ name: 'a//b', path: '/a' }]
    await expect(built()).rejects.toEqual(
      refusal('FILE_NAME', {
        file: 'a//b',
        message: 'Cannot sign the file "a//b": its name is not allowed, because it contains "//".',
      }),
    )
  })

  test('is refused for a model without files', async () => {
    const source = await openLocalSource(scratch())
    await expect(buildManifest(source, WHOLE, {})).rejects.toEqual(
      refusal('MODEL_EMPTY', {
        file: source.path,
        message: expect.stringContaining(`Cannot sign "${source.path}": there are no files`) as string,
      }),
    )
    expect(() => manifestFrom(source, SHARDS, [])).toThrow(refusal('MODEL_EMPTY'))
  })

  test('is refused if it would be too long', async () => {
    const directory = scratch({ a: '', b: '' })
    truncateSync(join(directory, 'a'), 2_000_000)
    truncateSync(join(directory, 'b'), 1)
    await expect(buildManifest(await openLocalSource(directory), SHARDS, {})).rejects.toEqual(
      refusal('MODEL_TOO_LARGE', { expected: 'at most 1000000 files or shards', found: '1000001' }),
    )
  })

  test('of whole files may be of any number of bytes', async () => {
    const directory = scratch({ a: '' })
    truncateSync(join(directory, 'a'), 1_000_001)
    const options = { limit: new SizeLimit(2_000_000) }
    expect((await buildManifest(await openLocalSource(directory), WHOLE, options)).bytes).toBe(1_000_001)
  })

  test('is refused beyond the limit, and not below', async () => {
    expect((await built(WHOLE, { limit: new SizeLimit(4) })).bytes).toBe(4)
    await expect(built(WHOLE, { limit: new SizeLimit(3) })).rejects.toEqual(refusal('FILE_TOO_LARGE'))
  })
})

describe('known digests', () => {
  const wrong = sha256('not hashed again')

  test('are used if there is one for each range', async () => {
    const source = await openLocalSource(scratch(FILES))
    const { manifest, files, bytes, listed, known } = await buildManifestKnowing(source, SHARDS, {}, ({ name }) =>
      name === 'b.bin' ? [wrong, wrong] : undefined,
    )
    expect(manifest.files.get('b.bin')?.digests).toEqual([wrong, wrong])
    expect(manifest.files.get('a/x')?.digests).toEqual([sha256('x')])
    expect({ files, bytes, known }).toEqual({ files: 3, bytes: 4, known: { files: 1, bytes: 3 } })
    expect(listed.map(({ name }) => name).sort()).toEqual(['.gitignore', 'a/x', 'b.bin'])
  })

  test('are not used otherwise', async () => {
    const source = await openLocalSource(scratch(FILES))
    const { manifest, known } = await buildManifestKnowing(source, SHARDS, {}, () => [wrong, wrong, wrong])
    expect(manifest.files.get('b.bin')?.digests).toEqual([sha256('bb'), sha256('b')])
    expect(known).toEqual({ files: 0, bytes: 0 })
  })
})

test('lists the files that would be hashed', async () => {
  const source = await openLocalSource(scratch(FILES))
  const files = await listFiles(source, { ...WHOLE, ignorePaths: ['.gitignore'] }, {})
  expect(files.map(({ name, identity }) => [name, identity.size]).sort()).toEqual([
    ['a/x', 1],
    ['b.bin', 3],
  ])
})

describe('the whole digests of some files', () => {
  const alsoWhole = (name: string) => name === 'b.bin'

  test.each([WHOLE, SHARDS])('are computed besides those of the manifest: %j', async (serialization) => {
    const source = await openLocalSource(scratch(FILES))
    const built = await buildManifest(source, serialization, { alsoWhole })
    const plain = await buildManifest(source, serialization, {})
    expect(built.whole).toEqual(new Map([['b.bin', sha256('bbb')]]))
    expect(built.manifest.rootDigest).toBe(plain.manifest.rootDigest)
    expect(plain).not.toHaveProperty('whole')
  })

  test('are not reused', async () => {
    const source = await openLocalSource(scratch({ 'b.bin': 'bbb', x: 'x' }))
    const asked: string[] = []
    const known = ({ name }: { name: string }) => {
      asked.push(name)
      return [sha256('known')]
    }
    const { manifest, whole } = await buildManifestKnowing(source, WHOLE, { alsoWhole }, known)
    expect([asked, whole]).toEqual([['x'], new Map([['b.bin', sha256('bbb')]])])
    expect(manifest.resources).toEqual([
      { name: 'b.bin', digest: sha256('bbb') },
      { name: 'x', digest: sha256('known') },
    ])
  })
})

test('the files of a new manifest may be hashed somewhere else', async () => {
  const source = await openLocalSource(scratch({ x: 'xyz' }))
  const hash = vi.fn(() => Promise.resolve([[sha256('1'), sha256('2')]]))
  const { manifest } = await hashingElsewhere(hash, () => buildManifest(source, SHARDS, {}))
  expect(hash).toHaveBeenCalledOnce()
  expect(manifest.resources.map(({ digest }) => digest)).toEqual([sha256('1'), sha256('2')])
})
