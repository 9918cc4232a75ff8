import { describe, expect, test, vi } from 'vitest'
import { ModelSealError } from '../../errors.ts'
import type { FurtherDigests } from '../../manifest/contents.ts'
import { SizeLimit } from '../../source/size-limit.ts'
import { sha256 } from '../../testing/bundles.ts'
import { refusal } from '../../testing/scratch.ts'
import { NOTHING_FURTHER, rangesOf, ROWS } from '../../testing/verified-ranges-of.ts'

const MIB = 1024 * 1024
const asText = (bytes: ArrayBuffer) => Buffer.from(bytes).toString()

describe('a file that is hashed whole', () => {
  test('is hashed once, and its ranges are compared with what was hashed', async () => {
    let served = ROWS
    const { ranges, asked } = await rangesOf({
      read: ({ range }, receive) => receive({ chunks: [served.subarray(range?.start, range?.end)] }),
    })
    expect(await ranges.size('rows')).toBe(10)
    expect(asText(await ranges.read('rows', 3, 5))).toBe('de')
    expect(asked).toHaveLength(2)
    served = Buffer.from('ABCDEFGHIJ')
    await expect(ranges.read('rows', 3, 5)).rejects.toEqual(
      refusal('FILE_MISMATCH', {
        expected: `sha256:${sha256(ROWS)} from byte 0 to 10`,
        hint: expect.stringContaining('changed after') as string,
      }),
    )
  })

  test('is hashed again if that failed', async () => {
    let served = Buffer.from('version https://git-lfs.github.com/spec/v1\n')
    const { ranges, asked } = await rangesOf({
      read: (_, receive) => receive({ chunks: [...served].map((byte) => Buffer.of(byte)) }),
    })
    await expect(ranges.read('rows', 3, 5)).rejects.toEqual(
      refusal('FILE_MISMATCH', {
        expected: `sha256:${sha256(ROWS)}`,
        hint: expect.stringContaining('git lfs') as string,
      }),
    )
    served = ROWS
    expect(asText(await ranges.read('rows', 3, 5))).toBe('de')
    expect(asked).toHaveLength(3)
  })

  test('is kept in its last parts, as far as an eighth of the cache reaches', async () => {
    const content = Buffer.alloc(9 * MIB, 'abc')
    for (const [cacheBytes, kept] of [
      [0, []],
      [8 * 4 * MIB, [8]],
      [8 * 5 * MIB, [4, 8]],
      [8 * 9 * MIB, [0, 4, 8]],
    ] as const) {
      const { ranges, asked, cache } = await rangesOf({ content, cacheBytes })
      await ranges.size('rows')
      expect(cache.bytes).toBe(
        [0, 4, 8]
          .filter((part) => kept.includes(part as never))
          .reduce((sum, part) => sum + (part === 8 ? MIB : 4 * MIB), 0),
      )
      for (const part of kept) {
        const bytes = await ranges.read('rows', part * MIB + 1, part * MIB + 4)
        expect(asText(bytes)).toBe(content.toString('utf8', part * MIB + 1, part * MIB + 4))
      }
      expect(asked).toHaveLength(1)
      if (kept.length > 1) continue
      await ranges.read('rows', 5 * MIB, 5 * MIB + 1)
      expect(asked[1]).toEqual({ start: 4 * MIB, end: 8 * MIB, again: undefined })
    }
  })

  test('counts for the limit of the program', async () => {
    for (const [most, isRead] of [
      [10, true],
      [9, false],
    ] as const) {
      const { ranges } = await rangesOf({ limit: new SizeLimit(most) })
      const size = ranges.size('rows')
      if (isRead) expect(await size).toBe(10)
      else await expect(size).rejects.toEqual(refusal('FILE_TOO_LARGE', { file: 'rows' }))
    }
  })

  test('may be revoked by what its digests say', async () => {
    const revoked = new ModelSealError('FILE_REVOKED', 'No.')
    const check = vi.fn<FurtherDigests['check']>(() => {
      throw revoked
    })
    for (const shardSize of [4, undefined]) {
      const { ranges } = await rangesOf({ shardSize, further: { hashTypes: ['sha256'], check } })
      await expect(ranges.read('rows', 0, 1)).rejects.toBe(revoked)
      expect(check).toHaveBeenLastCalledWith('rows', 'sha256', sha256(ROWS))
    }
  })

  test('is one whose shards are too large to be in memory', async () => {
    const { ranges, asked } = await rangesOf({ shardSize: 64 * MIB + 1 })
    expect(await ranges.size('rows')).toBe(10)
    expect(asked).toHaveLength(1)
    expect(asText(await ranges.read('rows', 3, 5))).toBe('de')
  })

  const further = { ...NOTHING_FURTHER, hashTypes: ['sha256'] } as const
  test.each<[served: string, found: string]>([
    ['abcdefghijk', '11 bytes or more'],
    ['abcdefghi', '9 bytes'],
    ['', '0 bytes'],
  ])('is refused if it has another size than was signed: %s', async (served, found) => {
    const { ranges } = await rangesOf({ shardSize: 4, served: Buffer.from(served), further })
    await expect(ranges.size('rows')).rejects.toEqual(
      refusal('FILE_MISMATCH', { file: 'rows', expected: '10 bytes', found }),
    )
  })

  test('is refused with what is in its place, if it is shorter', async () => {
    const served = Buffer.from('version https://git-lfs.github.com/spec/v1\n')
    const { ranges } = await rangesOf({ content: Buffer.alloc(100), shardSize: 4, served, further })
    await expect(ranges.size('rows')).rejects.toEqual(
      refusal('FILE_MISMATCH', { found: `${served.length} bytes`, hint: expect.stringContaining('git lfs') as string }),
    )
  })
})
