import type * as Hyparquet from 'hyparquet'
import { shown } from '../../../errors.ts'
import type { AsyncBuffer } from '../async-buffer.ts'
import { malformed } from './reader-package.ts'

const FORMAT = 'Parquet'
/** What the parser makes of an index takes up to a hundred times its memory. Those of wide files have a few MiB. */
const MAX_INDEX_BYTES = 16 * 1024 * 1024
/** Of a number that the parser would read. The time for one grows with the square of its length. */
const MAX_NUMBER_BYTES = 16 * 1024
/** "PAR1" at the beginning. */
const HEAD_BYTES = 4
/** The length of the index, and "PAR1". */
const TAIL_BYTES = 8

type Index = Hyparquet.FileMetaData

/**
 * Reads the index of a Parquet file with hyparquet, which believes what it says, and checks that it can be true.
 *
 * @throws {@link ModelSealError} `DATASET_MALFORMED`, and what reading ranges throws. What the parser throws is thrown as it is
 */
export async function parquetIndex(
  name: string,
  file: AsyncBuffer,
  { parquetMetadata, parquetSchema }: typeof Hyparquet,
): Promise<Index> {
  const index = parquetMetadata(await indexBytes(name, file))
  checkNames(name, parquetSchema(index))
  checkRows(name, index)
  const end = file.byteLength - TAIL_BYTES - index.metadata_length
  for (const { num_rows, columns } of index.row_groups)
    if (num_rows > 0n) for (const column of columns) checkPlace(name, column, end)
  return index
}

async function indexBytes(name: string, file: AsyncBuffer): Promise<ArrayBuffer> {
  const tail = await file.slice(-TAIL_BYTES)
  const length = tail.byteLength < TAIL_BYTES ? 0 : new DataView(tail).getUint32(0, true)
  if (length > MAX_INDEX_BYTES && length <= file.byteLength)
    throw malformed(name, FORMAT, {
      expected: `an index of at most ${MAX_INDEX_BYTES} bytes`,
      found: `${length} bytes`,
      hint: 'Write it with larger row groups, or with fewer columns.',
    })
  const bytes = await file.slice(-TAIL_BYTES - length)
  let digits = 0
  for (const byte of new Uint8Array(bytes)) {
    digits = byte < 0x80 ? 0 : digits + 1
    if (digits > MAX_NUMBER_BYTES)
      throw malformed(name, FORMAT, {
        expected: `numbers of at most ${MAX_NUMBER_BYTES} bytes in the index`,
        found: 'a longer one',
      })
  }
  return bytes
}

/** Objects have one value for each name, and none for their prototype. */
function checkNames(name: string, { children }: Hyparquet.SchemaTree): void {
  const known = new Set(['__proto__'])
  for (const child of children) {
    const column = child.element.name
    if (known.has(column))
      throw malformed(name, FORMAT, {
        expected: 'columns with different names',
        found: column === '__proto__' ? shown(column) : `${shown(column)} twice`,
      })
    known.add(column)
    checkNames(name, child)
  }
}

function checkRows(name: string, { num_rows, row_groups }: Index): void {
  const stated = [num_rows, ...row_groups.map((group) => group.num_rows)]
  const [total = 0n, ...groups] = stated
  const sum = stated.every(isSize) ? groups.reduce((all, rows) => all + rows, 0n) : undefined
  if (sum === total) return
  throw malformed(name, FORMAT, {
    expected: 'as many rows as its row groups have together',
    found: sum === undefined ? 'an impossible number' : `${total} rows, and ${sum} in row groups`,
  })
}

function checkPlace(name: string, { meta_data: column }: Hyparquet.ColumnChunk, end: number): void {
  // Hyparquet refuses it.
  if (!column) return
  const { dictionary_page_offset, data_page_offset, total_compressed_size: size } = column
  const start = dictionary_page_offset || data_page_offset
  if (isSize(start) && isSize(size) && start >= HEAD_BYTES && start + size <= end) return
  throw malformed(name, FORMAT, {
    expected: `columns from byte ${HEAD_BYTES} to ${end}`,
    found: `${shown(column.path_in_schema.join('.'))} from byte ${start}, with ${size} bytes`,
  })
}

/** Types in the index are as its author chose them. */
function isSize(value: unknown): value is bigint {
  return typeof value === 'bigint' && value >= 0n && value <= Number.MAX_SAFE_INTEGER
}
