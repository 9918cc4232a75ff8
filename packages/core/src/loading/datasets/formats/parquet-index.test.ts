import { describe, expect, test } from 'vitest'
import { refusal } from '../../../testing/scratch.ts'
import { parquetRows } from './parquet-rows.ts'

/** Types of Thrift's compact protocol. */
const [TRUE, I32, I64, BINARY, LIST, STRUCT] = [1, 5, 6, 8, 9, 12] as const

type Field = readonly [id: number, type: number, value: Buffer]

function unsigned(value: bigint): Buffer {
  const bytes: number[] = []
  for (let rest = value; bytes.length === 0 || rest > 0n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80)
  bytes.push((bytes.pop() ?? 0) & 0x7f)
  return Buffer.from(bytes)
}
const signed = (value: bigint) => unsigned(value < 0n ? -2n * value - 1n : 2n * value)
const binary = (value: string) => Buffer.concat([unsigned(BigInt(value.length)), Buffer.from(value)])
const i32 = (id: number, value: number): Field => [id, I32, signed(BigInt(value))]
const i64 = (id: number, value: bigint): Field => [id, I64, signed(value)]
const list = (id: number, type: number, items: Buffer[], size = items.length): Field => {
  return [id, LIST, Buffer.concat([Buffer.from([0xf0 | type]), unsigned(BigInt(size)), ...items])]
}
const struct = (...fields: Field[]) => {
  const parts = fields.flatMap(([id, type, value]) => [Buffer.from([type]), signed(BigInt(id)), value])
  return Buffer.concat([...parts, Buffer.from([0])])
}

/** A page with the values 7 and 8. */
const PAGE = Buffer.concat([
  struct(i32(1, 0), i32(2, 8), i32(3, 8), [5, STRUCT, struct(i32(1, 2), i32(2, 0), i32(3, 3), i32(4, 3))]),
  Buffer.from([7, 0, 0, 0, 8, 0, 0, 0]),
])

interface Stated {
  rows?: bigint
  total?: bigint
  offset?: bigint
  size?: bigint
  names?: string[]
  more?: Field[]
}

/** A file of two rows, whose index states something else. */
function fileOf({
  rows = 2n,
  total = rows,
  offset = 4n,
  size = BigInt(PAGE.length),
  names = ['a'],
  more = [],
}: Stated) {
  const column = (name: string) =>
    struct(
      i32(1, 1),
      list(2, I32, [signed(0n)]),
      list(3, BINARY, [binary(name)]),
      i32(4, 0),
      i64(5, rows),
      i64(6, size),
      i64(7, size),
      i64(9, offset),
    )
  const index = struct(
    i32(1, 1),
    list(2, STRUCT, [
      struct([4, BINARY, binary('root')], i32(5, names.length)),
      ...names.map((name) => struct(i32(1, 1), i32(3, 0), [4, BINARY, binary(name)])),
    ]),
    i64(3, total),
    list(4, STRUCT, [
      struct(
        list(
          1,
          STRUCT,
          names.map((name) => struct(i64(2, offset), [3, STRUCT, column(name)])),
        ),
        i64(2, 100n),
        i64(3, rows),
      ),
    ]),
    ...more,
  )
  const length = Buffer.alloc(4)
  length.writeUInt32LE(index.length)
  return Buffer.concat([Buffer.from('PAR1'), PAGE, index, length, Buffer.from('PAR1')])
}

function rowsOf(stated: Stated, options = {}) {
  const { buffer } = Uint8Array.from(fileOf(stated))
  const file = {
    byteLength: buffer.byteLength,
    slice: (start: number, end?: number) => Promise.resolve(buffer.slice(start, end)),
  }
  return parquetRows('a.parquet', file, options)
}

const end = 4 + PAGE.length
const INSIDE = `columns from byte 4 to ${end}`
const TOGETHER = 'as many rows as its row groups have together'

test('a file whose index is true has rows', async () => {
  expect(await rowsOf({})).toEqual([{ a: 7 }, { a: 8 }])
  expect(await rowsOf({}, { rowStart: 1, rowEnd: 99 })).toEqual([{ a: 8 }])
  expect(await rowsOf({}, { rowStart: 2, rowEnd: 1 })).toEqual([])
  expect(await rowsOf({}, { rowStart: 2 ** 52 })).toEqual([])
})

describe('a signed file is refused whose index states', () => {
  test.each<[what: string, stated: Stated, expected: string, found: string]>([
    ['an offset beyond the file', { offset: 1_000n }, INSIDE, `"a" from byte 1000, with ${PAGE.length} bytes`],
    ['an offset beyond all numbers', { offset: 1n << 60n }, INSIDE, `"a" from byte ${1n << 60n}, with`],
    ['a negative offset', { offset: -1n }, INSIDE, '"a" from byte -1,'],
    ['an offset in its head', { offset: 3n }, INSIDE, '"a" from byte 3,'],
    ['a column that ends in the index', { size: BigInt(PAGE.length + 1) }, INSIDE, `with ${PAGE.length + 1} bytes`],
    ['a negative size', { size: -5n }, INSIDE, 'with -5 bytes'],
    ['a size beyond all numbers', { size: 1n << 62n }, INSIDE, `with ${1n << 62n} bytes`],
    ['a negative number of rows', { rows: -2n }, TOGETHER, 'an impossible number'],
    ['a number of rows beyond all numbers', { rows: 1n << 62n }, TOGETHER, 'an impossible number'],
    ['more rows than its row groups have', { total: 5n }, TOGETHER, '5 rows, and 2 in row groups'],
    ['more rows than it has values', { rows: 5n }, 'as many values as rows', 'fewer in the column "a"'],
    ['one name for two columns', { names: ['a', 'a'] }, 'columns with different names', '"a" twice'],
    ['the name of the prototype', { names: ['__proto__'] }, 'columns with different names', '"__proto__"'],
    [
      'a number that takes long to read',
      { more: [[9, I64, Buffer.concat([Buffer.alloc(300_000, 0x81), Buffer.from([1])])]] },
      'numbers of at most 16384 bytes in the index',
      'a longer one',
    ],
    [
      'more than it may',
      { more: [[9, STRUCT, Buffer.alloc(17_000_000)]] },
      'an index of at most 16777216 bytes',
      '17000',
    ],
  ])('%s', async (_, stated, expected, found) => {
    await expect(rowsOf(stated)).rejects.toEqual(
      refusal('DATASET_MALFORMED', {
        file: 'a.parquet',
        expected,
        found: expect.stringContaining(found) as string,
      }),
    )
  })

  test.each<[what: string, more: Field]>([
    ['a list of 2 billion structs', list(5, STRUCT, [], 2 ** 31 - 1)],
    ['a list of 2 billion values without content', list(5, TRUE, [], 2 ** 31 - 2)],
    ['structs in structs without end', [9, STRUCT, Buffer.alloc(100_000, 0x1c)]],
  ])('%s', async (_, more) => {
    await expect(rowsOf({ more: [more] })).rejects.toEqual(refusal('DATASET_MALFORMED', { file: 'a.parquet' }))
  })
})

test('a column that is asked for must have as many values as rows', async () => {
  await expect(rowsOf({ rows: 5n }, { columns: ['a'] })).rejects.toEqual(
    refusal('DATASET_MALFORMED', {
      message: expect.stringContaining('as Parquet') as string,
      expected: 'as many values as rows',
      found: 'fewer in the column "a"',
    }),
  )
  await expect(rowsOf({ rows: 16_777_217n })).rejects.toEqual(
    refusal('FILE_TOO_LARGE', { found: '16777217 rows of 1 columns' }),
  )
})

test('rows count as values, and as many as are allowed are read', async () => {
  const columns = (count: number) => ({ columns: Array.from({ length: count }, () => 'a') })
  await expect(rowsOf({ rows: 4_096n }, columns(8_191))).rejects.toEqual(refusal('DATASET_MALFORMED'))
  await expect(rowsOf({ rows: 4_096n }, columns(8_192))).rejects.toEqual(
    refusal('FILE_TOO_LARGE', { found: '4096 rows of 8192 columns' }),
  )
})

test('more rows than memory has room for are refused before they are read', async () => {
  await expect(rowsOf({ rows: 4_000_000_000n })).rejects.toEqual(
    refusal('FILE_TOO_LARGE', {
      file: 'a.parquet',
      expected: 'at most 33554432 values and rows',
      found: '4000000000 rows of 1 columns',
      hint: expect.stringContaining('"rowEnd"') as string,
    }),
  )
  expect(await rowsOf({ rows: 4_000_000_000n }, { rowStart: 0, rowEnd: 2 })).toEqual([{ a: 7 }, { a: 8 }])
})
