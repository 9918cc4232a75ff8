import { describe, expect, test } from 'vitest'
import { ModelSealError } from '../../errors.ts'
import { sha256 } from '../../testing/bundles.ts'
import { refusal } from '../../testing/scratch.ts'
import { rangesOf, ROWS } from '../../testing/verified-ranges-of.ts'

const MIB = 1024 * 1024
const asText = (bytes: ArrayBuffer) => Buffer.from(bytes).toString()

describe('a file in signed shards', () => {
  test('is read by the shards that a range is in', async () => {
    for (let start = 0; start <= 10; start++)
      for (let end = start; end <= 10; end++) {
        const { ranges, asked } = await rangesOf({ shardSize: 4 })
        expect(asText(await ranges.read('rows', start, end))).toBe(ROWS.toString('utf8', start, end))
        const shards = [0, 4, 8].filter((shard) => shard < end && shard + 4 > start && start < end)
        expect(asked).toEqual(shards.map((shard) => ({ start: shard, end: Math.min(shard + 4, 10), again: undefined })))
      }
  })

  test('is asked for as a whole if it has one shard, because not every source has ranges', async () => {
    for (const shardSize of [10, 64 * MIB]) {
      const { ranges, read } = await rangesOf({ shardSize })
      expect(asText(await ranges.read('rows', 2, 4))).toBe('cd')
      expect(read.mock.calls.map(([{ range }]) => range)).toEqual([undefined])
    }
  })

  test('has the size that was signed, which nothing is read for', async () => {
    const { ranges, asked } = await rangesOf({ shardSize: 4 })
    expect(await ranges.size('rows')).toBe(10)
    expect(asked).toEqual([])
    await expect(ranges.size('other')).rejects.toEqual(refusal('FILE_NOT_SIGNED', { file: 'other' }))
  })

  test('comes in pieces of a shard, which belong to the reader', async () => {
    const { ranges, asked } = await rangesOf({ shardSize: 4, cacheBytes: 100 })
    for (let times = 0; times < 2; times++) {
      const pieces: string[] = []
      for await (const piece of ranges.pieces('rows')) {
        pieces.push(Buffer.from(piece).toString())
        piece.fill(0)
      }
      expect(pieces).toEqual(['abcd', 'efgh', 'ij'])
    }
    expect(asked).toHaveLength(3)
    const even = await rangesOf({ content: ROWS.subarray(0, 8), shardSize: 4 })
    const lengths: number[] = []
    for await (const { length } of even.ranges.pieces('rows')) lengths.push(length)
    expect(lengths).toEqual([4, 4])
    ranges.clear()
    await ranges.read('rows', 0, 1)
    expect(asked).toHaveLength(4)
  })

  test('is compared with what was signed, whatever the source does with what it was given', async () => {
    const signed: unknown[] = []
    const { ranges, digests } = await rangesOf({
      shardSize: 4,
      read: async (request, receive) => {
        signed.push(structuredClone(request.signed))
        const { start, end } = request.range!
        const bytes = Buffer.from(ROWS.subarray(start, end)).fill('x', 0, 1)
        Object.assign(request.signed!, { size: 1 })
        ;(request.signed!.digests as string[]).fill(sha256(bytes))
        Object.assign(request.range!, { start: 0, end: 1 })
        await receive({ chunks: [bytes] })
      },
    })
    for (let times = 0; times < 2; times++)
      await expect(ranges.read('rows', 5, 6)).rejects.toEqual(
        refusal('FILE_MISMATCH', {
          file: 'rows',
          expected: `sha256:${digests[1]} from byte 4 to 8`,
          found: `sha256:${sha256(Buffer.from('xfgh'))}`,
        }),
      )
    expect(signed).toEqual(Array(2).fill({ hashType: 'sha256', digests, size: 10 }))
  })

  test('is asked for the same range again, whatever the source does with it', async () => {
    const ranges = await rangesOf({
      shardSize: 4,
      read: ({ range, again }, receive) => {
        const { start, end } = { ...range! }
        Object.assign(range!, { start: 0, end: 1 })
        return receive({ cached: !again, chunks: [again ? ROWS.subarray(start, end) : Buffer.alloc(4)] })
      },
    })
    expect(asText(await ranges.ranges.read('rows', 5, 6))).toBe('f')
    expect(ranges.asked).toEqual([
      { start: 4, end: 8, again: undefined },
      { start: 4, end: 8, again: true },
    ])
  })

  test('that became longer is refused', async () => {
    const { ranges } = await rangesOf({ shardSize: 10, served: Buffer.concat([ROWS, ROWS]) })
    await expect(ranges.read('rows', 0, 1)).rejects.toEqual(
      refusal('FILE_MISMATCH', { expected: '10 bytes from byte 0 to 10', found: '20 bytes or more' }),
    )
  })

  test.each<[served: string, expected: string, found: string]>([
    ['abcdefghi', '2 bytes from byte 8 to 10', '1 bytes'],
    ['abcdefgh', '2 bytes from byte 8 to 10', '0 bytes'],
  ])('that became shorter is refused: %s', async (served, expected, found) => {
    const { ranges } = await rangesOf({ shardSize: 4, served: Buffer.from(served) })
    await expect(ranges.read('rows', 0, 10)).rejects.toEqual(
      refusal('FILE_MISMATCH', { file: 'rows', expected, found }),
    )
  })

  test('is refused as what is in its place', async () => {
    const pointer = Buffer.from('version https://git-lfs.github.com/spec/v1\n')
    for (const [shardSize, start, hint] of [
      [pointer.length, 0, 'git lfs'],
      [pointer.length, pointer.length, undefined],
    ] as const) {
      const content = Buffer.alloc(2 * pointer.length, 'x')
      const { ranges } = await rangesOf({ content, shardSize, served: Buffer.concat([pointer, pointer]) })
      await expect(ranges.read('rows', start, start + 1)).rejects.toMatchObject({
        code: 'FILE_MISMATCH',
        hint: hint === undefined ? expect.not.stringContaining('git lfs') : expect.stringContaining(hint),
      })
    }
    const { ranges } = await rangesOf({ content: Buffer.alloc(100), shardSize: 100, served: pointer })
    await expect(ranges.read('rows', 0, 1)).rejects.toEqual(
      refusal('FILE_MISMATCH', { hint: expect.stringContaining('git lfs') as string }),
    )
  })

  test('is refused if a range cannot be in memory', async () => {
    const { ranges } = await rangesOf({ shardSize: 4 })
    await expect(ranges.read('rows', 0, Number.MAX_SAFE_INTEGER)).rejects.toEqual(
      refusal('FILE_TOO_LARGE', { file: 'rows' }),
    )
  })
})

describe('a source', () => {
  test('that fails is refused with the name of the file', async () => {
    const { ranges } = await rangesOf({ shardSize: 4, read: () => Promise.reject(new Error('disk on fire')) })
    await expect(ranges.read('rows', 0, 1)).rejects.toEqual(
      refusal('SOURCE_FAILED', { message: expect.stringContaining('file "rows"') as string }),
    )
  })

  test('that has no such file is refused', async () => {
    for (const shardSize of [4, undefined]) {
      const { ranges } = await rangesOf({ shardSize, read: async () => {} })
      await expect(ranges.read('rows', 0, 1)).rejects.toEqual(refusal('FILE_MISSING', { file: 'rows' }))
    }
  })

  test('is asked once more only for what it had kept, and only if that differs', async () => {
    const bad = Buffer.from('ABCDEFGHIJ')
    for (const [cached, outcome, times] of [
      [true, 'FILE_MISMATCH', 2],
      [false, 'FILE_MISMATCH', 1],
      [undefined, 'FILE_MISMATCH', 1],
    ] as const) {
      const { ranges, asked } = await rangesOf({
        shardSize: 4,
        read: ({ range }, receive) =>
          receive({ ...(cached === undefined ? {} : { cached }), chunks: [bad.subarray(range?.start, range?.end)] }),
      })
      await expect(ranges.read('rows', 0, 1)).rejects.toEqual(refusal(outcome))
      expect(asked.map(({ again }) => again)).toEqual([undefined, true].slice(0, times))
    }
    const { ranges, asked } = await rangesOf({
      shardSize: 4,
      read: (_, receive) =>
        receive({
          cached: true,
          chunks: (function* () {
            yield Buffer.from('a')
            throw new ModelSealError('SOURCE_FAILED', 'No.')
          })(),
        }),
    })
    await expect(ranges.read('rows', 0, 1)).rejects.toEqual(refusal('SOURCE_FAILED'))
    expect(asked).toHaveLength(1)
  })

  test('without ranges is refused with what to do, if a range was asked for', async () => {
    const ofWhole = new ModelSealError('HTTP_RESPONSE', 'No.', { found: 'status 200', hint: 'Other.' })
    const ofServer = new ModelSealError('HTTP_RESPONSE', 'No.', { found: 'status 500', hint: 'Other.' })
    for (const [failure, shardSize, hint] of [
      [ofWhole, 4, 'range requests'],
      [ofWhole, 10, 'Other.'],
      [ofWhole, undefined, 'Other.'],
      [ofServer, 4, 'Other.'],
    ] as const) {
      const { ranges } = await rangesOf({ shardSize, read: () => Promise.reject(failure) })
      await expect(ranges.read('rows', 0, 1)).rejects.toMatchObject({
        code: 'HTTP_RESPONSE',
        found: failure.found,
        hint: expect.stringContaining(hint) as string,
      })
    }
  })
})
