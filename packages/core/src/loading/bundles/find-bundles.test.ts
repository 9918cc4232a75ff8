import { mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { bundleOver, encoded, keyPair, statementOver } from '../../testing/bundles.ts'
import { refusal, scratch } from '../../testing/scratch.ts'
import { findBundles, type FoundModel } from './find-bundles.ts'
import { localModelSource } from '../../source/local/local-model-source.ts'
import { OpenedSource } from '../../source/opened-source.ts'

const pair = keyPair()

function signed(...names: string[]): Buffer {
  return bundleOver(encoded(statementOver(Object.fromEntries(names.map((name) => [name, name])))), pair)
}

async function find(path: string, signature?: string): Promise<FoundModel> {
  return findBundles(await OpenedSource.open(localModelSource(path)), signature)
}

async function found(directory: string, path: string, signature?: string): Promise<string[]> {
  return relativePaths(directory, await find(join(directory, path), signature && join(directory, signature)))
}

function relativePaths(directory: string, { bundles }: FoundModel): string[] {
  return bundles.map(({ path }) => path.slice(directory.length + 1))
}

describe('for a directory', () => {
  test.each(['m/vad/model.sig', 'm/vad.sig'])('a bundle one directory deeper (%s) is suggested', async (bundle) => {
    const directory = scratch({ 'm/vad/a': '', 'm/.cache/b': '', 'm/README.md': '', [bundle]: signed('a') })
    const hint = `The directory ${JSON.stringify(join(directory, 'm/vad'))} in it has a bundle. If that is the model, give its path.`
    await expect(find(join(directory, 'm'))).rejects.toEqual(refusal('BUNDLE_NOT_FOUND', { hint }))
    mkdirSync(join(directory, 'm/another'))
    await expect(find(join(directory, 'm'))).rejects.toEqual(
      refusal('BUNDLE_NOT_FOUND', { hint: expect.stringContaining('Fetch the bundle') as string }),
    )
  })

  test('only the given bundle counts', async () => {
    const directory = scratch({ 'm/a': '', 'm/model.sig': signed('a'), 'given.sig': signed('a') })
    expect(await found(directory, 'm', 'given.sig')).toEqual(['given.sig'])
    await expect(found(directory, 'm', 'none.sig')).rejects.toEqual(refusal('BUNDLE_NOT_FOUND'))
  })

  test('model.sig in it comes first, then further signers by name; DIR.sig is ignored', async () => {
    const directory = scratch({
      'm/model.sig': signed('a'),
      'm.sig': signed('a'),
      'm.b.sig': signed('a'),
      'm.a.sig': signed('a'),
    })
    expect(await found(directory, 'm')).toEqual(['m/model.sig', 'm.a.sig', 'm.b.sig'])
  })

  test('DIR.sig comes first if there is no model.sig in it', async () => {
    const directory = scratch({
      'm/a': '',
      'm.sig': signed('a'),
      'm.a.sig': signed('a'),
      'n.sig': signed('a'),
      'm.sig.old': '',
    })
    expect(await found(directory, 'm')).toEqual(['m.sig', 'm.a.sig'])
  })

  test('further signers are enough', async () => {
    expect(await found(scratch({ 'm/a': '', 'm.lab.sig': signed('a') }), 'm')).toEqual(['m.lab.sig'])
  })

  test('nothing else is a bundle, neither a model.sig further down nor one above', async () => {
    const directory = scratch({
      'model.sig': signed('m/a'),
      'm/a': '',
      'm/sub/model.sig': signed('a'),
      'mm.sig': signed('a'),
    })
    await expect(found(directory, 'm')).rejects.toEqual(refusal('BUNDLE_NOT_FOUND'))
  })

  test('a bundle that cannot be read is reported, not skipped', async () => {
    const directory = scratch({ 'm/model.sig': 'junk', 'm.sig': signed('a'), 'm.b.sig': signed('a') })
    mkdirSync(join(directory, 'm.a.sig'))
    const { bundles } = await find(join(directory, 'm'))
    expect(bundles).toEqual([
      { path: join(directory, 'm/model.sig'), error: refusal('JSON_INVALID') },
      { path: join(directory, 'm.a.sig'), error: refusal('FILE_SPECIAL') },
      { path: join(directory, 'm.b.sig'), bundle: expect.anything() },
    ])
  })

  test('at most 32 are read', async () => {
    const many = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`m.${100 + i}.sig`, signed('a')]))
    expect(await found(scratch({ 'm/a': '', ...many }), 'm')).toHaveLength(32)
  })
})

describe('for a file', () => {
  test('FILE.sig comes first, then further signers by name', async () => {
    const directory = scratch({
      f: '',
      'f.sig': signed('f'),
      'f.b.sig': signed('f'),
      'f.a.sig': signed('f'),
      'model.sig': signed('f'),
    })
    const model = await find(join(directory, 'f'))
    expect(relativePaths(directory, model)).toEqual(['f.sig', 'f.a.sig', 'f.b.sig'])
    expect(model.files.isFile).toBe(true)
    expect(model.entry).toBe(undefined)
  })

  test('otherwise, the nearest directory above whose model.sig covers it', async () => {
    const directory = scratch({
      'model.sig': signed('m/sub/f'),
      'm/model.sig': signed('sub/other'),
      'm/sub/f': '',
      'm.lab.sig': signed('sub/f'),
    })
    const model = await find(join(directory, 'm/sub/f'))
    expect(model.files).toMatchObject({ isFile: false, path: directory })
    expect(model.entry).toBe('m/sub/f')
    expect(relativePaths(directory, model)).toEqual(['model.sig'])
  })

  test('a directory above that is not a signed model is skipped, even with a .sig beside it', async () => {
    const directory = scratch({ 'model.sig': signed('m/f'), 'm/f': '', 'm.sig': signed('f') })
    expect((await find(join(directory, 'm/f'))).entry).toBe('m/f')
  })

  test('further signers of the directory above are found as well', async () => {
    const directory = scratch({ 'm/model.sig': signed('f'), 'm/f': '', 'm.lab.sig': signed('f') })
    const model = await find(join(directory, 'm/f'))
    expect(relativePaths(directory, model)).toEqual(['m/model.sig', 'm.lab.sig'])
    expect(model.entry).toBe('f')
  })

  test('is refused if the bundles above do not cover it, and if there are none', async () => {
    const directory = scratch({ 'm/model.sig': signed('g'), 'm/f': '', 'n/f': '' })
    await expect(found(directory, 'm/f')).rejects.toEqual(refusal('FILE_NOT_SIGNED'))
    await expect(found(directory, 'n/f')).rejects.toEqual(refusal('BUNDLE_NOT_FOUND'))
  })

  test('a bundle above that cannot be read is reported, not skipped', async () => {
    const directory = scratch({ 'model.sig': signed('m/f'), 'm/model.sig': 'junk', 'm/f': '' })
    const { bundles } = await find(join(directory, 'm/f'))
    expect(bundles).toEqual([{ path: join(directory, 'm/model.sig'), error: refusal('JSON_INVALID') }])
  })

  test('a bundle above with a hostile statement is a typed error', async () => {
    const directory = scratch({ 'model.sig': bundleOver(Buffer.from('['.repeat(1000)), pair), f: '' })
    await expect(found(directory, 'f')).rejects.toEqual(refusal('JSON_TOO_COMPLEX'))
  })

  test('the given bundle is for the file alone, or for a directory above it', async () => {
    const directory = scratch({
      'm/f': '',
      'alone.sig': signed('f'),
      'unnamed.sig': signed('.'),
      'above.sig': signed('m/f'),
      'other.sig': signed('g'),
    })
    const given = (name: string) => find(join(directory, 'm/f'), join(directory, name))
    expect((await given('alone.sig')).files.isFile).toBe(true)
    expect((await given('unnamed.sig')).files.isFile).toBe(true)
    expect(await given('above.sig')).toMatchObject({ files: { isFile: false, path: directory }, entry: 'm/f' })
    const hint =
      'The bundle belongs to the model "model", which does not contain this file. Use the bundle of this file, or, if the file belongs to that model, sign the model again, including this file.'
    await expect(given('other.sig')).rejects.toEqual(refusal('FILE_NOT_SIGNED', { hint }))
  })

  test('below a linked directory, the target directory counts', async () => {
    const directory = scratch({ 'v1/f': '', 'v1/model.sig': signed('f') })
    symlinkSync('v1', join(directory, 'current'))
    expect(await find(join(directory, 'current/f'))).toMatchObject({
      files: { path: join(directory, 'v1') },
      entry: 'f',
    })
  })
})
