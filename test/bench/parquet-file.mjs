// Parquet packages are dependencies of the core alone.
import { randomFillSync } from 'node:crypto'
import { createRequire } from 'node:module'
import { closeSync, openSync, readSync, statSync } from 'node:fs'

const { resolve } = createRequire(new URL('../../packages/core/package.json', import.meta.url))
export const hyparquet = await import(resolve('hyparquet'))
const { fileWriter, ParquetWriter, schemaFromColumnData } = await import(resolve('hyparquet-writer'))

/** About 8 MiB. */
export const GROUP_ROWS = 8_000
const ROW_BYTES = 1_000
/** What hyparquet reads first at the end of a file. */
const FIRST_READ = 512 * 1024

/**
 * Writes row groups with a number, a text and an embedding that no codec makes smaller, until the file has a size.
 *
 * @returns the number of rows; where each row group is; what has to be read of the end of the file to know its index
 */
export function writeParquet(path, bytes) {
  const groups = Math.max(2, Math.ceil(bytes / (GROUP_ROWS * (ROW_BYTES + 16))))
  const random = randomFillSync(Buffer.alloc(GROUP_ROWS * ROW_BYTES))
  const columns = (group) => {
    const numbers = Array.from({ length: GROUP_ROWS }, (_, row) => group * GROUP_ROWS + row)
    random.writeUInt32LE(group)
    return [
      { name: 'id', data: Int32Array.from(numbers), type: 'INT32' },
      { name: 'text', data: numbers.map((row) => `row ${row}`), type: 'STRING' },
      {
        name: 'embedding',
        data: numbers.map((_, row) => random.subarray(row * ROW_BYTES, (row + 1) * ROW_BYTES)),
        type: 'BYTE_ARRAY',
      },
    ]
  }
  const schema = schemaFromColumnData({ columnData: columns(0) })
  const writer = new ParquetWriter({ writer: fileWriter(path), schema, codec: 'UNCOMPRESSED', statistics: false })
  for (let group = 0; group < groups; group++)
    writer.write({ columnData: columns(group), rowGroupSize: GROUP_ROWS, dictionarySize: 0 })
  writer.finish()
  const placed = writer.row_groups.map(({ columns, total_compressed_size: size }) => {
    const start = Math.min(...columns.map(({ meta_data: { data_page_offset: offset } }) => Number(offset)))
    return { start, end: start + Number(size) }
  })
  return { rows: groups * GROUP_ROWS, groups: placed, footer: Math.max(FIRST_READ, footerBytes(path)) }
}

function footerBytes(path) {
  const file = openSync(path)
  const end = Buffer.alloc(8)
  readSync(file, end, 0, 8, statSync(path).size - 8)
  closeSync(file)
  return end.readUInt32LE() + 8
}
