import { expect, test } from 'vitest'
import { RecentParts } from './recent-parts.ts'

function partsOf(pieces: string[], maxBytes: number): [number, string][] {
  const parts = new RecentParts(4, maxBytes)
  for (const piece of pieces) parts.add(Buffer.from(piece))
  return [...parts.end()].map(([index, part]) => [index, Buffer.from(part).toString()])
}

test.each([
  ['all parts of a small file', ['abc', 'defghi'], 100, ['0 abcd', '1 efgh', '2 i']],
  ['the last parts of a large file', ['abcdefgh', 'ijkl', 'mn'], 6, ['2 ijkl', '3 mn']],
  ['none without room', ['abcdefgh'], 0, []],
  ['none of an empty file', [], 100, []],
  ['no empty part at the end', ['abcd', 'efgh'], 100, ['0 abcd', '1 efgh']],
])('keeps %s', (_, pieces, maxBytes, kept) => {
  expect(partsOf(pieces, maxBytes).map(([index, text]) => `${index} ${text}`)).toEqual(kept)
})
