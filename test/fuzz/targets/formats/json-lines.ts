import { jsonLines } from '../../../../packages/core/src/loading/datasets/formats/json-lines.ts'
import { arriving, cut } from '../../pieces.ts'
import { mustEqual, readOrRefusedWith, texts, textOf, type Target } from '../../target.ts'

// The first byte says how the file is cut into pieces, and the second how long a line may be; the rest is the file.

const CONTENTS = [
  '{"a":1}\n{"a":"ö"}\n',
  '1\r\n[2]',
  '\n1\n \r\n\n2\n\n',
  '',
  '{"__proto__":{"polluted":1}}\n[[],{"a":[null,true,1e3,"\\u00e9\\ud83d\\ude00"]}]',
  '1\n\n{"a":\n3',
  '\ufeff{"a":1}\n\ufeff2\n',
  '12345\n123456\n1234567\n',
  '\u00a0\n\u2028\n"\u2028"\n',
  '"\u00ff\n"',
]

const target: Target = {
  dictionary: ['\n', '\r\n', '\ufeff', '\u00a0', '\\ud800', '"__proto__":', '-0', '1e999', 'null'],
  seeds: () => [
    ...texts(...CONTENTS).flatMap((content) => [
      Buffer.concat([Buffer.from([0, 0]), content]),
      Buffer.concat([Buffer.from([7, 6]), content]),
    ]),
    Buffer.from([3, 0, 0x31, 0x0a, 0x22, 0xff, 0x22]),
  ],
  async check(input) {
    const [how = 0, limit = 0] = input
    const bytes = input.subarray(2)
    const maxBytes = limit === 0 ? bytes.length + 1 : limit
    const expected = linesOf(bytes, maxBytes)
    mustEqual(await read(cut(bytes, how), maxBytes), expected, 'What arrives in pieces')
    mustEqual(await read([bytes], maxBytes), expected, 'What arrives at once')
  },
}
export default target

interface Read {
  records: unknown[]
  /** The line that was refused. */
  line?: number | undefined
}

async function read(pieces: readonly Uint8Array[], maxBytes: number): Promise<Read> {
  const records: unknown[] = []
  const result = await readOrRefusedWith(/^DATASET_MALFORMED$/, async () => {
    for await (const record of jsonLines('a.jsonl', arriving(pieces), maxBytes)) records.push(record)
  })
  return 'refused' in result ? { records, line: result.refused.line } : { records }
}

/** Line after line of the whole file, without a mark of the byte order. */
function linesOf(bytes: Uint8Array, maxBytes: number): Read {
  const records: unknown[] = []
  for (const [index, line] of Buffer.from(bytes).toString('latin1').split('\n').entries()) {
    const text = textOf(Buffer.from(line, 'latin1'))?.replace(/^\ufeff/, '')
    if (line.length > maxBytes || text === undefined) return { records, line: index + 1 }
    if (/^\s*$/.test(text)) continue
    try {
      records.push(JSON.parse(text))
    } catch {
      return { records, line: index + 1 }
    }
  }
  return { records }
}
