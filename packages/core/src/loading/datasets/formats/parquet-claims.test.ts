import type * as Hyparquet from 'hyparquet'
import { describe, expect, test, vi } from 'vitest'
import { refusal } from '../../../testing/scratch.ts'
import { parquetIndex } from './parquet-index.ts'

const MAX_INDEX = 16 * 1024 * 1024
/** "PAR1", 88 bytes of columns, an index of 20 bytes, and what ends it. */
const FILE = Buffer.alloc(120)
FILE.writeUInt32LE(20, FILE.length - 8)
const END = 92n

interface Column {
  start?: unknown
  dictionary?: unknown
  size?: unknown
}
interface Tree {
  element: { name: string }
  children: Tree[]
}

const column = ({ start = 4n, dictionary, size = 1n }: Column) => ({
  meta_data: {
    dictionary_page_offset: dictionary,
    data_page_offset: start,
    total_compressed_size: size,
    path_in_schema: ['a', 'b'],
  },
})
const group = (rows: unknown, ...columns: unknown[]) => ({ num_rows: rows, columns })
const tree = (name: string, ...children: Tree[]): Tree => ({ element: { name }, children })

/** What is made of a file whose index says what is given. */
function claimed({ rows = 0n as unknown, groups = [] as unknown[], schema = [] as Tree[] }, bytes: Buffer = FILE) {
  const metadata = { num_rows: rows, row_groups: groups, metadata_length: 20 }
  const parquetMetadata = vi.fn<(bytes: ArrayBuffer) => unknown>(() => metadata)
  const reader = { parquetMetadata, parquetSchema: () => tree('root', ...schema) }
  const slice = vi.fn((start: number, end?: number) =>
    Promise.resolve(Uint8Array.from(bytes.subarray(start, end)).buffer),
  )
  const file = { byteLength: bytes.length, slice }
  const index = () => parquetIndex('a.parquet', file, reader as unknown as typeof Hyparquet)
  return { index, metadata, parquetMetadata, file, slice }
}

const malformed = (expected: string, found: string) =>
  refusal('DATASET_MALFORMED', {
    message: expect.stringContaining('as Parquet') as string,
    file: 'a.parquet',
    expected,
    found,
  })

describe('of an index, the parser gets', () => {
  test.each<[what: string, bytes: Buffer, expected: Buffer]>([
    ['what its length says', FILE, FILE.subarray(-28)],
    ['all of a file that is shorter', FILE.subarray(-20), FILE.subarray(-20)],
    ['all of a file without a length', FILE.subarray(-7), FILE.subarray(-7)],
    ['nothing of an empty file', Buffer.alloc(0), Buffer.alloc(0)],
  ])('%s', async (_, bytes, expected) => {
    const { index, metadata, parquetMetadata } = claimed({}, bytes)
    expect(await index()).toBe(metadata)
    expect(Buffer.from(parquetMetadata.mock.calls[0]?.[0] as ArrayBuffer)).toEqual(expected)
  })

  test('none that is too large, unless it cannot be', async () => {
    const tail = (length: number) => {
      const bytes = Buffer.from(FILE)
      bytes.writeUInt32LE(length, FILE.length - 8)
      return claimed({}, bytes)
    }
    for (const [length, size] of [
      [MAX_INDEX, 2 * MAX_INDEX],
      [MAX_INDEX + 1, MAX_INDEX],
    ] as const) {
      const { index, file, metadata } = tail(length)
      file.byteLength = size
      expect(await index()).toBe(metadata)
    }
    const { index, file, slice } = tail(MAX_INDEX + 1)
    file.byteLength = MAX_INDEX + 1
    await expect(index()).rejects.toEqual(
      refusal('DATASET_MALFORMED', {
        expected: `an index of at most ${MAX_INDEX} bytes`,
        found: `${MAX_INDEX + 1} bytes`,
        hint: expect.any(String) as string,
      }),
    )
    expect(slice).toHaveBeenCalledExactlyOnceWith(-8)
  })

  test('none with a number that takes long to read', async () => {
    const withDigits = (...counts: number[]) => {
      const parts = counts.flatMap((count) => [Buffer.alloc(count, 0x80), Buffer.from([0x7f])])
      const bytes = Buffer.concat([...parts, FILE.subarray(-8)])
      bytes.writeUInt32LE(bytes.length - 8, bytes.length - 8)
      return claimed({}, bytes).index()
    }
    await expect(withDigits(16_384, 16_384)).resolves.toBeDefined()
    await expect(withDigits(16_385)).rejects.toEqual(
      malformed('numbers of at most 16384 bytes in the index', 'a longer one'),
    )
  })
})

describe('columns are', () => {
  test.each<[what: string, schema: Tree[], found: string]>([
    ['one name twice', [tree('a'), tree('b'), tree('a')], '"a" twice'],
    ['one name twice in a column', [tree('a', tree('b'), tree('b'))], '"b" twice'],
    ['one name twice deep in a column', [tree('a', tree('b', tree('c'), tree('c')))], '"c" twice'],
    ['the name of the prototype', [tree('a', tree('__proto__'))], '"__proto__"'],
  ])('refused with %s', async (_, schema, found) => {
    await expect(claimed({ schema }).index()).rejects.toEqual(malformed('columns with different names', found))
  })

  test('not refused with a name that others have elsewhere', async () => {
    const schema = [tree('a', tree('a'), tree('b', tree('a'))), tree('b', tree('a'))]
    await expect(claimed({ schema }).index()).resolves.toBeDefined()
  })
})

describe('numbers of rows are', () => {
  const LARGEST = BigInt(Number.MAX_SAFE_INTEGER)
  test.each<[rows: unknown, ...groups: unknown[]]>([[0n], [0n, 0n], [3n, 1n, 2n], [LARGEST, LARGEST]])(
    'right: %s',
    async (rows, ...groups) => {
      await expect(claimed({ rows, groups: groups.map((each) => group(each)) }).index()).resolves.toBeDefined()
    },
  )

  const IMPOSSIBLE = 'an impossible number'
  test.each<[found: string, rows: unknown, ...groups: unknown[]]>([
    ['3 rows, and 2 in row groups', 3n, 1n, 1n],
    ['1 rows, and 0 in row groups', 1n],
    ['0 rows, and 1 in row groups', 0n, 1n],
    [IMPOSSIBLE, null],
    [IMPOSSIBLE, 1, 1],
    [IMPOSSIBLE, 1n, 1],
    [IMPOSSIBLE, 0n, 1n, -1n],
    [IMPOSSIBLE, -1n, -1n],
    [IMPOSSIBLE, LARGEST + 1n, LARGEST + 1n],
  ])('refused: %s, %s', async (found, rows, ...groups) => {
    await expect(claimed({ rows, groups: groups.map((each) => group(each)) }).index()).rejects.toEqual(
      malformed('as many rows as its row groups have together', found),
    )
  })
})

describe('a column is', () => {
  const placed = (...columns: unknown[]) => claimed({ rows: 2n, groups: [group(1n), group(1n, ...columns)] }).index()

  test.each<[Column]>([
    [{ start: 4n, size: END - 4n }],
    [{ start: END, size: 0n }],
    [{ start: 1_000n, dictionary: 4n }],
    [{ start: 4n, dictionary: 0n }],
  ])('where it can be: %o', async (place) => {
    await expect(placed(column({}), column(place))).resolves.toBeDefined()
  })

  test('looked for only if there are rows, and if there is one', async () => {
    await expect(placed({})).resolves.toBeDefined()
    await expect(claimed({ groups: [group(0n, column({ start: 0n }))] }).index()).resolves.toBeDefined()
  })

  test.each<[found: string, place: Column]>([
    ['from byte 3, with 1 bytes', { start: 3n }],
    ['from byte 4, with 89 bytes', { size: END - 3n }],
    ['from byte 93, with 0 bytes', { start: END + 1n, size: 0n }],
    ['from byte 90, with -5 bytes', { start: 90n, size: -5n }],
    ['from byte 3, with 1 bytes', { dictionary: 3n }],
    ['from byte 4, with 1 bytes', { start: 4, size: 1 }],
    ['from byte 4, with 1 bytes', { size: 1 }],
    ['from byte undefined, with 1 bytes', { start: null }],
  ])('refused: %s', async (found, place) => {
    const given =
      place.start === null ? { meta_data: { ...column({}).meta_data, data_page_offset: undefined } } : column(place)
    await expect(placed(column({}), given)).rejects.toEqual(malformed('columns from byte 4 to 92', `"a.b" ${found}`))
  })
})
