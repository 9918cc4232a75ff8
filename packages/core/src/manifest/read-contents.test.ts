import { createHash } from 'node:crypto'
import { lstatSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { ModelSealError } from '../errors.ts'
import { openLocalSource } from '../source/local/local-source.ts'
import { identityOf } from '../source/local/source-file.ts'
import { SizeLimit } from '../source/size-limit.ts'
import { sha256 } from '../testing/bundles.ts'
import { refusal, scratch } from '../testing/scratch.ts'
import { Contents, type ContentsOptions, type FurtherDigests } from './contents.ts'
import { Manifest } from './manifest.ts'

const FILES = { a: 'alpha', 'b/c': 'gamma!', empty: '' }
const blake2b = (text: string) => createHash('blake2b512').update(text).digest('hex')

async function contentsOf(files: Record<string, string> = FILES, options: ContentsOptions = {}) {
  const directory = scratch(files)
  const serialization = { method: 'files', hashType: 'sha256', allowSymlinks: false } as const
  const resources = Object.entries(FILES).map(([name, content]) => ({ name, digest: sha256(content) }))
  const manifest = new Manifest('m', serialization, resources)
  const contents = await Contents.compareNames(await openLocalSource(directory), manifest, options)
  return { directory, contents, serialization }
}

/** Further digests, of which some are refused. */
function further(...refused: string[]) {
  const checked: string[][] = []
  const digests: FurtherDigests = {
    hashTypes: ['blake2b'],
    check: (name, hashType, digest) => {
      checked.push([name, hashType, digest])
      if (refused.includes(digest)) throw new ModelSealError('FILE_REVOKED', 'No.', { file: name })
    },
  }
  return { further: digests, checked }
}

const text = (bytes: Uint8Array | undefined) => Buffer.from(bytes ?? []).toString()

describe('reading', () => {
  test('several files returns them in their order', async () => {
    const { contents } = await contentsOf()
    const all = await contents.readAll([{ name: 'b/c' }, { name: 'empty' }, { name: 'a' }])
    expect(all.map(text)).toEqual(['gamma!', '', 'alpha'])
    expect(contents.checked).toEqual({ files: 3, bytes: 11 })
    expect([contents.isChecked('a'), contents.isChecked('none')]).toEqual([true, false])
  })

  test('none of them if one differs', async () => {
    const { contents } = await contentsOf({ ...FILES, 'b/c': 'gamma?' })
    await expect(contents.readAll([{ name: 'a' }, { name: 'b/c' }])).rejects.toEqual(
      refusal('FILE_MISMATCH', { file: 'b/c' }),
    )
    expect([contents.isChecked('a'), contents.checked]).toEqual([false, { files: 0, bytes: 0 }])
  })

  test('returns no more than was asked for, and hashes all', async () => {
    const { contents } = await contentsOf()
    expect((await contents.readAll([{ name: 'a', firstBytes: 2 }, { name: 'b/c' }])).map(text)).toEqual([
      'al',
      'gamma!',
    ])
    const changed = (await contentsOf({ ...FILES, a: 'alphx' })).contents
    await expect(changed.readAll([{ name: 'a', firstBytes: 2 }])).rejects.toEqual(refusal('FILE_MISMATCH'))
  })

  test('refuses files that are larger than the caller expects, one by one or together', async () => {
    const { contents } = await contentsOf()
    await contents.readAll([{ name: 'a', maxBytes: 5 }])
    await expect(contents.readAll([{ name: 'a', maxBytes: 4 }])).rejects.toEqual(
      refusal('FILE_TOO_LARGE', { file: 'a', expected: 'at most 4 bytes', found: '5 bytes' }),
    )
    const both = (maxBytes: number) => {
      const together = { maxBytes }
      return contents.readAll(['a', 'b/c'].map((name) => ({ name, together })))
    }
    await both(11)
    await expect(both(10)).rejects.toEqual(refusal('FILE_TOO_LARGE', { file: 'b/c' }))
  })

  test('refuses files beyond the limit of the load before any is hashed', async () => {
    await (await contentsOf(FILES, { limit: new SizeLimit(11) })).contents.checkSizes()
    const { contents } = await contentsOf({ ...FILES, a: 'ALPHA' }, { limit: new SizeLimit(10) })
    await expect(contents.checkSizes()).rejects.toEqual(refusal('FILE_TOO_LARGE'))
    await expect(contents.checkRest()).rejects.toEqual(refusal('FILE_TOO_LARGE'))
  })

  test('a file again counts it once', async () => {
    const { contents } = await contentsOf()
    await contents.readAll([{ name: 'a' }, { name: 'a' }])
    await contents.read('a')
    expect(contents.checked).toEqual({ files: 1, bytes: 5 })
  })

  test('only checks the rest of what was not read', async () => {
    const { contents, directory } = await contentsOf()
    await contents.read('a')
    writeFileSync(join(directory, 'a'), 'changed since')
    await contents.checkRest()
    expect(contents.checked).toEqual({ files: 3, bytes: 11 })
  })
})

describe('further digests', () => {
  test('refuse a file that matches the manifest, and are kept of the others', async () => {
    const options = further(blake2b('gamma!'))
    const { contents } = await contentsOf(FILES, options)
    expect(text(await contents.read('a'))).toBe('alpha')
    expect(contents.furtherHashTypes).toEqual(['blake2b'])
    expect(contents.furtherDigests('a')).toEqual([blake2b('alpha')])
    await expect(contents.checkRest()).rejects.toEqual(refusal('FILE_REVOKED', { file: 'b/c' }))
    expect([contents.isChecked('b/c'), contents.furtherDigests('b/c')]).toEqual([false, []])
    expect(options.checked[0]).toEqual(['a', 'blake2b', blake2b('alpha')])
  })

  test('do not matter if the manifest does not match', async () => {
    const options = further(blake2b('other'))
    const { contents } = await contentsOf({ ...FILES, a: 'other' }, options)
    await expect(contents.read('a')).rejects.toEqual(refusal('FILE_MISMATCH'))
    expect(options.checked).toEqual([])
  })

  test('are none unless they are wanted', async () => {
    const { contents } = await contentsOf()
    await contents.checkRest()
    expect([contents.furtherHashTypes, contents.furtherDigests('a')]).toEqual([[], []])
  })
})

describe('files that are known to match', () => {
  test('count as checked, but are hashed if they are read', async () => {
    const calls: number[][] = []
    const { contents, directory } = await contentsOf(FILES, { onProgress: (...call) => void calls.push(call) })
    contents.takeOver(() => [])
    expect(contents.checked).toEqual({ files: 3, bytes: 0 })
    expect(contents.isChecked('a')).toBe(true)
    expect(calls).toEqual([[11, 11]])
    await contents.checkRest()
    expect(contents.checked.bytes).toBe(0)
    expect(text(await contents.read('a'))).toBe('alpha')
    expect(contents.checked).toEqual({ files: 3, bytes: 5 })
    writeFileSync(join(directory, 'b/c'), 'gamma?')
    await expect(contents.read('b/c')).rejects.toEqual(refusal('FILE_CHANGED'))
  })

  test('are judged by the digests that were remembered', async () => {
    const options = further('bad')
    const { contents } = await contentsOf(FILES, options)
    contents.takeOver((name) => [`of ${name}`])
    expect(options.checked.sort()).toEqual(Object.keys(FILES).map((name) => [name, 'blake2b', `of ${name}`]))
    expect(contents.furtherDigests('b/c')).toEqual(['of b/c'])
    const refused = (await contentsOf(FILES, options)).contents
    expect(() => refused.takeOver((name) => [name === 'empty' ? 'bad' : 'good'])).toThrow(
      refusal('FILE_REVOKED', { file: 'empty' }),
    )
    expect(refused.isChecked('a')).toBe(false)
    const { contents: unjudged } = await contentsOf()
    unjudged.takeOver(() => {
      throw new RangeError('nothing is remembered')
    })
    const missing = (await contentsOf(FILES, options)).contents
    expect(() => missing.takeOver(() => [])).toThrow()
  })
})

describe('files elsewhere', () => {
  test('are copied while they are hashed', async () => {
    const { contents } = await contentsOf()
    const copyTo = join(scratch(), 'copy')
    await contents.check([{ file: contents.file('a'), copyTo }])
    expect(readFileSync(copyTo, 'utf8')).toBe('alpha')
    expect([contents.isChecked('a'), contents.isChecked('b/c')]).toEqual([true, false])
  })

  test('are read in place of those of the model', async () => {
    const { contents, directory, serialization } = await contentsOf()
    const path = join(scratch({ other: 'alpha' }), 'other')
    contents.replace({ name: 'a', path, identity: identityOf(lstatSync(path, { bigint: true })) })
    writeFileSync(join(directory, 'a'), 'changed')
    expect(text(await contents.read('a'))).toBe('alpha')
    expect(contents.sourceFiles.map((file) => file.path)).toContain(path)
    expect(contents.listed.map((file) => file.path)).not.toContain(path)
    expect(contents.names.sort()).toEqual(['a', 'b/c', 'empty'])
    expect(contents.serialization).toEqual(serialization)
  })
})
