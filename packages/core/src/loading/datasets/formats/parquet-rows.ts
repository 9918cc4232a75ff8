import type * as Hyparquet from 'hyparquet'
import { messageOf } from '../../../any-realm.ts'
import { shown } from '../../../errors.ts'
import { invalidArgument, invalidOption, listOf, text, type Copy } from '../../../kinds.ts'
import { snapshot, type Shape } from '../../../snapshot.ts'
import type { AsyncBuffer } from '../async-buffer.ts'
import { malformed, readerPackage } from './reader-package.ts'

/** Decompresses one page. */
export type Decompress = (input: Uint8Array, outputLength: number) => Uint8Array

/** Which rows to read. */
export interface RowOptions {
  /** Names of columns. Default: all. */
  columns?: readonly string[] | undefined
  /** First row, counted from 0. */
  rowStart?: number | undefined
  /** First row after the last one that is read. Default: all rows. */
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
 * @throws {@link ModelSealError} `DATASET_READER_UNAVAILABLE`, `DATASET_MALFORMED`, `INVALID_ARGUMENT` for a column that the file does not
 * have, and what reading ranges throws
 */
export async function parquetRows(
  name: string,
  buffer: AsyncBuffer,
  { columns, rowStart, rowEnd, compressors }: RowOptions,
): Promise<Record<string, unknown>[]> {
  const { parquetMetadataAsync, parquetReadObjects, parquetSchema } = readerPackage('hyparquet', 1) as typeof Hyparquet
  const file = remembering(buffer)
  try {
    const metadata = await parquetMetadataAsync(file)
    const known = parquetSchema(metadata).children.map(({ element }) => element.name)
    const unknown = columns?.find((column) => !known.includes(column))
    if (unknown !== undefined) {
      const failure = invalidArgument('columns', `columns of the file: ${known.map(shown).join(', ')}`, unknown)
      file.failures.push(failure)
      throw failure
    }
    return await parquetReadObjects({
      file,
      metadata,
      ...(columns ? { columns: [...columns] } : {}),
      ...(rowStart === undefined ? {} : { rowStart }),
      ...(rowEnd === undefined ? {} : { rowEnd }),
      ...(compressors ? { compressors } : {}),
    })
  } catch (cause) {
    if (file.failures.length > 0) throw file.failures[0]
    throw malformed(name, 'Parquet', {
      found: shown(messageOf(cause)),
      hint: 'If it is compressed by another codec than Snappy, pass the "compressors" of the package hyparquet-compressors.',
      cause,
    })
  }
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
