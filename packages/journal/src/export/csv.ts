import type { JournalRecord, RecordOf } from '@modelseal/core/journal'
import type { ExportedRecord } from './exported-record.ts'

type Load = RecordOf<'load'>
type Value = string | number | undefined

/** The columns in their order. Programs depend on them: new ones are added at the end. */
const COLUMNS: Readonly<Record<string, (exported: ExportedRecord) => Value>> = {
  time: ({ record }) => record.time,
  type: ({ record }) => record.type,
  host: ({ host }) => host,
  service: ({ service }) => service,
  pid: ({ pid }) => pid,
  thread: ({ thread }) => thread,
  journal: ({ journal }) => journal,
  id: ({ id }) => id,
  load: ({ load }) => load,
  decision: ofLoad(({ decision }) => decision),
  code: ({ record }) => ('code' in record ? record.code : undefined),
  wouldRefuse: ofLoad(({ wouldRefuse }) => wouldRefuse),
  rule: ofLoad(({ rule }) => rule),
  mode: ofLoad(({ mode }) => mode),
  by: ofLoad(({ by }) => by),
  path: ({ record }) =>
    record.type === 'load' ? record.model.path : record.type === 'policy' ? record.path : undefined,
  url: ofLoad(({ model }) => model.url),
  revision: ofLoad(({ model }) => model.revision),
  name: ({ record }) =>
    record.type === 'load' ? record.model.name : record.type === 'model' ? record.name : undefined,
  format: ofLoad(({ model }) => model.format),
  rootDigest: ({ record }) => ('rootDigest' in record ? record.rootDigest : undefined),
  policy: ofLoad(({ policy }) => policy?.path),
  policyDigest: ({ record }) =>
    record.type === 'load' ? record.policy?.digest : record.type === 'policy' ? record.digest : undefined,
  signers: ofLoad(({ signers }) => list(signers.map(({ name }) => name))),
  fingerprints: ofLoad(({ signers }) => list(signers.map(({ fingerprint }) => fingerprint))),
  counted: ofLoad(({ signers }) => list(signers.map(({ counted }) => (counted ? 'yes' : 'no')))),
  claims: ofLoad(({ claims }) => list(claims.map(({ kind, type }) => kind ?? type))),
  bytes: ofLoad(({ bytes }) => bytes),
  milliseconds: ofLoad(({ durations: { policy, verification, hashing } }) => policy + verification + hashing),
  why: ({ record }) => (record.type === 'end' ? record.why : undefined),
  source: ({ record }) => (record.type === 'advisory' ? record.source : undefined),
  feed: ({ record }) => (record.type === 'advisory' ? record.feed : undefined),
  sequence: ({ record }) => (record.type === 'advisory' ? record.sequence : undefined),
  lost: ({ record }) => (record.type === 'lost' ? record.count : undefined),
}

function ofLoad(value: (record: Load) => Value): (exported: ExportedRecord) => Value {
  return ({ record }) => (isLoad(record) ? value(record) : undefined)
}

function isLoad(record: JournalRecord): record is Load {
  return record.type === 'load'
}

function list(values: readonly string[]): string {
  return values.join('; ')
}

/** RFC 4180: with a header, and lines that end with CR LF. */
export const CSV_HEADER = `${Object.keys(COLUMNS).join()}\r\n`

export function csvLine(exported: ExportedRecord): string {
  return `${Object.values(COLUMNS)
    .map((value) => cell(value(exported)))
    .join()}\r\n`
}

/** Characters that could control a terminal, or end a line, are escaped. A tab or a carriage return would begin a formula as well. */
function cell(value: Value): string {
  if (typeof value !== 'string') return value === undefined ? '' : String(value)
  const text = value
    .replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (char) => `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`)
    .replace(FORMULA, "$1'")
  return /["',;]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

/**
 * What a spreadsheet takes for a formula, at the beginning of a cell; also of one that begins at a semicolon, because not every country
 * separates by commas; there, quotes before it are those of an empty text. Some leave out spaces before it, or take wide
 * characters for the narrow ones.
 */
const FORMULA = /(^\s*|;[\s"]*)(?=[=+\-@\uFF1D\uFF0B\uFF0D\uFF20])/g
