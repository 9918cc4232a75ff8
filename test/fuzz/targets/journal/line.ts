import { hash } from 'node:crypto'
import { readLine, writeLine } from '../../../../packages/core/src/journal/format/line.ts'
import { digestOf, loadRecord } from '../../../../packages/core/src/testing/journals.ts'
import { canonicalJson } from '../../../../packages/core/src/schema/canonical-json.ts'
import type { JournalRecord } from '../../../../packages/core/src/journal/format/record.ts'
import { mustEqual, texts, type Target } from '../../target.ts'

const TIME = '2026-11-02T10:00:00.000Z'
const SEGMENT = '1793613600000-0123456789abcdef'

const RECORDS: readonly JournalRecord[] = [
  loadRecord(),
  loadRecord({
    decision: 'refused',
    code: 'FILE_MISMATCH',
    cut: true,
    claims: [{ type: 'x', digest: digestOf('x'), signer: digestOf('y') }],
  }),
  { type: 'end', time: TIME, load: 0, segment: SEGMENT, why: 'closed' },
  { type: 'policy', time: TIME, path: '/p', includes: [digestOf('i')] },
  { type: 'lost', time: TIME, count: 1, code: 'ENOSPC' },
  { type: 'model', time: TIME, rootDigest: digestOf('m'), part: 1, parts: 1, files: [['a', digestOf('a')]] },
  { type: 'close', time: TIME },
]

// The input is a line up to its check, which is added.
const target: Target = {
  dictionary: [digestOf('x'), SEGMENT, TIME, '"type":"alive"', '"__proto__":', '\\u0041'],
  seeds: () => texts(...RECORDS.map((record) => canonicalJson(record).slice(0, -1)), '{"type":"close","type":"alive"'),
  check(input) {
    const check = hash('sha256', Buffer.concat([Buffer.from(SEGMENT), input]), 'hex').slice(0, 16)
    const line = Buffer.concat([input, Buffer.from(`,"~check":"${check}"}`)])
    const read = readLine(line, SEGMENT)
    mustEqual(read.check, check, 'The check')
    if (!('record' in read)) return
    const { '~check': stated, ...json } = JSON.parse(line.toString()) as Record<string, unknown>
    mustEqual(stated, check, 'The check that JSON.parse() reads')
    mustEqual(canonicalJson(read.record), canonicalJson(json), 'What JSON.parse() reads')
    mustEqual(`${canonicalJson(read.record).slice(0, -1)},"~check":"${check}"}`, line.toString(), 'The canonical form')
    const { bytes } = writeLine(read.record, SEGMENT)
    mustEqual('record' in readLine(bytes.subarray(0, -1), SEGMENT), true, 'Whether what is written can be read')
  },
}
export default target
