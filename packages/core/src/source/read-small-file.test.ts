import { existsSync, symlinkSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { refusal, scratch } from '../testing/scratch.ts'
import { fifo, socket } from '../testing/special-files.ts'
import { readSmallFile } from './read-small-file.ts'
import { unreadable } from './file-errors.ts'

const limits = { what: 'policy', maxBytes: 10 }

test('reads a file of exactly the maximum size', async () => {
  const directory = scratch({ empty: '', full: '0123456789', over: '0123456789a' })
  expect((await readSmallFile(join(directory, 'empty'), limits)).toString()).toBe('')
  expect((await readSmallFile(join(directory, 'full'), limits)).toString()).toBe('0123456789')
  await expect(readSmallFile(join(directory, 'over'), limits)).rejects.toEqual(refusal('FILE_TOO_LARGE'))
})

test('refuses a huge file by its size, without reading it', async () => {
  const directory = scratch({ huge: '' })
  truncateSync(join(directory, 'huge'), 2 ** 40)
  await expect(readSmallFile(join(directory, 'huge'), limits)).rejects.toEqual(refusal('FILE_TOO_LARGE'))
})

test('follows a link, because such files are often mounted as links', async () => {
  const directory = scratch({ file: 'abc' })
  symlinkSync('file', join(directory, 'link'))
  expect((await readSmallFile(join(directory, 'link'), limits)).toString()).toBe('abc')
})

test("refuses a missing file with the caller's code", async () => {
  const path = join(scratch({ file: '' }), 'none')
  await expect(readSmallFile(path, limits)).rejects.toEqual(refusal('FILE_NOT_FOUND'))
  await expect(readSmallFile(path, { ...limits, notFound: 'BUNDLE_NOT_FOUND' })).rejects.toEqual(
    refusal('BUNDLE_NOT_FOUND'),
  )
  await expect(readSmallFile(`${path}\0`, limits)).rejects.toEqual(refusal('FILE_UNREADABLE'))
})

test.each(['', 3, undefined, null, new URL('file:///dev/null')])('refuses %j, which is not a path', async (path) => {
  await expect(readSmallFile(path as string, limits)).rejects.toEqual(refusal('INVALID_ARGUMENT'))
})

test('refuses a directory, a FIFO, a socket and an endless device without waiting', async () => {
  const directory = scratch()
  fifo(join(directory, 'fifo'))
  await socket(join(directory, 'socket'))
  await expect(readSmallFile(directory, limits)).rejects.toEqual(refusal('FILE_SPECIAL'))
  await expect(readSmallFile(join(directory, 'fifo'), limits)).rejects.toEqual(refusal('FILE_SPECIAL'))
  await expect(readSmallFile(join(directory, 'socket'), limits)).rejects.toEqual(refusal('FILE_UNREADABLE'))
  await expect(readSmallFile('/dev/zero', limits)).rejects.toEqual(refusal('FILE_SPECIAL'))
})

// A file in /proc has size 0 but contains bytes, like a file that grows while it is read.
test.runIf(existsSync('/proc/self/status'))('refuses a file that is longer than its size', async () => {
  await expect(readSmallFile('/proc/self/status', limits)).rejects.toEqual(refusal('FILE_CHANGED'))
})

test('says which permission to grant if Node.js denies access', () => {
  const denied = Object.assign(new Error('denied'), { code: 'ERR_ACCESS_DENIED' })
  expect(unreadable('a.pub', 'public key', denied).hint).toContain('--allow-fs-read')
  expect(unreadable('a.pub', 'public key', Object.assign(new Error(), { code: 'EACCES' })).hint).toContain(
    'may read it',
  )
})
