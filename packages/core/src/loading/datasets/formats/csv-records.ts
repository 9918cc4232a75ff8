import { pipeline, Readable } from 'node:stream'
import type * as CsvParse from 'csv-parse'
import { messageOf } from '../../../any-realm.ts'
import { shown } from '../../../errors.ts'
import { Turns } from '../../../source/turns.ts'
import { malformed, readerPackage } from './reader-package.ts'

const FORMAT = 'CSV'
/** A piece is parsed at once, and its records are many times larger. */
const PIECE_BYTES = 64 * 1024
/** Of a record. The limit of bytes does not count what separates fields, so a record of empty ones could be of any size. */
const MAX_FIELDS = 100_000

const TOO_LONG_HINT =
  'Look for a quote that is not closed, or use the option "maxRecordBytes" if the file has such records.'

/** How a file of records is written. */
interface CsvFormat {
  delimiter: string
  /** Of a record. */
  maxBytes: number
}

/**
 * Parses records with csv-parse. The first one names the columns.
 *
 * @throws {@link ModelSealError} `DATASET_READER_UNAVAILABLE`; `DATASET_MALFORMED` with the line
 */
export async function* csvRecords(
  name: string,
  pieces: AsyncIterable<Uint8Array>,
  { delimiter, maxBytes }: CsvFormat,
): AsyncGenerator<Record<string, string>, void> {
  const { parse } = readerPackage(name, 'csv-parse', 7) as typeof CsvParse
  const failure: { cause?: unknown } = {}
  const refuse = (found: string, expected: string, line: number, hint?: string): never => {
    failure.cause = malformed(name, FORMAT, { line, expected, found, hint })
    throw failure.cause
  }
  let recordBytes = 0
  const parser = parse({
    bom: true,
    delimiter,
    // In any mixture: the parser's own choice is the first one in the file, and the others would become content.
    record_delimiter: ['\r\n', '\n', '\r'],
    // The parser counts the bytes of the field that it reads, but only the characters of those before it. `cast` counts all bytes.
    max_record_size: maxBytes,
    columns: (names: string[]) => {
      // A record has one value for each name.
      const known = new Set<string>()
      for (const column of names) {
        if (known.has(column)) refuse(`${shown(column)} twice`, 'columns with different names', 1)
        known.add(column)
      }
      return names
    },
    cast: (value, { index, lines }) => {
      if (index >= MAX_FIELDS) refuse('more', `records of at most ${MAX_FIELDS} fields`, lines)
      recordBytes = (index === 0 ? 0 : recordBytes) + Buffer.byteLength(value)
      if (recordBytes > maxBytes) refuse('more', `records of at most ${maxBytes} bytes`, lines, TOO_LONG_HINT)
      return value
    },
  })
  const input = Readable.from(remembering(smaller(name, pieces), failure), { objectMode: false })
  // A failure is reported to whoever reads the records.
  pipeline(input, parser, () => {})
  const turns = new Turns()
  try {
    for await (const record of parser) {
      yield record as Record<string, string>
      if (turns.isDue) await turns.next()
    }
  } catch (cause) {
    if ('cause' in failure) throw failure.cause
    const { lines: line, code } = cause as { lines?: number; code?: string }
    const hint = code === 'CSV_MAX_RECORD_SIZE' ? TOO_LONG_HINT : undefined
    throw malformed(name, FORMAT, { line, found: shown(messageOf(cause)), hint, cause })
  }
}

async function* remembering<T>(items: AsyncIterable<T>, failure: { cause?: unknown }): AsyncGenerator<T> {
  try {
    yield* items
  } catch (cause) {
    failure.cause = cause
    throw cause
  }
}

/** Checks that the bytes are UTF-8, which the parser would not refuse. */
async function* smaller(name: string, pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  const check = (bytes: Uint8Array | undefined) => {
    try {
      decoder.decode(bytes, { stream: bytes !== undefined })
    } catch (cause) {
      throw malformed(name, FORMAT, { expected: 'UTF-8', found: 'other bytes', cause })
    }
  }
  for await (const piece of pieces) {
    for (let start = 0; start < piece.length; start += PIECE_BYTES) {
      const part = piece.subarray(start, start + PIECE_BYTES)
      check(part)
      yield part
    }
  }
  check(undefined)
}
