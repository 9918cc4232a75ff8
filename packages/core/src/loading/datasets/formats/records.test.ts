import { describe, expect, test, vi } from 'vitest'
import { refusal } from '../../../testing/scratch.ts'
import * as packages from '../../../source/optional-package.ts'
import { recordParser, type RecordOptions } from './records.ts'

async function listOf(records: AsyncIterable<unknown>): Promise<unknown[]> {
  const all: unknown[] = []
  for await (const record of records) all.push(record)
  return all
}

/** The records of a file that arrives in pieces of a few bytes. */
async function recordsOf(name: string, content: string | Uint8Array, options?: RecordOptions, pieceBytes = 3) {
  const bytes = Buffer.from(content as Uint8Array)
  async function* pieces() {
    await Promise.resolve()
    for (let start = 0; start < bytes.length; start += pieceBytes) yield bytes.subarray(start, start + pieceBytes)
  }
  return listOf(recordParser(name, options)(pieces()))
}

const MALFORMED = 'DATASET_MALFORMED'

describe('JSON lines', () => {
  test.each([
    ['one value a line', '{"a":1}\n{"a":"ö"}\n', [{ a: 1 }, { a: 'ö' }]],
    ['a last line without a line break, and Windows line breaks', '1\r\n[2]', [1, [2]]],
    ['lines with nothing in them', '\n1\n \r\n\n2\n\n', [1, 2]],
    ['nothing', '', []],
  ])('may have %s', async (_, content, records) => {
    for (const name of ['a.jsonl', 'A.NDJSON']) expect(await recordsOf(name, content)).toEqual(records)
    expect(await recordsOf('a.txt', content, { format: 'jsonl' })).toEqual(records)
  })

  test('cannot change the prototype of a record', async () => {
    const [record] = await recordsOf('a.jsonl', '{"__proto__":{"polluted":1}}')
    expect(Object.keys(record as object)).toEqual(['__proto__'])
    expect(Object.getPrototypeOf(record)).toBe(Object.prototype)
  })

  test('are refused at the line that is not JSON', async () => {
    await expect(recordsOf('a.jsonl', '1\n\n{"a":\n3')).rejects.toEqual(
      refusal(MALFORMED, { file: 'a.jsonl', line: 3, expected: 'one JSON value', found: expect.any(String) as string }),
    )
  })

  test('are refused at the line that is not UTF-8', async () => {
    await expect(recordsOf('a.jsonl', Buffer.from([0x31, 0x0a, 0x22, 0xff, 0x22]))).rejects.toEqual(
      refusal(MALFORMED, { line: 2, expected: 'UTF-8', found: 'other bytes' }),
    )
  })

  test('are refused at the line that is too long, before it ends', async () => {
    expect(await recordsOf('a.jsonl', '12345\n1', { maxRecordBytes: 5 })).toEqual([12345, 1])
    await expect(recordsOf('a.jsonl', '1\n123456\n', { maxRecordBytes: 5 })).rejects.toEqual(
      refusal(MALFORMED, { line: 2, expected: 'lines of at most 5 bytes', found: '6 bytes or more' }),
    )
    let pulled = 0
    async function* endless() {
      for (;;) yield await Promise.resolve((pulled++, Buffer.from('1111')))
    }
    await expect(listOf(recordParser('a.jsonl', { maxRecordBytes: 10 })(endless()))).rejects.toEqual(
      refusal(MALFORMED, { line: 1, found: '12 bytes or more' }),
    )
    expect(pulled).toBe(3)
  })
})

describe('CSV', () => {
  test.each([
    ['a.csv', 'a,b\n1,"x, ""y""\nz"\n', { a: '1', b: 'x, "y"\nz' }],
    ['a.csv', '\ufeffa,b\r\n1,ö', { a: '1', b: 'ö' }],
    ['a.tsv', 'a\tb\n1\t2,3\n', { a: '1', b: '2,3' }],
  ])('in %s has records by the names of their columns', async (name, content, record) => {
    expect(await recordsOf(name, content)).toEqual([record])
    expect(await recordsOf(name, content, {}, 100)).toEqual([record])
  })

  test('may have another delimiter and name', async () => {
    expect(await recordsOf('a.data', 'a;b\n1;2', { format: 'csv', delimiter: ';' })).toEqual([{ a: '1', b: '2' }])
    expect(await recordsOf('a.csv', '')).toEqual([])
  })

  test('cannot change the prototype of a record', async () => {
    const [record] = (await recordsOf('a.csv', '__proto__,b\nx,2')) as object[]
    expect((record as { b: string }).b).toBe('2')
    expect(Object.prototype).not.toHaveProperty('b')
  })

  test.each([
    ['has another number of fields', 'a,b\n1,2\n3\n', 3],
    ['has a quote that does not end', 'a,b\n1,"2\n', undefined],
  ])('is refused if a record %s', async (_, content, line) => {
    const found = expect.any(String) as string
    const details = { file: 'a.csv', ...(line === undefined ? {} : { line }), found, hint: undefined }
    await expect(recordsOf('a.csv', content)).rejects.toEqual(refusal(MALFORMED, details))
  })

  test('may end its lines in several ways', async () => {
    const records = [
      { a: '1', b: '2' },
      { a: '3', b: '4\n' },
    ]
    for (const content of ['a,b\n1,2\r\n3,"4\n"\r\n', 'a,b\r\n1,2\n3,"4\n"', '"a","b"\r1,2\r3,"4\n"\r'])
      for (const pieceBytes of [1, 2, 100]) expect(await recordsOf('a.csv', content, {}, pieceBytes)).toEqual(records)
  })

  test('is refused if two columns have one name, of which a record would have one value', async () => {
    await expect(recordsOf('a.csv', 'a,b,a\n1,2,3\n')).rejects.toEqual(
      refusal(MALFORMED, { line: 1, expected: 'columns with different names', found: '"a" twice' }),
    )
  })

  test('is refused if a record has too many fields, before it ends', async () => {
    const most = 100_000
    const names = Array.from({ length: most }, (_, index) => index).join(',')
    expect(await recordsOf('a.csv', `${names}\n`, {}, most)).toEqual([])
    for (const [begin, field, line] of [
      ['', ',', 1],
      ['', '"",', 1],
      ['a\n', ',', 2],
    ] as const) {
      let pulled = 0
      async function* endless() {
        yield await Promise.resolve(Buffer.from(begin))
        for (;;) yield await Promise.resolve((pulled++, Buffer.from(field.repeat(10_000))))
      }
      await expect(listOf(recordParser('a.csv', {})(endless()))).rejects.toEqual(
        refusal(MALFORMED, { line, expected: `records of at most ${most} fields`, found: 'more' }),
      )
      expect(pulled).toBeLessThan(100)
    }
  })

  test('is refused if a record is too long', async () => {
    const long = `a,b\n1,"${'x'.repeat(1_000)}"\n`
    expect(await recordsOf('a.csv', long)).toHaveLength(1)
    await expect(recordsOf('a.csv', long, { maxRecordBytes: 100 })).rejects.toEqual(
      refusal(MALFORMED, {
        found: expect.stringContaining('100') as string,
        hint: expect.stringContaining('"maxRecordBytes"') as string,
      }),
    )
  })

  test.each([
    ['a,b\nöö,ö', 'a,b\nöö,öö'],
    ['a\nabcdef', 'a\nabcdefg'],
    ['abc,def\n1,2', 'abc,defg\n1,2'],
  ])('may have records of as many bytes as are allowed: %j, and not %j', async (content, tooLong) => {
    expect(await recordsOf('a.csv', content, { maxRecordBytes: 6 })).toHaveLength(1)
    await expect(recordsOf('a.csv', tooLong, { maxRecordBytes: 6 })).rejects.toEqual(
      refusal(MALFORMED, {
        line: tooLong.startsWith('abc') ? 1 : 2,
        expected: 'records of at most 6 bytes',
        found: 'more',
        hint: expect.stringContaining('"maxRecordBytes"') as string,
      }),
    )
  })

  test('counts the bytes of each record alone', async () => {
    expect(await recordsOf('a.csv', 'a,b\n123,456\n789,012\n', { maxRecordBytes: 6 })).toHaveLength(2)
  })

  test.each([[Buffer.from([0x61, 0x0a, 0xff])], [Buffer.from([0x61, 0x0a, 0xc3])]])(
    'is refused if it is not UTF-8: %o',
    async (bytes) => {
      await expect(recordsOf('a.csv', bytes)).rejects.toEqual(refusal(MALFORMED, { expected: 'UTF-8' }))
    },
  )

  test('ends reading when its reader leaves', async () => {
    let isLeft = false
    async function* pieces() {
      try {
        for (;;) yield await Promise.resolve(Buffer.from('a\n'))
      } finally {
        isLeft = true
      }
    }
    for await (const record of recordParser('a.csv', {})(pieces())) {
      expect(record).toEqual({ a: 'a' })
      break
    }
    await vi.waitFor(() => expect(isLeft).toBe(true), { timeout: 20_000 })
  })

  test('cannot be read without its package, which the refusal names', async () => {
    const missing = Object.assign(new Error("Cannot find module 'csv-parse'"), { code: 'MODULE_NOT_FOUND' })
    const spy = vi.spyOn(packages, 'optionalPackage')
    spy.mockImplementationOnce(() => {
      throw missing
    })
    await expect(recordsOf('a.csv', 'a\n1')).rejects.toEqual(
      refusal('DATASET_READER_UNAVAILABLE', {
        file: 'a.csv',
        hint: expect.stringContaining('npm install csv-parse@7') as string,
      }),
    )
    spy.mockImplementationOnce(() => {
      throw new SyntaxError('broken')
    })
    await expect(recordsOf('a.csv', 'a\n1')).rejects.toEqual(
      refusal('DATASET_READER_UNAVAILABLE', { found: expect.stringContaining('broken') as string }),
    )
  })
})

test.each(['a.csv', 'a.jsonl'])('a failure of the source of %s is passed on as it is', async (name) => {
  const failure = new Error('refused')
  async function* pieces() {
    yield await Promise.resolve(Buffer.from('1\n2\n'))
    throw failure
  }
  await expect(listOf(recordParser(name, undefined)(pieces()))).rejects.toBe(failure)
})

test.each([
  ['a.parquet', undefined],
  ['jsonl', {}],
  ['a.csv', { format: 'tsv' }],
  ['a.csv', { delimiter: '' }],
  ['a.csv', { delimiter: 1 }],
  ['a.csv', { maxRecordBytes: 0 }],
  ['a.csv', { maxRecordBytes: 1.5 }],
  ['a.csv', { columns: true }],
])('options for %s are checked: %j', (name, options) => {
  expect(() => recordParser(name, options as RecordOptions)).toThrow(refusal('INVALID_ARGUMENT'))
})
