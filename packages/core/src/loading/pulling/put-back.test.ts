import { cpSync, mkdirSync, rmSync, symlinkSync, truncateSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { refusal, scratch } from '../../testing/scratch.ts'
import { fifo } from '../../testing/special-files.ts'
import { foreignIn, inTheWay } from './put-back.ts'

let whole: string
let left: string
beforeEach(() => {
  const directory = scratch({ 'left/a': 'content a', 'left/sub/deep/b': 'b', 'left/sub/c': 'c' })
  left = join(directory, 'left')
  whole = join(directory, 'whole')
  symlinkSync('a', join(left, 'link'))
  for (const name of ['a', 'sub/deep/b', 'sub/c']) utimesSync(join(left, name), 100, 100)
  cpSync(left, whole, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true })
})

describe('what is left of a copied directory', () => {
  test('is not foreign, whatever of it is gone', async () => {
    expect(await foreignIn(left, whole)).toBeUndefined()
    rmSync(join(left, 'a'))
    rmSync(join(left, 'sub/deep'), { recursive: true })
    expect(await foreignIn(left, whole)).toBeUndefined()
  })

  test('may have times that were rounded', async () => {
    utimesSync(join(left, 'a'), 100.001, 100.001)
    expect(await foreignIn(left, whole)).toBeUndefined()
    for (const time of [100.003, 99.997, 101, 99]) {
      utimesSync(join(left, 'a'), time, time)
      expect(await foreignIn(left, whole)).toBe('a')
    }
  })

  const replace = (name: string, by: (path: string) => void) => () => {
    rmSync(join(left, name), { recursive: true, force: true })
    by(join(left, name))
  }

  const shorten = () => {
    truncateSync(join(left, 'a'), 3)
    utimesSync(join(left, 'a'), 100, 100)
  }

  test.each<[string, string, () => void]>([
    ['a new file', 'mine', () => writeFileSync(join(left, 'mine'), '')],
    ['a new directory', 'mine', () => mkdirSync(join(left, 'mine'))],
    ['a new link', 'mine', () => symlinkSync('a', join(left, 'mine'))],
    ['a new file deep below', 'sub/deep/mine', () => writeFileSync(join(left, 'sub/deep/mine'), '')],
    ['a file of another size', 'a', shorten],
    ['a file in place of a directory', 'sub', replace('sub', (path) => writeFileSync(path, ''))],
    ['a file in place of a link', 'link', replace('link', (path) => writeFileSync(path, ''))],
    ['a directory in place of a file', 'a', replace('a', (path) => mkdirSync(path))],
    ['a link in place of a file', 'a', replace('a', (path) => symlinkSync('a', path))],
    ['a link in place of a directory', 'sub', replace('sub', (path) => symlinkSync('a', path))],
    ['another link', 'link', replace('link', (path) => symlinkSync('b', path))],
    ['a FIFO in place of a file', 'a', replace('a', fifo)],
  ])('is foreign if it is %s', async (_, name, change) => {
    change()
    expect(await foreignIn(left, whole)).toBe(name)
  })

  test('is foreign if it is no file, whatever the copy is', async () => {
    for (const path of [left, whole]) {
      rmSync(join(path, 'a'))
      fifo(join(path, 'a'))
    }
    expect(await foreignIn(left, whole)).toBe('a')
  })
})

test('what is in the way is named, with the place of the old model', () => {
  expect(inTheWay('/m', 'sub/mine', '/kept')).toEqual(
    refusal('DESTINATION_REFUSED', {
      file: '/m',
      expected: 'only what the interrupted pull left there',
      found: '"sub/mine", which somebody else has put there since',
      hint: expect.stringContaining('"/kept"') as string,
    }),
  )
})
