import { ModelSealError, shown } from '@modelseal/core/errors'
import {
  openJournal,
  readJournal,
  RECORD_TYPES,
  type JournalEntry,
  type JournalReport,
  type RecordOf,
  type RecordType,
} from '@modelseal/core/journal'
import { keyFor, type JournalKeys } from '../all-journals.ts'
import { exportedRecord } from './exported-record.ts'
import { FORMATS, type ExportFormat } from './formats.ts'

export interface ExportOptions {
  format: ExportFormat
  /** Only records from this time on. */
  since?: Date | undefined
  /** Only records before this time. */
  until?: Date | undefined
  /** Only records of these types. Default: all. */
  types?: readonly string[] | undefined
  /** Keys of hosts, as `verifyJournal` takes them, by the directory of their journal. Default: the keys in the journals. */
  keys?: JournalKeys | undefined
  /** Takes the text in pieces, and is waited for. It ends the export by returning false. */
  write: (text: string) => boolean | undefined | Promise<boolean | undefined>
  signal?: AbortSignal | undefined
}

/** What was exported. */
export interface ExportedJournals {
  /** True if all journals hold. Otherwise records may be missing, and some may have been changed. */
  complete: boolean
  /** How many records were written. */
  records: number
  journals: readonly JournalReport[]
}

/**
 * Writes the records of journals in another format, journal by journal and segment by segment, in memory of constant size. Each line is
 * verified before its record is written; whether the commits cover it is known at the end of each journal, so look at `complete`.
 *
 * @param directories of the journals
 * @throws {@link ModelSealError} `INVALID_ARGUMENT`, `JOURNAL_INVALID`, `KEY_INVALID`, `KEY_MISMATCH`, `FILE_NOT_FOUND`, `FILE_UNREADABLE`,
 * `ABORTED`
 * @example
 * ```ts
 * const write = (text: string) => output.appendFile(text).then(() => true)
 * const { complete, records } = await exportJournals(['journals/host-a'], { format: 'cloudevents', types: ['load'], write })
 * ```
 */
export async function exportJournals(
  directories: readonly string[],
  options: ExportOptions,
): Promise<ExportedJournals> {
  const { keys, write, signal } = options
  const { format, isWanted } = checked(directories, options)
  const unique = [...new Set(directories)]
  // A wrong name is refused before anything is written.
  for (const directory of unique) await openJournal(directory, keyFor(directory, keys))
  const ended = new AbortController()
  const put = async (text: string) => {
    if (text !== '' && (await write(text)) === false) ended.abort()
  }
  const abort = signal ? AbortSignal.any([signal, ended.signal]) : ended.signal
  const journals: JournalReport[] = []
  let records = 0
  try {
    await put(format.header)
    for (const directory of unique) {
      const { file } = await openJournal(directory, keyFor(directory, keys))
      let writer: RecordOf<'segment'> | undefined
      const visit = async (entries: readonly JournalEntry[]) => {
        let text = ''
        for (const { segment, index, record } of entries) {
          if (record.type === 'segment') writer = record
          // A segment begins with its description, or none of its records is valid.
          if (!writer || !isWanted(record)) continue
          text += format.line(exportedRecord(record, { journal: file.id, segment, index, writer }))
          records += 1
        }
        await put(text)
      }
      journals.push(await readJournal(directory, visit, { key: keyFor(directory, keys), signal: abort }))
    }
  } catch (error) {
    if (!ended.signal.aborted) throw error
  }
  const complete = !ended.signal.aborted && journals.every(({ holds }) => holds)
  return { complete, records, journals }
}

function checked(directories: readonly string[], { format, since, until, types }: ExportOptions) {
  const refused = (sentence: string, hint?: string) =>
    new ModelSealError('INVALID_ARGUMENT', sentence, hint === undefined ? {} : { hint })
  if (directories.length === 0) throw refused('No journal is given.')
  if (!Object.hasOwn(FORMATS, format))
    throw refused(
      `Invalid value for option "format": expected ${Object.keys(FORMATS).join(', ')}, got ${shown(format)}.`,
    )
  const unknown = types?.find((type) => !RECORD_TYPES.includes(type as RecordType))
  if (unknown !== undefined)
    throw refused(
      `Cannot export records of the type ${shown(unknown)}: there is no such type.`,
      `The types are ${RECORD_TYPES.join(', ')}.`,
    )
  const [from, to] = [since?.toISOString() ?? '', until?.toISOString() ?? '~']
  if (from >= to) throw refused('The time since which records are sought is not before the time until which they are.')
  // Times of records have one length, so that they sort as text.
  const isWanted = ({ type, time }: { type: RecordType; time: string }) =>
    time >= from && time < to && (types?.includes(type) ?? true)
  return { format: FORMATS[format], isWanted }
}
