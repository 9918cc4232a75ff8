import { join } from 'node:path'
import { afterEach, describe, expect, test, vi } from 'vitest'
import type * as FindFiles from '../source/find-files.ts'
import { openLocalSource } from '../source/local-source.ts'
import type { FoundFile } from '../source/source-file.ts'
import { sha256 } from '../testing/bundles.ts'
import { refusal, scratch } from '../testing/scratch.ts'
import { findSigned, type NameOptions } from './find-signed.ts'
import { Manifest } from './manifest.ts'

// What a file system tells of a directory that changes while it is read cannot be had at will.
const also = vi.hoisted(() => ({ found: [] as FoundFile[] }))
vi.mock('../source/find-files.ts', async (original) => {
  const { findFiles } = await original<typeof FindFiles>()
  return {
    findFiles: async (...args: Parameters<typeof findFiles>) => [...(await findFiles(...args)), ...also.found],
  }
})
afterEach(() => void (also.found = []))

function wholeFiles(...names: string[]): Manifest {
  const serialization = { method: 'files', hashType: 'sha256', allowSymlinks: false } as const
  return new Manifest(
    'm',
    serialization,
    names.map((name) => ({ name, digest: sha256(name) })),
  )
}

async function found(path: string, manifest: Manifest, options: NameOptions = {}): Promise<string[]> {
  return (await findSigned(await openLocalSource(path), manifest, options)).files.map(({ name }) => name)
}

describe('a name that is found twice', () => {
  test('stands for no other that is missing', async () => {
    const directory = scratch({ a: 'a' })
    also.found = [{ name: 'a', path: join(directory, 'a') }]
    expect(await found(directory, wholeFiles('a'))).toEqual(['a'])
    await expect(found(directory, wholeFiles('a', 'b'))).rejects.toEqual(refusal('FILE_MISSING', { file: 'b' }))
  })
})

describe('an unsigned file that goes when it has been found, beside shards', () => {
  const shards = { method: 'shards', shardSize: 10, hashType: 'sha256', allowSymlinks: false } as const
  const manifest = new Manifest('m', shards, [{ name: 'a:0:1', digest: sha256('a') }])

  test('is no concern of those who ignore such, or check others', async () => {
    const directory = scratch({ a: 'a' })
    also.found = [{ name: 'gone', path: join(directory, 'gone') }]
    expect(await found(directory, manifest, { ignoreUnsignedFiles: true })).toEqual(['a'])
    expect(await found(directory, manifest, { only: ['a'] })).toEqual(['a'])
  })

  test('is a change for all others', async () => {
    const directory = scratch({ a: 'a' })
    also.found = [{ name: 'gone', path: join(directory, 'gone') }]
    await expect(found(directory, manifest)).rejects.toEqual(refusal('FILE_CHANGED', { file: 'gone' }))
  })
})
