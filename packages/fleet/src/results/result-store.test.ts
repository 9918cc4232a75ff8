import { execFileSync } from 'node:child_process'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { scratch } from '../../../core/src/testing/scratch.ts'
import { ResultStore } from './result-store.ts'

const ID = 'ab'.repeat(32)
const PLACE = join('results', 'ab', ID)

test('a record is read as it was written, and can be removed', async () => {
  const store = new ResultStore(scratch())
  expect(await store.lines('results', ID)).toEqual([])
  await store.write('results', ID, ['one', 'two'])
  expect(await store.lines('results', ID)).toEqual(['one', 'two'])
  expect(await store.lines('signed', ID)).toEqual([])
  await store.remove('results', ID)
  await store.remove('results', ID)
  expect(await store.lines('results', ID)).toEqual([])
})

test.each([
  ['a FIFO', (path: string) => execFileSync('mkfifo', [path])],
  ['a device', (path: string) => symlinkSync('/dev/zero', path)],
  ['a link to nowhere', (path: string) => symlinkSync('/nowhere', path)],
  ['a huge file', (path: string) => writeFileSync(path, Buffer.alloc(1024 * 1024 + 1, 'x'))],
  ['thousands of lines', (path: string) => writeFileSync(path, 'x\n'.repeat(9_000))],
])('%s in the place of a record is none, and is replaced', async (_, make) => {
  const directory = scratch()
  mkdirSync(dirname(join(directory, PLACE)), { recursive: true })
  make(join(directory, PLACE))
  const store = new ResultStore(directory)
  expect(await store.lines('results', ID)).toEqual([])
  await store.write('results', ID, ['one'])
  expect(await store.lines('results', ID)).toEqual(['one'])
})
