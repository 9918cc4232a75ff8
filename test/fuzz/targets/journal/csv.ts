import { hash } from 'node:crypto'
import { readLine } from '../../../../packages/core/src/journal/format/line.ts'
import type { JournalRecord } from '../../../../packages/core/src/journal/format/record.ts'
import { canonicalJson } from '../../../../packages/core/src/schema/canonical-json.ts'
import { digestOf, loadRecord } from '../../../../packages/core/src/testing/journals.ts'
import { CSV_HEADER, csvLine } from '../../../../packages/journal/src/export/csv.ts'
import { exportedRecord } from '../../../../packages/journal/src/export/exported-record.ts'
import { mustEqual, texts, type Target } from '../../target.ts'

const TIME = '2026-11-02T10:00:00.000Z'
const SEGMENT = '1793613600000-0123456789abcdef'
const COLUMNS = CSV_HEADER.trimEnd().split(',')
const WRITER = {
  ...({ type: 'segment', time: TIME, format: 1, segment: SEGMENT, service: 'transcribe', host: 'host-a' } as const),
  ...{ pid: 4711, thread: 0, node: 'v22.0.0', modelseal: '0.1.0', started: TIME, key: 'x', signature: 'x' },
}
/** Not every country separates by commas, and quotes after a semicolon are those of an empty text. */
const FORMULA = /(?:^\s*|;[\s"]*)[=+\-@\uFF1D\uFF0B\uFF0D\uFF20].*/
const RECORDS: readonly JournalRecord[] = [
  loadRecord(),
  loadRecord({ model: { path: '=cmd|x', name: 'a;=b,"c"\u2028', format: 'onnx' }, rule: ' -1 ' }),
  WRITER,
  { type: 'policy', time: TIME, path: '+1\u0000', includes: [digestOf('i')] },
  { type: 'lost', time: TIME, count: 1, code: 'ENOSPC' },
]

// The input is a line of a journal up to its check: models and policies were named by others.
const target: Target = {
  dictionary: [
    '=',
    '+',
    '-',
    '@',
    ';',
    ';=',
    '; \\"=',
    '\\"',
    '\\t',
    '\\r',
    '\\n',
    ',',
    '\uFF1D',
    '\u202E',
    "'",
    '\\u00a0',
  ],
  seeds: () => texts(...RECORDS.map((record) => canonicalJson(record).slice(0, -1))),
  check(input) {
    const check = hash('sha256', Buffer.concat([Buffer.from(SEGMENT), input]), 'hex').slice(0, 16)
    const read = readLine(Buffer.concat([input, Buffer.from(`,"~check":"${check}"}`)]), SEGMENT)
    if (!('record' in read)) return
    const { record } = read
    const writer = record.type === 'segment' ? record : WRITER
    const line = csvLine(exportedRecord(record, { journal: 'a'.repeat(32), segment: SEGMENT, index: 0, writer }))
    const cells = cellsOf(line)
    mustEqual(cells.length, COLUMNS.length, 'The number of cells')
    for (const [index, cell] of cells.entries()) {
      if (/[\p{C}\p{Zl}\p{Zp}]/u.test(cell)) throw new Error(`The cell ${COLUMNS[index]} can control a terminal.`)
      const formula = FORMULA.exec(cell)?.[0]
      if (formula !== undefined)
        throw new Error(`The cell ${COLUMNS[index]} has the formula ${JSON.stringify(formula)}.`)
    }
    mustEqual(cells[COLUMNS.indexOf('time')], record.time, 'The time')
  },
}
export default target

/** RFC 4180. */
function cellsOf(line: string): string[] {
  if (!/^(?:[^"\r\n]|"(?:[^"]|"")*")*\r\n$/.test(line)) throw new Error('It is not one line.')
  const cells = line.slice(0, -2).match(/(?<=^|,)(?:"(?:[^"]|"")*"|[^",]*)(?=,|$)/g) ?? []
  return cells.map((cell) => (cell.startsWith('"') ? cell.slice(1, -1).replaceAll('""', '"') : cell))
}
