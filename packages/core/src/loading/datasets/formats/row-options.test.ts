import { parquetWriteBuffer } from 'hyparquet-writer'
import { describe, expect, test } from 'vitest'
import { refusal } from '../../../testing/scratch.ts'
import { parquetRows, rowOptions, type RowOptions } from './parquet-rows.ts'

describe('options of rows', () => {
  test('are numbers from 0, and names', () => {
    expect({ ...rowOptions(undefined) }).toEqual({})
    const given = { columns: ['a'], rowStart: 0, rowEnd: Number.MAX_SAFE_INTEGER, compressors: {} }
    expect({ ...rowOptions(given) }).toEqual(given)
  })

  test.each<[option: string, value: unknown]>([
    ['rowStart', -1],
    ['rowStart', 0.5],
    ['rowStart', '1'],
    ['rowEnd', 2 ** 53],
    ['rowEnd', null],
  ])('%s is refused if it is %j', (option, value) => {
    expect(() => rowOptions({ [option]: value })).toThrow(
      refusal('INVALID_ARGUMENT', {
        message: expect.stringContaining(`"${option}"`) as string,
        expected: 'the number of a row, from 0',
      }),
    )
  })

  test('are named if they are unknown', () => {
    expect(() => rowOptions({ colums: ['a'] } as RowOptions)).toThrow(
      refusal('INVALID_ARGUMENT', { message: expect.stringMatching(/(?=.*"colums")(?=.*\brows\b)/) as string }),
    )
  })
})

/** Two columns of three rows, the first of which has nulls. */
function rowsOf(options: RowOptions) {
  const columnData = [
    { name: 'a', data: [1, null, 3], type: 'INT32' as const },
    { name: 'b', data: [4, 5, 6], type: 'INT32' as const },
  ]
  const bytes = parquetWriteBuffer({ columnData })
  const slice = (start: number, end?: number) => Promise.resolve(bytes.slice(start, end))
  return parquetRows('a.parquet', { byteLength: bytes.byteLength, slice }, options)
}

describe('rows', () => {
  const [first, second, third] = [
    { a: 1, b: 4 },
    { a: null, b: 5 },
    { a: 3, b: 6 },
  ]
  test.each<[RowOptions, object[]]>([
    [{}, [first, second, third]],
    [{ rowStart: 1 }, [second, third]],
    [{ rowStart: 2, rowEnd: 3 }, [third]],
    [{ rowStart: 2, rowEnd: 100 }, [third]],
    [{ rowStart: 3 }, []],
    [{ rowStart: 3, rowEnd: 100 }, []],
    [{ rowEnd: 0 }, []],
    [{ rowStart: 2, rowEnd: 2 }, []],
    [{ rowStart: 2, rowEnd: 1 }, []],
    [{ rowEnd: 2 }, [first, second]],
    [{ columns: ['b'], rowEnd: 2 }, [{ b: 4 }, { b: 5 }]],
    [{ columns: ['b', 'a'], rowEnd: 1 }, [first]],
  ])('are those that are asked for: %j', async (options, rows) => {
    expect(await rowsOf(options)).toEqual(rows)
  })

  test('of a column that there is not are refused with those that there are', async () => {
    await expect(rowsOf({ columns: ['a', 'c'] })).rejects.toEqual(
      refusal('INVALID_ARGUMENT', {
        message: expect.stringContaining('for columns.') as string,
        expected: 'columns of the file: "a", "b"',
        found: '"c"',
      }),
    )
  })

  test('are as many as fit into memory', async () => {
    const options = { rowEnd: 2 ** 25 }
    expect(await rowsOf(options)).toHaveLength(3)
  })
})

test('columns in columns are read', async () => {
  const schema = [
    { name: 'root', num_children: 1 },
    { name: 'a', repetition_type: 'REQUIRED' as const, num_children: 1 },
    { name: 'b', type: 'INT32' as const, repetition_type: 'REQUIRED' as const },
  ]
  const bytes = parquetWriteBuffer({ columnData: [{ name: 'a', data: [{ b: 1 }, { b: 2 }] }], schema })
  const slice = (start: number, end?: number) => Promise.resolve(bytes.slice(start, end))
  const file = { byteLength: bytes.byteLength, slice }
  for (const options of [{}, { columns: ['a'] }])
    expect(await parquetRows('a.parquet', file, options)).toEqual([{ a: { b: 1 } }, { a: { b: 2 } }])
})

test('pages are decompressed as the caller says', async () => {
  const asItIs = (input: Uint8Array) => input
  const columnData = [{ name: 'a', data: [1, 2], type: 'INT32' as const }]
  const bytes = parquetWriteBuffer({ columnData, codec: 'ZSTD', compressors: { ZSTD: asItIs } })
  const slice = (start: number, end?: number) => Promise.resolve(bytes.slice(start, end))
  const file = { byteLength: bytes.byteLength, slice }
  expect(await parquetRows('a.parquet', file, { compressors: { ZSTD: asItIs } })).toEqual([{ a: 1 }, { a: 2 }])
  await expect(parquetRows('a.parquet', file, {})).rejects.toEqual(
    refusal('DATASET_MALFORMED', { hint: expect.stringContaining('hyparquet-compressors') as string }),
  )
})

test('what the parser says is passed on, with what to do about a codec', async () => {
  const file = (text: string) => ({
    byteLength: 8,
    slice: () => Promise.resolve(Uint8Array.from(Buffer.from(text)).buffer),
  })
  await expect(parquetRows('a.parquet', file('\0\0\0\0nope'), {})).rejects.toEqual(
    refusal('DATASET_MALFORMED', {
      message: expect.stringContaining('as Parquet') as string,
      file: 'a.parquet',
      expected: undefined,
      found: expect.stringContaining('parquet') as string,
      hint: undefined,
      cause: expect.any(Error) as Error,
    }),
  )
})

test('a failure to read is passed on as it is', async () => {
  const failure = new Error('refused')
  const file = { byteLength: 100, slice: () => Promise.reject(failure) }
  await expect(parquetRows('a.parquet', file, {})).rejects.toBe(failure)
})
