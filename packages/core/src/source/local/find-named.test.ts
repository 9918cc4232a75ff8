import { mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { refusal, scratch } from '../../testing/scratch.ts'
import { fifo, socket } from '../../testing/special-files.ts'
import type { FindOptions } from './find-files.ts'
import { findNamed } from './find-named.ts'
import { openLocalSource } from './local-source.ts'

const plainly: FindOptions = { ignored: () => false, followLinks: false }

async function named(path: string, names: readonly string[], options: Partial<FindOptions> = {}): Promise<string[]> {
  const files = await findNamed(await openLocalSource(path), names, { ...plainly, ...options })
  return files.map(({ name }) => name).sort()
}

const many = (count: number, directory = '') => Array.from({ length: count }, (_, i) => `${directory}f${1000 + i}`)
const contents = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, '']))

describe('finding files by name', () => {
  test.each([3, 200])('finds %i of them in one directory, and no others', async (count) => {
    const names = [...many(count), ...many(count, 'a/b/')]
    const directory = scratch(contents([...names, 'other', 'a/other', 'a/b/other']))
    expect(await named(directory, [...names, 'none', 'a/none', 'none/none', 'f1000/none', 'x'.repeat(300)])).toEqual(
      names.sort(),
    )
  })

  test.each([3, 200])('ignores anything with another name beside %i files', async (count) => {
    const names = many(count, 'sub/')
    const directory = scratch(contents(names))
    symlinkSync('/etc/hostname', join(directory, 'sub', 'link'))
    symlinkSync('.', join(directory, 'sub', 'self'))
    fifo(join(directory, 'sub', 'fifo'))
    await socket(join(directory, 's'))
    writeFileSync(Buffer.concat([Buffer.from(`${directory}/sub/a`), Buffer.from([0xff])]), '')
    mkdirSync(join(directory, ...Array<string>(300).fill('d')), { recursive: true })
    expect(await named(directory, names)).toEqual(names)
  })

  test.each([3, 200])('refuses a link or a special file in place of one of %i', async (count) => {
    const names = many(count)
    for (const [code, put] of [
      ['SYMLINK_REFUSED', (path: string) => symlinkSync('f1001', path)],
      ['FILE_SPECIAL', fifo],
    ] as const) {
      const directory = scratch(contents(names.slice(1)))
      put(join(directory, 'f1000'))
      await expect(named(directory, names)).rejects.toEqual(refusal(code, { file: 'f1000' }))
      renameSync(join(directory, 'f1000'), join(directory, 'd'))
      await expect(named(directory, ['d/f', ...names.slice(1)])).rejects.toEqual(refusal(code, { file: 'd' }))
    }
  })

  test('finds no file if a directory has its name', async () => {
    expect(await named(scratch({ 'a/b': '' }), ['a'])).toEqual([])
  })

  test('follows links if the signature allows them, and never out of the model', async () => {
    const directory = scratch({ 'model/real/a': '', secret: '' })
    const model = join(directory, 'model')
    symlinkSync('real', join(model, 'linked'))
    symlinkSync('real/a', join(model, 'file'))
    symlinkSync('..', join(model, 'up'))
    symlinkSync('.', join(model, 'self'))
    expect(await named(model, ['linked/a', 'file'], { followLinks: true })).toEqual(['file', 'linked/a'])
    for (const name of ['up/secret', 'up', 'self/real/a'])
      await expect(named(model, [name], { followLinks: true })).rejects.toEqual(refusal('SYMLINK_REFUSED'))
    await expect(named(model, ['linked/a'])).rejects.toEqual(refusal('SYMLINK_REFUSED', { file: 'linked' }))
  })

  test('skips ignored names and everything below them', async () => {
    const directory = scratch({ 'a/b/c': '', 'a/d': '', e: '' })
    expect(
      await named(directory, ['a/b/c', 'a/d', 'e'], { ignored: (name) => name === 'a/b' || name === 'e' }),
    ).toEqual(['a/d'])
  })

  test('accepts a real replacement character, and nothing that looks like it', async () => {
    const names = [...many(100), 'a\ufffd']
    const directory = scratch(contents(names))
    writeFileSync(Buffer.concat([Buffer.from(`${directory}/b`), Buffer.from([0xff])]), '')
    expect(await named(directory, [...names, 'b\ufffd'])).toEqual(names.sort())
  })

  test('refuses a model whose directory was replaced', async () => {
    const directory = scratch({ 'model/a': '', 'other/a': '' })
    const source = await openLocalSource(join(directory, 'model'))
    renameSync(join(directory, 'model'), join(directory, 'gone'))
    renameSync(join(directory, 'other'), join(directory, 'model'))
    await expect(findNamed(source, ['a'], plainly)).rejects.toEqual(refusal('FILE_CHANGED'))
  })

  test('stops when aborted', async () => {
    const names = many(2_500)
    const source = await openLocalSource(scratch(contents(names)))
    const finding = findNamed(source, names, { ...plainly, signal: AbortSignal.abort() })
    await expect(finding).rejects.toEqual(refusal('ABORTED'))
  })
})
