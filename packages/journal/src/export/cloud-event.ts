import { subjectOf, type ExportedRecord } from './exported-record.ts'

/** CloudEvents 1.0.2, JSON format: one event a line. `source` and `id` together are unique, as section "id" of the specification demands. */
export function cloudEvent(exported: ExportedRecord): object {
  const { id, journal, record, ...writer } = exported
  const subject = subjectOf(record)
  return {
    specversion: '1.0',
    id,
    // The origin of the checkpoints of the journal; a URI reference.
    source: `modelseal.journal/${journal}`,
    type: `modelseal.${record.type}`,
    time: record.time,
    // "MUST be a non-empty string".
    ...(subject !== undefined && subject !== '' && { subject }),
    datacontenttype: 'application/json',
    data: { ...writer, record },
  }
}
