import { renameSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, test, vi } from 'vitest'
import type { ModelSealError } from '../errors.ts'
import type * as FindFiles from '../source/local/find-files.ts'
import { openLocalSource } from '../source/local/local-source.ts'
import type { FoundFile } from '../source/local/source-file.ts'
import { sha256 } from '../testing/bundles.ts'
import { refusal, scratch } from '../testing/scratch.ts'
import { fifo } from '../testing/special-files.ts'
import { findSigned, type NameOptions } from './find-signed.ts'
import { Manifest } from './manifest.ts'

// Simulates what a file system reports for a directory that changes while it is read.
const also = vi.hoisted(() => ({ found: [] as FoundFile[] }))
vi.mock('../source/local/find-files.ts', async (original) => {
  const { findFiles, ...others } = await original<typeof FindFiles>()
  return {
    ...others,
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
  test('does not hide that another one is missing', async () => {
    const directory = scratch({ a: 'a' })
    also.found = [{ name: 'a', path: join(directory, 'a') }]
    expect(await found(directory, wholeFiles('a'))).toEqual(['a'])
    await expect(found(directory, wholeFiles('a', 'b'))).rejects.toEqual(refusal('FILE_MISSING', { file: 'b' }))
  })
})

describe('the bundle of another model', () => {
  const hint =
    'The bundle belongs to the model "m", and none of the files that it covers are here. Use the bundle of this model, or give the path of that model.'

  test.each([
    ['n', 'b', true],
    ['n', 'a', false],
    ['m', 'b', false],
  ])('is recognized by its name and files (model %s with the file %s: %s)', async (name, file, isOther) => {
    const directory = scratch({ [`${name}/${file}`]: '', [`${name}/more`]: '' })
    const refused = await found(join(directory, name), wholeFiles('a')).catch((error: unknown) => error)
    expect(refused).toEqual(refusal(file === 'a' ? 'FILE_UNSIGNED' : 'FILE_MISSING'))
    expect((refused as ModelSealError).hint === hint).toBe(isOther)
  })

  test('is recognized for a single file', async () => {
    const directory = scratch({ 'n.onnx': '' })
    await expect(found(join(directory, 'n.onnx'), wholeFiles('m.onnx'))).rejects.toEqual(
      refusal('FILE_MISSING', { hint }),
    )
  })
})

describe('an unsigned file that disappears after it was found, next to shards', () => {
  const shards = { method: 'shards', shardSize: 10, hashType: 'sha256', allowSymlinks: false } as const
  const manifest = new Manifest('m', shards, [{ name: 'a:0:1', digest: sha256('a') }])

  test('does not matter if unsigned files are ignored or other files are selected', async () => {
    const directory = scratch({ a: 'a' })
    also.found = [{ name: 'gone', path: join(directory, 'gone') }]
    expect(await found(directory, manifest, { ignoreUnsignedFiles: true })).toEqual(['a'])
    expect(await found(directory, manifest, { only: ['a'] })).toEqual(['a'])
  })

  test('otherwise counts as a change of the model', async () => {
    const directory = scratch({ a: 'a' })
    also.found = [{ name: 'gone', path: join(directory, 'gone') }]
    await expect(found(directory, manifest)).rejects.toEqual(refusal('FILE_CHANGED', { file: 'gone' }))
  })
})

describe('a file that may be unsigned', () => {
  const among = (...names: string[]) => ({ mayBeUnsigned: (name: string) => names.includes(name) })

  test('is not examined, while every other file is', async () => {
    const directory = scratch({ a: 'a', 'claims.jsonl': '', 'sub/b': 'b' })
    fifo(join(directory, 'sub/cache'))
    const options = among('claims.jsonl', 'sub/cache')
    expect(await found(directory, wholeFiles('a', 'sub/b'), options)).toEqual(['a', 'sub/b'])
    await expect(found(directory, wholeFiles('a', 'sub/b'), among('claims.jsonl'))).rejects.toEqual(
      refusal('FILE_SPECIAL', { file: 'sub/cache' }),
    )
    await expect(found(directory, wholeFiles('a'), options)).rejects.toEqual(
      refusal('FILE_UNSIGNED', { file: 'sub/b' }),
    )
  })

  test('is checked if the manifest names it or something below it', async () => {
    const directory = scratch({ a: 'a', 'cache/b': 'b', 'cache/junk': '', list: 'l' })
    const options = among('cache', 'list', 'cache/junk')
    expect((await found(directory, wholeFiles('a', 'cache/b', 'list'), options)).sort()).toEqual([
      'a',
      'cache/b',
      'list',
    ])
    await expect(found(directory, wholeFiles('a', 'cache/c', 'list'), options)).rejects.toEqual(
      refusal('FILE_MISSING', { file: 'cache/c' }),
    )
    renameSync(join(directory, 'list'), join(directory, 'cache/list'))
    await expect(found(directory, wholeFiles('a', 'cache/b', 'list'), options)).rejects.toEqual(
      refusal('FILE_MISSING', { file: 'list' }),
    )
    symlinkSync('cache/list', join(directory, 'list'))
    await expect(found(directory, wholeFiles('a', 'cache/b', 'list'), options)).rejects.toEqual(
      refusal('SYMLINK_REFUSED', { file: 'list' }),
    )
  })
})

describe('an unsigned file that no model may contain', () => {
  const advice = (name: string) => ({
    hint: expect.stringContaining(
      `does not need ${JSON.stringify(name)}, list it in the rule under "require.unsigned"`,
    ) as string,
  })

  test('is refused with a hint on how a rule can permit it', async () => {
    const directory = scratch({ a: 'a', 'sub/b': 'b' })
    const manifest = wholeFiles('a', 'sub/b')
    symlinkSync('a', join(directory, 'sub/link'))
    await expect(found(directory, manifest)).rejects.toEqual(refusal('SYMLINK_REFUSED', advice('sub/link')))
    renameSync(join(directory, 'sub/link'), join(directory, 'a'))
    const signed = await found(directory, manifest).catch((error: unknown) => error)
    expect(signed).toEqual(refusal('SYMLINK_REFUSED', { file: 'a' }))
    expect(String(signed)).not.toContain('require.unsigned')
  })

  test('is refused with the same hint if it is a FIFO', async () => {
    const directory = scratch({ a: 'a' })
    fifo(join(directory, 'pipe'))
    await expect(found(directory, wholeFiles('a'))).rejects.toEqual(refusal('FILE_SPECIAL', advice('pipe')))
  })
})

describe('a link to a directory of the model, if links are followed', () => {
  const linked = (...names: string[]) =>
    new Manifest(
      'm',
      { method: 'files', hashType: 'sha256', allowSymlinks: true, ignorePaths: ['tmp'] },
      names.map((name) => ({ name, digest: sha256(name) })),
    )

  function withLink(target: string, files = {}): string {
    const directory = scratch({ 'real/a': 'a', 'tmp/junk': '', 'cache/junk': '', ...files })
    symlinkSync(target, join(directory, 'link'))
    return directory
  }
  const options = { mayBeUnsigned: (name: string) => name === 'cache' }

  test('is skipped if nothing below it is signed', async () => {
    expect(await found(withLink('real'), linked('real/a'), options)).toEqual(['real/a'])
    // The target is compared under its own name.
    await expect(found(withLink('real', { 'real/b': '' }), linked('real/a'), options)).rejects.toEqual(
      refusal('FILE_UNSIGNED', { file: 'real/b' }),
    )
  })

  test('is followed if something below it is signed', async () => {
    expect((await found(withLink('real'), linked('link/a', 'real/a'), options)).sort()).toEqual(['link/a', 'real/a'])
    await expect(
      found(withLink('real', { 'real/b': '' }), linked('link/a', 'real/a', 'real/b'), options),
    ).rejects.toEqual(refusal('FILE_UNSIGNED', { file: 'link/b' }))
  })

  test('is skipped if its name only resembles that of a signed file or directory', async () => {
    const deep = scratch({ 'real/sub/a': 'a' })
    symlinkSync('real/sub', join(deep, 'rea'))
    expect(await found(deep, linked('real/sub/a'))).toEqual(['real/sub/a'])
    await expect(found(withLink('real'), linked('link', 'real/a'), options)).rejects.toEqual(
      refusal('FILE_MISSING', { problems: [{ code: 'FILE_MISSING', file: 'link' }] }),
    )
  })

  test.each(['tmp', 'cache'])('is not skipped if its target %s is ignored', async (target) => {
    await expect(found(withLink(target), linked('real/a'), options)).rejects.toEqual(
      refusal('FILE_UNSIGNED', { file: 'link/junk' }),
    )
  })

  test.each([
    ['the model', 'link', '.'],
    ['its own directory', 'real/link', '.'],
    ['a directory above', 'real/deep/link', '..'],
  ])('is skipped if it leads to %s', async (_, link, target) => {
    const directory = scratch({ 'real/a': 'a', 'real/deep/b': 'b' })
    symlinkSync(target, join(directory, link))
    expect((await found(directory, linked('real/a', 'real/deep/b'))).sort()).toEqual(['real/a', 'real/deep/b'])
    // A signer that followed the link would have signed an endless list of files.
    await expect(found(directory, linked(...['real/a', 'real/deep/b', `${link}/x`].sort()))).rejects.toEqual(
      refusal('SYMLINK_REFUSED', { file: link }),
    )
  })

  test.each(['..', '/etc', 'nowhere'])('is refused if it leads to %s', async (target) => {
    await expect(found(withLink(target), linked('real/a'), options)).rejects.toEqual(
      refusal('SYMLINK_REFUSED', { file: 'link' }),
    )
  })
})
