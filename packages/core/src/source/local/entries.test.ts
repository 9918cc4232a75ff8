import { writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { refusal, scratch } from '../../testing/scratch.ts'
import { utf8EntriesOf } from './entries.ts'

// A small directory is read at once, any other in batches.
test.each([
  ['a small directory', 4_096],
  ['a large directory', 65_537],
  ['a directory of unknown size', undefined],
])('%s lists its names, and refuses one that is not valid UTF-8', (_, size) => {
  const names = Array.from({ length: 1_100 }, (_, index) => `file-${index}`)
  const path = scratch(Object.fromEntries(names.map((name) => [name, ''])))
  const directory = { path, size }
  const listed = () => [...utf8EntriesOf(directory)].map((entry) => entry?.name)
  expect(listed().sort()).toEqual(names.sort())
  writeFileSync(Buffer.concat([Buffer.from(`${path}/bad-`), Buffer.from([0xff])]), '')
  expect(listed).toThrow(refusal('FILE_NAME', { found: 'the bytes 6261642dff' }))
  const gone = { ...directory, path: `${path}/missing` }
  expect(() => [...utf8EntriesOf(gone)]).toThrow(refusal('FILE_UNREADABLE'))
})
