import { expect, test } from 'vitest'
import { refusal } from '../../../testing/scratch.ts'
import { recordParser, type RecordOptions } from './records.ts'

/** The records of a file that arrives in one piece. */
function recordsOf(name: string, content: string, options?: RecordOptions): AsyncGenerator<unknown, void> {
  async function* pieces() {
    yield await Promise.resolve(Buffer.from(content))
  }
  return recordParser(name, options)(pieces())
}

async function listOf(records: AsyncIterable<unknown>): Promise<unknown[]> {
  const all: unknown[] = []
  for await (const record of records) all.push(record)
  return all
}

const MALFORMED = 'DATASET_MALFORMED'
const ROWS = 30_000

test.each([
  ['a.csv', `n\n${Array.from({ length: ROWS }, (_, row) => `${row}\n`).join('')}`, (row: number) => ({ n: `${row}` })],
  ['a.jsonl', Array.from({ length: ROWS }, (_, row) => `${row}\n`).join(''), (row: number) => row],
])('a large piece of %s has all records, and lets others work meanwhile', async (name, content, expected) => {
  let turns = 0
  let isDone = false
  const count = () => {
    turns++
    if (!isDone) setImmediate(count)
  }
  setImmediate(count)
  let row = 0
  for await (const record of recordsOf(name, content)) {
    // Comparing each takes long.
    if (row % 1_000 === 0) expect(record).toEqual(expected(row))
    row++
  }
  isDone = true
  expect(row).toBe(ROWS)
  expect(turns).toBeGreaterThan(1)
})

test('a record of CSV has at most 100,000 fields', async () => {
  const names = (count: number) => `${Array.from({ length: count }, (_, index) => `n${index}`).join(',')}\n`
  expect(await listOf(recordsOf('a.csv', names(100_000)))).toEqual([])
  await expect(listOf(recordsOf('a.csv', names(100_001)))).rejects.toEqual(
    refusal(MALFORMED, { file: 'a.csv', line: 1, expected: 'records of at most 100000 fields', found: 'more' }),
  )
})

test('a record has at most 16 MiB, unless more are allowed', async () => {
  const most = 16 * 1024 * 1024
  const line = (length: number) => `"${'x'.repeat(length - 2)}"\n`
  expect(await listOf(recordsOf('a.jsonl', line(most)))).toHaveLength(1)
  await expect(listOf(recordsOf('a.jsonl', line(most + 1)))).rejects.toEqual(
    refusal(MALFORMED, { expected: `lines of at most ${most} bytes`, found: `${most + 1} bytes or more` }),
  )
  expect(await listOf(recordsOf('a.jsonl', line(most + 1), { maxRecordBytes: most + 1 }))).toHaveLength(1)
})

test('bytes that are not UTF-8 are refused where they are cut off', async () => {
  async function* pieces(...parts: number[][]) {
    for (const part of parts) yield await Promise.resolve(Uint8Array.from(part))
  }
  const read = (...parts: number[][]) => listOf(recordParser('a.csv', {})(pieces(...parts)))
  expect(await read([0x61, 0x0a, 0xc3], [0xb6])).toEqual([{ a: 'ö' }])
  await expect(read([0x61, 0x0a, 0xc3], [0x0a])).rejects.toEqual(
    refusal(MALFORMED, {
      file: 'a.csv',
      expected: 'UTF-8',
      found: 'other bytes',
      cause: expect.any(TypeError) as TypeError,
    }),
  )
})

test.each(['1\n2\n', '\n\n1\n\n2'])('lines may arrive byte by byte: %j', async (content) => {
  async function* pieces() {
    for (const byte of Buffer.from(content)) yield await Promise.resolve(Buffer.of(byte))
  }
  expect(await listOf(recordParser('a.jsonl', undefined)(pieces()))).toEqual([1, 2])
})

test('a refusal by the parser says what it says', async () => {
  await expect(listOf(recordsOf('a.csv', 'a,b\n1,2\n3\n'))).rejects.toEqual(
    refusal(MALFORMED, {
      message: expect.stringContaining('as CSV') as string,
      file: 'a.csv',
      line: 3,
      expected: undefined,
      found: expect.stringContaining('Invalid Record Length') as string,
      hint: undefined,
      cause: expect.objectContaining({ code: 'CSV_RECORD_INCONSISTENT_COLUMNS' }) as Error,
    }),
  )
  await expect(listOf(recordsOf('a.jsonl', '1\n\n{"a":\n'))).rejects.toEqual(
    refusal(MALFORMED, {
      message: expect.stringContaining('as JSON lines') as string,
      line: 3,
      found: expect.stringContaining('JSON') as string,
      cause: expect.any(SyntaxError) as SyntaxError,
    }),
  )
})

test.each<[object, string, string | undefined]>([
  [{ delimiter: '' }, 'text between two fields', 'an empty string'],
  [{ delimiter: 1 }, 'text between two fields', '1'],
  [{ maxRecordBytes: 0 }, 'a positive integer (bytes)', '0'],
  [{ maxRecordBytes: '5' }, 'a positive integer (bytes)', '"5"'],
  [{ format: 'tsv' }, '"jsonl" or "csv"', '"tsv"'],
])('%j is refused', (options, expected, found) => {
  expect(() => recordParser('a.csv', options as RecordOptions)).toThrow(
    refusal('INVALID_ARGUMENT', {
      message: expect.stringContaining(Object.keys(options)[0]!) as string,
      expected,
      found,
    }),
  )
})

test('an unknown option is named', () => {
  const message = expect.stringMatching(/(?=.*"columns")(?=.*\brecords\b)/) as string
  expect(() => recordParser('a.csv', { columns: true } as RecordOptions)).toThrow(
    refusal('INVALID_ARGUMENT', { message }),
  )
})

test.each(['jsonl', 'a.jsonl.gz', 'a.csv.zip', 'a_csv', 'tsv'])('the name %s tells no format', (name) => {
  expect(() => recordParser(name, undefined)).toThrow(
    refusal('INVALID_ARGUMENT', {
      message: expect.stringContaining('format') as string,
      expected: expect.stringContaining('"jsonl" or "csv"') as string,
    }),
  )
})

test.each(['a.csv', 'a.CSV', 'a.tsv.csv', 'a.tsv', 'a.TSV'])('the name %s tells the delimiter', async (name) => {
  const [record] = await listOf(recordsOf(name, 'a,b\tc\n1,2\t3\n'))
  expect(record).toEqual(/tsv$/i.test(name) ? { 'a,b': '1,2', c: '3' } : { a: '1', 'b\tc': '2\t3' })
})
