import { expect, test } from 'vitest'
import { sha256 } from '../../testing/bundles.ts'
import { streamed } from '../../testing/streamed.ts'
import type { Comparison } from './comparison.ts'

/** Has nothing to compare files with. */
function unsigned() {
  const checked: [string, readonly string[], string][] = []
  const comparison: Comparison = {
    digests: { hashType: 'sha256', shardSize: Infinity },
    expected: () => undefined,
    check: (name, digests, head) => void checked.push([name, digests, head.toString()]),
    wrongSize: () => expect.unreachable(),
    missing: () => expect.unreachable(),
  }
  return { comparison, checked }
}

test('files of which nothing is signed are hashed, and have the sizes that were listed or read', async () => {
  const { comparison, checked } = unsigned()
  const { streams, requests } = streamed({ comparison, announced: [{ name: 'a', size: 7, sha256: sha256('other') }] })
  expect([streams.size('a'), streams.size('sub/b')]).toEqual([7, 0])
  await streams.checkRest(['a', 'sub/b'])
  expect([streams.size('a'), streams.size('sub/b')]).toEqual([5, 4])
  expect(requests).toHaveLength(2)
  expect(requests).toEqual(expect.arrayContaining([{ name: 'a' }, { name: 'sub/b' }]))
  // They arrive at the same time.
  expect(checked.sort(([a], [b]) => (a < b ? -1 : 1))).toEqual([
    ['a', [sha256('alpha')], 'alpha'],
    ['sub/b', [sha256('beta')], 'beta'],
  ])
})

test('the first 1024 bytes of a file are enough to recognize it', async () => {
  const { comparison, checked } = unsigned()
  const pieces = ['a'.repeat(600), 'b'.repeat(600), 'c'.repeat(600)]
  const { streams } = streamed({
    comparison,
    read: async (_, receive) => receive({ chunks: pieces.map((piece) => Buffer.from(piece)) }),
  })
  await streams.checkRest(['a'])
  expect(checked).toEqual([['a', [sha256(pieces.join(''))], pieces.join('').slice(0, 1024)]])
})
