import { choice, invalidOption, text, type Copy } from '../../../kinds.ts'
import { snapshot, type Shape } from '../../../snapshot.ts'
import { csvRecords } from './csv-records.ts'
import { jsonLines } from './json-lines.ts'

/** 16 MiB: a document of a corpus, with room to spare. */
const MAX_RECORD_BYTES = 16 * 1024 * 1024

/** How to read the records of a file. */
export interface RecordOptions {
  /** `jsonl`: one JSON value a line; `csv`: a first record that names the columns. Default: by the name (`.jsonl`, `.ndjson`, `.csv`, `.tsv`). */
  format?: 'jsonl' | 'csv' | undefined
  /** What separates the fields of a record. Default: a comma, and in a file whose name ends in `.tsv`, a tab. */
  delimiter?: string | undefined
  /** Largest line or record, in bytes. Default: 16 MiB. */
  maxRecordBytes?: number | undefined
}

const delimiter: Copy = (value, option) => {
  if (typeof value === 'string' && value !== '') return text(value, option)
  throw invalidOption(option, 'text between two fields', value)
}

const maxRecordBytes: Copy = (value, option) => {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value > 0) return value
  throw invalidOption(option, 'a positive integer (bytes)', value)
}

const RECORD_OPTIONS: Shape<RecordOptions> = { format: choice('jsonl', 'csv'), delimiter, maxRecordBytes }

/** Parses the records of a file, one after the other. */
type ParseRecords = (pieces: AsyncIterable<Uint8Array>) => AsyncGenerator<unknown, void>

/**
 * How to parse the records of a file.
 *
 * @throws {@link ModelSealError} `INVALID_ARGUMENT`
 */
export function recordParser(name: string, given: RecordOptions | undefined): ParseRecords {
  const options = snapshot(given, RECORD_OPTIONS, 'records')
  const { format = formatOf(name), delimiter = /\.tsv$/i.test(name) ? '\t' : ',' } = options
  const { maxRecordBytes: maxBytes = MAX_RECORD_BYTES } = options
  if (format === 'jsonl') return (pieces) => jsonLines(name, pieces, maxBytes)
  return (pieces) => csvRecords(name, pieces, { delimiter, maxBytes })
}

function formatOf(name: string): 'jsonl' | 'csv' {
  if (/\.(jsonl|ndjson)$/i.test(name)) return 'jsonl'
  if (/\.(csv|tsv)$/i.test(name)) return 'csv'
  throw invalidOption('format', '"jsonl" or "csv", as the name of the file does not tell', undefined)
}
