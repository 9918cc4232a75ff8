import { expect, test } from 'vitest'
import { parseShardName, rangesOf, resourceName, type Serialization } from './serialization.ts'

const WHOLE: Serialization = { method: 'files', hashType: 'sha256', allowSymlinks: false }
const SHARDS: Serialization = { ...WHOLE, method: 'shards', shardSize: 10 }

test('a whole file has one range, and an empty one too', () => {
  expect(rangesOf(25, WHOLE)).toEqual([{ start: 0, end: 25 }])
  expect(rangesOf(0, WHOLE)).toEqual([{ start: 0, end: 0 }])
  expect(rangesOf(25, { ...SHARDS, method: 'files' })).toEqual([{ start: 0, end: 25 }])
})

test.each([
  [0, []],
  [1, [[0, 1]]],
  [10, [[0, 10]]],
  [
    25,
    [
      [0, 10],
      [10, 20],
      [20, 25],
    ],
  ],
])('a file of %d bytes has its shards', (size, ranges) => {
  expect(rangesOf(size, SHARDS)).toEqual(ranges.map(([start, end]) => ({ start, end })))
})

test('names a file or a shard', () => {
  expect(resourceName('a', { start: 0, end: 5 }, WHOLE)).toBe('a')
  expect(resourceName('a', { start: 10, end: 15 }, SHARDS)).toBe('a:10:15')
})

test.each([
  ['a:0:5', { file: 'a', range: { start: 0, end: 5 } }],
  ['a:10:9007199254740991', { file: 'a', range: { start: 10, end: 9007199254740991 } }],
  ['a:9007199254740991:10', { file: 'a', range: { start: 9007199254740991, end: 10 } }],
  ['😀:0:5', { file: '😀', range: { start: 0, end: 5 } }],
  ['a:9007199254740992:5', undefined],
  ['a:5:9007199254740992', undefined],
  ['a:1:5x', undefined],
  ['a:01:5', undefined],
  ['a:1:05', undefined],
  ['a:x1:5', undefined],
  [':1:5', undefined],
])('parses the name %s', (name, parsed) => {
  expect(parseShardName(name)).toEqual(parsed)
})
