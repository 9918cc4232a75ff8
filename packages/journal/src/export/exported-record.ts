import { isAboutLoad, type JournalRecord, type RecordOf } from '@modelseal/core/journal'

/** A record with what its segment says of the process that wrote it. */
export interface ExportedRecord {
  /** Unique in all journals: the segment and the number of the record in it, such as `1762…-89ab…/12`. */
  id: string
  /** ID of the journal. */
  journal: string
  host: string
  service: string
  pid: number
  thread: number
  /** For an end or a revocation: the `id` of the load. */
  load?: string
  record: JournalRecord
}

/** Where a record was read. */
interface Place {
  journal: string
  segment: string
  index: number
  /** First record of the segment. */
  writer: RecordOf<'segment'>
}

export function exportedRecord(record: JournalRecord, { journal, segment, index, writer }: Place): ExportedRecord {
  const { host, service, pid, thread } = writer
  return {
    id: `${segment}/${index}`,
    journal,
    host,
    service,
    pid,
    thread,
    ...(isAboutLoad(record) && { load: `${record.segment ?? segment}/${record.load}` }),
    record,
  }
}

/** What a record is about: a model, a policy, a feed. */
export function subjectOf(record: JournalRecord): string | undefined {
  if (record.type === 'load') return record.model.url ?? record.model.path
  if (record.type === 'model') return record.name
  if (record.type === 'policy') return record.path
  return record.type === 'advisory' ? record.source : undefined
}
