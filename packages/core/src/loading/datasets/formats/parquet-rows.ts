import type * as Hyparquet from 'hyparquet'
import { messageOf } from '../../../any-realm.ts'
import { ModelSealError, shown } from '../../../errors.ts'
import { invalidArgument, invalidOption, listOf, text, type Copy } from '../../../kinds.ts'
import { snapshot, type Shape } from '../../../snapshot.ts'
import type { AsyncBuffer } from '../async-buffer.ts'
import { parquetIndex } from './parquet-index.ts'
import { malformed, readerPackage } from './reader-package.ts'

/** Of one call: they take some 2 GB. */
const MAX_VALUES = 2 ** 25

const CODEC_HINT =
  'If it is compressed by another codec than Snappy, pass the option "compressors", with those of the package hyparquet-compressors.'

/** Decompresses one page. */
export type Decompress = (input: Uint8Array, outputLength: number) => Uint8Array

/** Which rows to read. */
export interface RowOptions {
  /** Names of columns. Default: all. */
  columns?: readonly string[] | undefined
  /** First row, counted from 0. */
  rowStart?: number | undefined
  /** First row after the last one that is read, as for `slice()`. Default: all rows. */
  rowEnd?: number | undefined
  /** Decompressors by the names of their codecs, as `hyparquet-compressors` exports them. Default: those of hyparquet, which reads Snappy. */
  compressors?: Readonly<Record<string, Decompress>> | undefined
}

const rowNumber: Copy = (value, option) => {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
  throw invalidOption(option, 'the number of a row, from 0', value)
}

const ROW_OPTIONS: Shape<RowOptions> = {
  columns: listOf(text),
  rowStart: rowNumber,
  rowEnd: rowNumber,
  compressors: true,
}

/** Copies the options. @throws {@link ModelSealError} `INVALID_ARGUMENT` */
export function rowOptions(given: RowOptions | undefined): Readonly<RowOptions> {
  return snapshot(given, ROW_OPTIONS, 'rows')
}

/**
 * Reads rows of a Parquet file with hyparquet: its index, and then only what the rows and columns need.
 *
 * @throws {@link ModelSealError} `DATASET_READER_UNAVAILABLE`, `DATASET_MALFORMED`, `FILE_TOO_LARGE` for too many rows, `INVALID_ARGUMENT` for a column that
 * the file does not have, and what reading ranges throws
 */
export async function parquetRows(
  name: string,
  buffer: AsyncBuffer,
  { columns, rowStart = 0, rowEnd, compressors }: RowOptions,
): Promise<Record<string, unknown>[]> {
  const reader = readerPackage(name, 'hyparquet', 1) as typeof Hyparquet
  const file = remembering(buffer)
  try {
    const metadata = await parquetIndex(name, file, reader)
    const tree = reader.parquetSchema(metadata).children
    const known = tree.map(({ element }) => element.name)
    const unknown = columns?.find((column) => !known.includes(column))
    if (unknown !== undefined)
      throw invalidArgument('columns', `columns of the file: ${known.map(shown).join(', ')}`, unknown)
    const total = Number(metadata.num_rows)
    const count = Math.min(rowEnd ?? total, total) - rowStart
    // hyparquet would fail with a negative number.
    if (count <= 0) return []
    checkCount(name, count, (columns ?? known).length)
    const rows = await reader.parquetReadObjects({
      file,
      metadata,
      ...(columns ? { columns: [...columns] } : {}),
      rowStart,
      ...(rowEnd === undefined ? {} : { rowEnd }),
      ...(compressors ? { compressors } : {}),
    })
    const leaves = tree.flatMap(({ element, children }) => (children.length > 0 ? [] : element.name))
    checkComplete(name, rows, columns ? leaves.filter((column) => columns.includes(column)) : leaves)
    return rows
  } catch (cause) {
    if (file.failures.length > 0) throw file.failures[0]
    if (cause instanceof ModelSealError) throw cause
    const found = messageOf(cause)
    throw malformed(name, 'Parquet', {
      found: shown(found),
      // Its errors have no code.
      hint: /\bcodec\b/.test(found) ? CODEC_HINT : undefined,
      cause,
    })
  }
}

/** A few bytes can stand for any number of equal values, so that the size of a file is no limit. */
function checkCount(name: string, rows: number, columns: number): void {
  // A row is a value, too.
  const values = rows * (columns + 1)
  if (values <= MAX_VALUES) return
  throw new ModelSealError('FILE_TOO_LARGE', `Cannot read so many rows of the file ${shown(name)} at once.`, {
    file: name,
    expected: `at most ${MAX_VALUES} values and rows`,
    found: `${rows} rows of ${columns} columns`,
    hint: 'Read fewer at a time, with the options "rowStart", "rowEnd" and "columns".',
  })
}

/** Null is a value; undefined is what hyparquet returns after the last one. */
function checkComplete(name: string, rows: readonly Record<string, unknown>[], columns: readonly string[]): void {
  for (const column of columns)
    if (rows.some((row) => row[column] === undefined))
      throw malformed(name, 'Parquet', {
        expected: 'as many values as rows',
        found: `fewer in the column ${shown(column)}`,
      })
}

/** Remembers why a range was refused, whatever the reader makes of the error. */
function remembering(buffer: AsyncBuffer): AsyncBuffer & { failures: unknown[] } {
  const failures: unknown[] = []
  return {
    failures,
    byteLength: buffer.byteLength,
    slice: (start, end) =>
      buffer.slice(start, end).catch((error: unknown) => {
        failures.push(error)
        throw error
      }),
  }
}
