import { cloudEvent } from './cloud-event.ts'
import { CSV_HEADER, csvLine } from './csv.ts'
import type { ExportedRecord } from './exported-record.ts'

interface Format {
  /** Comes first, once. */
  header: string
  line: (exported: ExportedRecord) => string
}

/** One record for each format. */
export const FORMATS = {
  cloudevents: { header: '', line: (exported) => jsonLine(cloudEvent(exported)) },
  csv: { header: CSV_HEADER, line: csvLine },
  json: { header: '', line: jsonLine },
} satisfies Record<string, Format>

export type ExportFormat = keyof typeof FORMATS

/** Characters that could control a terminal, or change the direction of text, are JSON escapes. */
function jsonLine(value: object): string {
  return `${JSON.stringify(value).replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (char) => char.split('').map(escaped).join(''))}\n`
}

function escaped(codeUnit: string): string {
  return `\\u${codeUnit.charCodeAt(0).toString(16).padStart(4, '0')}`
}
