import { csvRecords } from '../../../../packages/core/src/loading/datasets/formats/csv-records.ts'
import { arriving, cut } from '../../pieces.ts'
import { mustEqual, readOrRefusedWith, texts, textOf, type Target } from '../../target.ts'

// The first byte says how the file is cut into pieces, the second what separates fields, and the third how long a record may be; the
// rest is the file.

const DELIMITERS = [',', '\t', ';', '||', ' ']
const UNBOUNDED = 16 * 1024 * 1024

const CONTENTS = [
  'a,b\n1,"x, ""y""\nz"\n',
  '\ufeffa,b\r\n1,ö',
  'a\tb\n1\t2,3\n',
  'a;b\n1;2',
  'a||b\n1||"|"||"|"\n',
  '',
  '__proto__,b\nx,2',
  'a,b\n1,2\n3\n',
  'a,b\n1,"2\n',
  'a,b\n1,2\r\n3,"4\n"\r\n',
  '"a","b"\r1,2\r3,"4\n"\r',
  'a,b,a\n1,2,3\n',
  'a\n\n""\n"\r\n"\r\n',
  `a,b\n1,"${'x'.repeat(100)}"\n`,
]

const target: Target = {
  dictionary: ['"', '""', ',', '||', '|', '\t', '\r', '\r\n', '\n', '\ufeff', '__proto__', '\u0000', ' '],
  seeds: () => [
    ...texts(...CONTENTS).flatMap((content, index) => [
      Buffer.concat([Buffer.from([0, index === 4 ? 3 : 0, 0]), content]),
      Buffer.concat([Buffer.from([7, index === 2 ? 1 : 0, 0]), content]),
      Buffer.concat([Buffer.from([9, index === 3 ? 2 : 0, 5]), content]),
    ]),
    Buffer.from([3, 0, 0, 0x61, 0x0a, 0xff]),
    Buffer.from([3, 0, 0, 0x61, 0x0a, 0xc3]),
  ],
  async check(input) {
    const [how = 0, separator = 0, limit = 0] = input
    const bytes = input.subarray(3)
    const delimiter = DELIMITERS[separator % DELIMITERS.length] as string
    const format = { delimiter, maxBytes: limit === 0 ? UNBOUNDED : limit }
    const whole = await read([bytes], format)
    mustEqual(await read(cut(bytes, how), format), whole, 'What arrives in pieces')
    // The parser takes a quote before a zero byte for the end of a text.
    if (Buffer.from(bytes).includes('"\0')) return
    mustEqual(whole, recordsOf(bytes, format), 'The records')
  },
}
export default target

type Records = Record<string, string>[]

interface Format {
  delimiter: string
  maxBytes: number
}

/** Undefined if the file is refused: how many records come before that depends on the pieces. */
async function read(pieces: readonly Uint8Array[], format: Format): Promise<Records | undefined> {
  const result = await readOrRefusedWith(/^DATASET_MALFORMED$/, async () => {
    const records: Records = []
    for await (const record of csvRecords('a.csv', arriving(pieces), format)) {
      mustEqual(Object.getPrototypeOf(record), Object.prototype, 'The prototype')
      records.push(record)
    }
    return records
  })
  return 'refused' in result ? undefined : result.value
}

/**
 * A small reader of RFC 4180 for any delimiter, whose lines end in any way.
 *
 * @returns undefined for what RFC 4180 does not allow, for two columns with one name, and for a record that is too long
 */
function recordsOf(bytes: Uint8Array, { delimiter, maxBytes }: Format): Records | undefined {
  const text = textOf(bytes)?.replace(/^\ufeff/, '')
  if (text === undefined) return undefined
  const rows: string[][] = []
  let row: string[] = []
  let hasRow = false
  for (let at = 0; at < text.length;) {
    const quoted = /^"((?:[^"]|"")*)"/.exec(text.slice(at))
    let end = at
    while (!quoted && end < text.length && !/[\r\n"]/.test(text[end] as string) && !text.startsWith(delimiter, end))
      end += 1
    row.push(quoted ? (quoted[1] as string).replaceAll('""', '"') : text.slice(at, end))
    hasRow = true
    at = quoted ? at + quoted[0].length : end
    if (text.startsWith(delimiter, at)) {
      at += delimiter.length
      if (at === text.length) row.push('')
      continue
    }
    const [lineEnd] = /^(?:\r\n|\r|\n|$)/.exec(text.slice(at)) ?? []
    if (lineEnd === undefined) return undefined
    at += lineEnd.length
    rows.push(row)
    row = []
    hasRow = false
  }
  if (hasRow) rows.push(row)
  const [names = [], ...records] = rows
  const isEven = records.every((fields) => fields.length === names.length) && new Set(names).size === names.length
  const isLong = rows.some((fields) => Buffer.byteLength(fields.join('')) > maxBytes)
  if (!isEven || isLong) return undefined
  return records.map((fields) => Object.fromEntries(names.map((name, index) => [name, fields[index] ?? ''])))
}
