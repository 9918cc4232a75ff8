import { chmodSync, mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { fifo, socket } from '../../testing/special-files.ts'
import { refusal, scratch } from '../../testing/scratch.ts'
import { listFiles } from '../../testing/list-files.ts'
import { findFiles, MAX_DIRECTORIES } from './find-files.ts'
import { openLocalSource } from './local-source.ts'

const everything = { ignored: () => false, followLinks: false }

async function namesIn(path: string): Promise<string[]> {
  return (await listFiles(await openLocalSource(path), everything)).map(({ name }) => name).sort()
}

describe('listing a model', () => {
  test('finds every regular file at every depth, hidden ones too', async () => {
    const directory = scratch({ a: '', '.hidden': '', 'b/c/d': '', 'b/.e': '' })
    mkdirSync(join(directory, 'empty'))
    expect(await namesIn(directory)).toEqual(['.hidden', 'a', 'b/.e', 'b/c/d'])
  })

  test('skips ignored names and everything below them without looking at it', async () => {
    const directory = scratch({ a: '', 'b/c': '' })
    symlinkSync('nowhere', join(directory, 'b', 'link'))
    const source = await openLocalSource(directory)
    const files = await listFiles(source, { ...everything, ignored: (name) => name === 'b' })
    expect(files.map(({ name }) => name)).toEqual(['a'])
  })

  test.each([
    ['a file', 'weights'],
    ['a directory', 'sub'],
    ['nothing', 'nowhere'],
    ['the root itself', '.'],
  ])('refuses a symbolic link to %s', async (_, target) => {
    const directory = scratch({ weights: 'w', 'sub/a': '' })
    symlinkSync(target, join(directory, 'sub', 'link'))
    await expect(namesIn(directory)).rejects.toEqual(refusal('SYMLINK_REFUSED', { file: 'sub/link' }))
  })

  test('refuses a FIFO and a socket in the model, without opening them', async () => {
    const directory = scratch({ 'one/weights': 'w', 'two/weights': 'w' })
    fifo(join(directory, 'one', 'fifo'))
    await socket(join(directory, 'two', 'socket'))
    await expect(namesIn(join(directory, 'one'))).rejects.toEqual(refusal('FILE_SPECIAL', { file: 'fifo' }))
    await expect(namesIn(join(directory, 'two'))).rejects.toEqual(refusal('FILE_SPECIAL', { file: 'socket' }))
  })

  test.each([
    ['a stray continuation byte', [0x61, 0x80]],
    ['an overlong slash', [0xc0, 0xaf]],
    ['an encoded surrogate', [0xed, 0xa0, 0x80]],
    ['a truncated character', [0xf0, 0x9f, 0x98]],
  ])('refuses a name with %s', async (_, bytes) => {
    const directory = scratch({ 'sub/a': '' })
    writeFileSync(Buffer.concat([Buffer.from(`${directory}/sub/`), Buffer.from(bytes)]), '')
    await expect(namesIn(directory)).rejects.toEqual(refusal('FILE_NAME'))
  })

  test('accepts a name that really contains the replacement character', async () => {
    expect(await namesIn(scratch({ 'a\ufffd': '', b: '' }))).toEqual(['a\ufffd', 'b'])
  })

  test('refuses a valid and an invalid name that look the same', async () => {
    const directory = scratch({ 'a\ufffd': '' })
    writeFileSync(Buffer.concat([Buffer.from(`${directory}/a`), Buffer.from([0xff])]), '')
    await expect(namesIn(directory)).rejects.toEqual(refusal('FILE_NAME'))
  })

  test.each<[string, (path: string) => void]>([
    ['a link', (path) => symlinkSync(tmpdir(), path)],
    ['a file', (path) => writeFileSync(path, '')],
  ])('refuses a directory that becomes %s before it is read', async (_, become) => {
    const directory = scratch({ 'sub/a': '' })
    const ignored = (name: string) => {
      if (name !== 'sub') return false
      renameSync(join(directory, 'sub'), join(directory, 'moved'))
      become(join(directory, 'sub'))
      return false
    }
    const finding = findFiles(await openLocalSource(directory), { ignored, followLinks: true })
    await expect(finding).rejects.toEqual(refusal('FILE_CHANGED', { file: 'sub' }))
  })

  test('follows directories as deep as any model, and refuses an endless tree', async () => {
    const deep = Array<string>(200).fill('d').join('/')
    expect(await namesIn(scratch({ [`${deep}/leaf`]: '' }))).toEqual([`${deep}/leaf`])
    const abyss = Array<string>(300).fill('d').join('/')
    await expect(namesIn(scratch({ [`${abyss}/leaf`]: '' }))).rejects.toEqual(refusal('MODEL_TOO_LARGE'))
  })

  test('refuses a few links that multiply into countless directories', async () => {
    const directory = scratch()
    for (let level = 0; level < 30; level++) {
      mkdirSync(join(directory, `d${level}`))
      for (const name of ['a', 'b']) symlinkSync(`../d${level + 1}`, join(directory, `d${level}`, name))
    }
    mkdirSync(join(directory, 'd30'))
    const finding = findFiles(await openLocalSource(directory), { ...everything, followLinks: true }, 1_000)
    await expect(finding).rejects.toEqual(refusal('MODEL_TOO_LARGE', { found: 'more than 1000 directories' }))
    // By default the walk ends too, but takes seconds.
    expect(MAX_DIRECTORIES).toBe(100_000)
  })

  test('stops when aborted', async () => {
    const files = Object.fromEntries(Array.from({ length: 2_500 }, (_, i) => [`f${i}`, '']))
    const source = await openLocalSource(scratch(files))
    const reason = new Error('enough')
    const listing = listFiles(source, { ...everything, signal: AbortSignal.abort(reason) })
    await expect(listing).rejects.toEqual(refusal('ABORTED', { cause: reason }))
  })

  test.skipIf(process.platform === 'win32')('refuses a directory that it may not read', async () => {
    const directory = scratch({ 'closed/a': '' })
    for (let path = directory; path !== dirname(path) && path !== '/tmp'; path = dirname(path)) chmodSync(path, 0o755)
    chmodSync(join(directory, 'closed'), 0o000)
    const asNobody = process.geteuid?.() === 0
    if (asNobody) process.seteuid?.(65_534)
    try {
      await expect(namesIn(directory)).rejects.toEqual(refusal('FILE_UNREADABLE'))
    } finally {
      if (asNobody) process.seteuid?.(0)
      chmodSync(join(directory, 'closed'), 0o755)
    }
  })
})
