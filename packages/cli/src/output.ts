/**
 * One line of text for a terminal. Core has already escaped the names that it quotes; this escapes everything else that
 * could break lines, change the text direction or control the terminal.
 */
export function printable(line: string): string {
  return line.replace(UNPRINTABLE, (char) => `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`)
}

/** One JSON object on one line; characters that could control a terminal are written as JSON escapes. */
export function jsonLine(value: object): string {
  return `${JSON.stringify(value).replace(UNPRINTABLE, (char) => char.split('').map(jsonEscape).join(''))}\n`
}

const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}]/gu

function jsonEscape(codeUnit: string): string {
  return `\\u${codeUnit.charCodeAt(0).toString(16).padStart(4, '0')}`
}

/** A heading and named values below it, in two columns. */
export function summary(heading: string, facts: readonly (readonly [name: string, value: string])[]): string[] {
  const width = Math.max(...facts.map(([name]) => name.length))
  return [heading, ...facts.map(([name, value]) => `  ${name.padEnd(width)}  ${value}`)]
}

/** Rows of a table, in columns. */
export function columns(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows.map((row) => `  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}`.trimEnd())
}

/** The line about what the name of a model on a hub was resolved to, if anything. */
export function revisionFact(model: {
  revision?: string | undefined
  requested?: string | undefined
}): (readonly [string, string])[] {
  const { revision, requested = revision } = model
  if (revision === undefined) return []
  return [['revision', requested === revision ? revision : `${revision} (${requested})`]]
}

/** `1 file, 2.3 MB`. */
export function amount({ files, bytes }: { files: number; bytes: number }): string {
  return `${files} ${files === 1 ? 'file' : 'files'}, ${byteCount(bytes)}`
}

/** `5 of 5 signed files, 2.3 MB`: shows whether only a part was checked. */
export function checkedAmount({ files, bytes }: { files: { checked: number; signed: number }; bytes: number }): string {
  return `${files.checked} of ${files.signed} signed ${files.signed === 1 ? 'file' : 'files'}, ${byteCount(bytes)}`
}

/** Decimal units, as disks and networks count. */
export function byteCount(bytes: number): string {
  const step = Math.min(Math.max(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), 0), UNITS.length - 1)
  const value = bytes / 1000 ** step
  return `${step === 0 ? value : value.toFixed(1)} ${UNITS[step] ?? ''}`
}

const UNITS = ['bytes', 'kB', 'MB', 'GB', 'TB']

/** A number with its noun. */
export function counted(count: number, noun: string): string {
  return `${count.toLocaleString('en')} ${noun}${count === 1 ? '' : 's'}`
}
