import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { parquetWriteBuffer } from 'hyparquet-writer'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import * as packages from '../../../source/optional-package.ts'
import type { ModelFiles } from '../../../source/model-source.ts'
import { memorySource } from '../../../testing/memory-source.ts'
import { refusal } from '../../../testing/scratch.ts'
import { TestSite } from '../../../testing/site.ts'
import { openVerifiedDataset } from '../open-verified-dataset.ts'
import type { RowOptions } from './parquet-rows.ts'

const ROWS = 20_000
const SHARD = 4096

let site: TestSite
let policy: string
let content: Buffer

beforeAll(async () => {
  site = await TestSite.make()
  await site.key('a')
  policy = await site.policy({
    version: 1,
    trustRoots: { a: { publicKey: 'a.pub' } },
    rules: [{ name: 'data', match: { format: 'dataset' }, signers: [{ key: 'a' }] }],
  })
  const numbers = Array.from({ length: ROWS }, (_, row) => row)
  const columnData = [
    { name: 'id', data: numbers, type: 'INT32' as const },
    { name: 'text', data: numbers.map((row) => `row ${row}`), type: 'STRING' as const },
    // Bytes that cannot be compressed, so that the file is larger than what hyparquet fetches first, 512 KiB.
    { name: 'filler', data: numbers.map(() => randomBytes(100).toString('latin1')), type: 'STRING' as const },
  ]
  content = Buffer.from(parquetWriteBuffer({ columnData, rowGroupSize: 1_000 }))
  await site.write('data/train.parquet', content)
  await site.sign('data', 'a', 'data/model.sig', { shardSize: SHARD })
})
afterAll(() => site.remove())

test('rows of a Parquet file are read by their numbers and columns', async () => {
  await using dataset = await openVerifiedDataset(site.file('data'), { policy })
  expect(await dataset.rows('train.parquet', { columns: ['id', 'text'], rowStart: 12_345, rowEnd: 12_347 })).toEqual([
    { id: 12_345, text: 'row 12345' },
    { id: 12_346, text: 'row 12346' },
  ])
  expect(await dataset.rows('train.parquet', { columns: ['text'], rowStart: 19_999 })).toEqual([{ text: 'row 19999' }])
  expect(await dataset.rows('train.parquet')).toHaveLength(ROWS)
})

test.each([
  { rowEnd: 0 },
  { rowStart: 50, rowEnd: 10 },
  { rowStart: 19_999, rowEnd: 50 },
  { rowStart: ROWS, rowEnd: ROWS + 9 },
  { rowStart: 2 * ROWS },
])('there are no rows in an empty range, as with slice(): %j', async (range) => {
  await using dataset = await openVerifiedDataset(site.file('data'), { policy })
  expect(await dataset.rows('train.parquet', range)).toEqual([])
  await expect(dataset.rows('train.parquet', { ...range, columns: ['ID'] })).rejects.toEqual(
    refusal('INVALID_ARGUMENT', { found: '"ID"' }),
  )
})

test('a codec that hyparquet does not have is refused with what to pass', async () => {
  const columnData = [{ name: 'id', data: [1, 2], type: 'INT32' as const }]
  const asItIs = (input: Uint8Array) => input
  const file = parquetWriteBuffer({ columnData, codec: 'ZSTD', compressors: { ZSTD: asItIs } })
  await site.write('zstd/a.parquet', Buffer.from(file))
  await site.sign('zstd', 'a', 'zstd/model.sig')
  await using dataset = await openVerifiedDataset(site.file('zstd'), { policy })
  await expect(dataset.rows('a.parquet')).rejects.toEqual(
    refusal('DATASET_MALFORMED', { hint: expect.stringContaining('hyparquet-compressors') as string }),
  )
  expect(await dataset.rows('a.parquet', { compressors: { ZSTD: asItIs } })).toEqual([{ id: 1 }, { id: 2 }])
})

test('a row of a large file costs its index, its row group, and a shard at each end', async () => {
  let fetched = 0
  const bundle = readFileSync(site.file('data/model.sig'))
  const files: Partial<ModelFiles> = {
    read: async ({ name, range }, receive) => {
      const { start, end } = range ?? { start: 0, end: content.length }
      fetched += end - start
      expect(name).toBe('train.parquet')
      await receive({ chunks: [content.subarray(start, end)] })
    },
    list: () => [{ name: 'train.parquet' }],
  }
  const source = memorySource('mem://d/x', new Map([['model.sig', bundle]]), { files })
  await using dataset = await openVerifiedDataset(source, { policy })
  const [row] = await dataset.rows('train.parquet', { rowStart: 7_000, rowEnd: 7_001 })
  expect(row).toMatchObject({ id: 7_000, text: 'row 7000' })
  expect(content.length).toBeGreaterThan(2_000_000)
  const rowGroup = content.length / 20
  expect(fetched).toBeLessThan(512 * 1024 + 1.2 * rowGroup + 4 * SHARD)
  const before = fetched
  await dataset.rows('train.parquet', { rowStart: 7_001, rowEnd: 7_002 })
  expect(fetched).toBe(before)
})

test('a shard that differs is refused as such, whatever the reader makes of it', async () => {
  const damaged = Buffer.from(content)
  damaged[100] = (damaged[100] ?? 0) ^ 1
  await using dataset = await openVerifiedDataset(site.file('data'), { policy })
  writeFileSync(site.file('data/train.parquet'), damaged)
  try {
    await expect(dataset.rows('train.parquet', { rowEnd: 1 })).rejects.toEqual(
      refusal('FILE_MISMATCH', {
        file: 'train.parquet',
        expected: expect.stringContaining('from byte 0 to') as string,
      }),
    )
    expect(await dataset.rows('train.parquet', { rowStart: 19_000 })).toHaveLength(1_000)
  } finally {
    writeFileSync(site.file('data/train.parquet'), content)
  }
})

const LENGTH = Buffer.alloc(4)
LENGTH.writeUInt32LE(0x7fff_ffff)
test.each([
  ['nothing', () => Buffer.alloc(0)],
  ['a few bytes', () => Buffer.from('PAR1')],
  ['text', () => Buffer.from('a,b\n1,2\n'.repeat(20))],
  ['a footer longer than the file', () => Buffer.concat([content.subarray(0, -8), LENGTH, Buffer.from('PAR1')])],
  [
    'an index of something else',
    () => Buffer.concat([Buffer.alloc(200, 255), Buffer.from('\x64\0\0\0PAR1', 'latin1')]),
  ],
  ['no data where its index says', () => Buffer.concat([Buffer.alloc(4), content.subarray(-100_000)])],
])('a signed file with %s is refused as no Parquet file', async (what, bytes) => {
  const name = `bad ${what}`
  await site.write(`${name}/a.parquet`, bytes())
  await site.sign(name, 'a', `${name}/model.sig`)
  await using dataset = await openVerifiedDataset(site.file(name), { policy })
  await expect(dataset.rows('a.parquet')).rejects.toEqual(
    refusal('DATASET_MALFORMED', { file: 'a.parquet', found: expect.any(String) as string, hint: undefined }),
  )
})

test.each([
  [{ columns: ['id', 'nothing'] }, '"nothing"'],
  [{ columns: 'id' }, undefined],
  [{ rowStart: -1 }, undefined],
  [{ rowEnd: 0.5 }, undefined],
  [{ rows: 1 }, undefined],
])('options are checked: %j', async (options, found) => {
  await using dataset = await openVerifiedDataset(site.file('data'), { policy })
  await expect(dataset.rows('train.parquet', options as RowOptions)).rejects.toEqual(
    refusal('INVALID_ARGUMENT', found === undefined ? {} : { found }),
  )
})

test('rows cannot be read without hyparquet, which the refusal names', async () => {
  await using dataset = await openVerifiedDataset(site.file('data'), { policy })
  vi.spyOn(packages, 'optionalPackage').mockImplementationOnce(() => {
    throw Object.assign(new Error("Cannot find module 'hyparquet'"), { code: 'MODULE_NOT_FOUND' })
  })
  await expect(dataset.rows('train.parquet')).rejects.toEqual(
    refusal('DATASET_READER_UNAVAILABLE', {
      file: 'train.parquet',
      hint: expect.stringContaining('npm install hyparquet@1') as string,
    }),
  )
})
