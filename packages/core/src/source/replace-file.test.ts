import { readdir, readFile, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { refusal, scratch } from '../testing/scratch.ts'
import { replaceUnlessChanged } from './replace-file.ts'

const FILE = { what: 'list', failed: 'FILE_WRITE_FAILED', mode: 0o644 } as const
const text = (value: string) => Buffer.from(value)

test('a file is replaced if it is what was read, or is still not there', async () => {
  const path = join(scratch(), 'a')
  expect(await replaceUnlessChanged(path, text('1'), undefined, FILE)).toBe(true)
  expect(await replaceUnlessChanged(path, text('2'), undefined, FILE)).toBe(false)
  expect(await replaceUnlessChanged(path, text('2'), text('0'), FILE)).toBe(false)
  expect(await readFile(path, 'utf8')).toBe('1')
  expect(await replaceUnlessChanged(path, text('2'), text('1'), FILE)).toBe(true)
  expect(await readFile(path, 'utf8')).toBe('2')
})

test('a file that was removed meanwhile is not created again', async () => {
  const directory = scratch()
  expect(await replaceUnlessChanged(join(directory, 'a'), text('2'), text('1'), FILE)).toBe(false)
  expect(await readdir(directory)).toEqual([])
})

test('of many that replace the same file at the same time, one does', async () => {
  const path = join(scratch({ a: '0' }), 'a')
  const replaced = await Promise.all(
    Array.from({ length: 12 }, (_, index) => replaceUnlessChanged(path, text(`by ${index}`), text('0'), FILE)),
  )
  expect(replaced.filter(Boolean)).toHaveLength(1)
  expect(await readFile(path, 'utf8')).toBe(`by ${replaced.indexOf(true)}`)
})

test('a lock that was left behind is taken over', async () => {
  const directory = scratch({ a: '0' })
  const lock = join(directory, '.a.lock')
  await writeFile(lock, '')
  await utimes(lock, new Date(0), new Date(0))
  expect(await replaceUnlessChanged(join(directory, 'a'), text('1'), text('0'), FILE)).toBe(true)
  expect(await readdir(directory)).toEqual(['a'])
})

test('a directory that is not there is reported', async () => {
  const writing = replaceUnlessChanged(join(scratch(), 'none/a'), text('1'), undefined, FILE)
  await expect(writing).rejects.toEqual(refusal('FILE_WRITE_FAILED'))
})
