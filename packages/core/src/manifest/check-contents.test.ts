import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { openLocalSource } from '../source/local/local-source.ts'
import { sha256 } from '../testing/bundles.ts'
import { refusal, scratch } from '../testing/scratch.ts'
import { checkContents } from './check-contents.ts'
import type { ContentsOptions, HashedAmount } from './contents.ts'
import { Manifest } from './manifest.ts'
import type { Serialization } from './serialization.ts'

const WHOLE: Serialization = { method: 'files', hashType: 'sha256', allowSymlinks: false }
const SHARDS: Serialization = { ...WHOLE, method: 'shards', shardSize: 2 }
const FILES = { a: 'A', 'b/c': 'CCC', d: '' }

const WHOLE_MANIFEST = manifestOf(FILES, WHOLE)
const SHARDED = manifestOf({ 'a:0:1': 'A', 'b/c:0:2': 'CC', 'b/c:2:3': 'C' }, SHARDS)

function manifestOf(files: Readonly<Record<string, string>>, serialization: Serialization): Manifest {
  const resources = Object.entries(files).map(([name, content]) => ({ name, digest: sha256(content) }))
  return new Manifest('m', serialization, resources)
}

async function checked(directory: string, manifest: Manifest, options: ContentsOptions = {}): Promise<HashedAmount> {
  return checkContents(await openLocalSource(directory), manifest, options)
}

describe.each([
  ['whole files', WHOLE_MANIFEST, 3, sha256, ''],
  ['shards', SHARDED, 2, (content: string) => sha256(content.slice(0, 2)), ' for shard 1 of 2'],
])('a model of %s', (...[, manifest, files, digest, shard]) => {
  test('that is what was signed is accepted', async () => {
    expect(await checked(scratch(FILES), manifest)).toEqual({ files, bytes: 4 })
  })

  test('is refused for all files that differ', async () => {
    const directory = scratch({ ...FILES, a: 'B', 'b/c': 'xCC' })
    const [a, c] = [digest('A'), digest('CCC')]
    const problems = [
      { code: 'FILE_MISMATCH', file: 'a', expected: `sha256:${a}`, found: `sha256:${digest('B')}` },
      { code: 'FILE_MISMATCH', file: 'b/c', expected: `sha256:${c}${shard}`, found: `sha256:${digest('xCC')}` },
    ]
    await expect(checked(directory, manifest)).rejects.toEqual(refusal('FILE_MISMATCH', { file: 'a', problems }))
  })

  test('is refused for one file that differs', async () => {
    const directory = scratch(FILES)
    writeFileSync(join(directory, 'b/c'), 'CCX')
    await expect(checked(directory, manifest)).rejects.toEqual(refusal('FILE_MISMATCH', { file: 'b/c' }))
  })

  test('is refused for a file that is missing or not signed', async () => {
    await expect(checked(scratch({ a: 'A', d: '' }), manifest)).rejects.toEqual(
      refusal('FILE_MISSING', { file: 'b/c' }),
    )
    await expect(checked(scratch({ ...FILES, e: 'E' }), manifest)).rejects.toEqual(
      refusal('FILE_UNSIGNED', { file: 'e' }),
    )
  })

  test('may have other files, and files that are selected', async () => {
    const directory = scratch({ ...FILES, e: 'E', a: 'changed' })
    expect(await checked(directory, manifest, { only: ['b'] })).toEqual({ files: 1, bytes: 3 })
    await expect(checked(directory, manifest, { only: ['a'] })).rejects.toEqual(refusal('FILE_MISMATCH'))
    const more = scratch({ ...FILES, e: 'E' })
    expect(await checked(more, manifest, { ignoreUnsignedFiles: true })).toEqual({ files, bytes: 4 })
  })

  test('tells a signed file by its content what replaced it', async () => {
    const directory = scratch({ ...FILES, a: 'version https://git-lfs.github.com/spec/v1\n' })
    await expect(checked(directory, manifest)).rejects.toEqual(
      refusal('FILE_MISMATCH', { hint: expect.stringContaining('Git LFS') as string }),
    )
  })
})

test('progress is that of the whole model', async () => {
  const calls: [number, number][] = []
  await checked(scratch(FILES), WHOLE_MANIFEST, { onProgress: (...call) => void calls.push(call) })
  expect(calls.at(-1)?.[0]).toBe(4)
})
