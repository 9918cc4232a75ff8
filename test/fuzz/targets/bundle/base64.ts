import { base64Steps, decodeBase64 } from '../../../../packages/core/src/bundle/base64.ts'
import { atOnce } from '../../../../packages/core/src/source/turns.ts'
import { mustEqual, readOrRefused, REFUSED, texts, textOf, type Target } from '../../target.ts'

/** RFC 4648 section 4, with the unused bits zero. */
const CANONICAL = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}[048AEIMQUYcgkosw]=|[A-Za-z0-9+/][AQgw]==)?$/

const target: Target = {
  seeds: () => texts('', 'AA==', 'AAA=', 'AAAA', 'AB==', 'A\\u0041==', 'AA=\\u003d', 'A A=', '\\/+++', 'AA\\n=='),
  check(input) {
    const text = textOf(input)
    if (text === undefined) return
    const decoded = readOrRefused(() => decodeBase64(text, 'field'))
    mustEqual(decoded !== REFUSED, CANONICAL.test(text), 'Whether it is canonical')
    if (decoded !== REFUSED) mustEqual(decoded.toString('base64'), text, 'What is encoded again')
    checkRaw(text)
  },
}
export default target

/** The raw content of a JSON string decodes to the same as its value. */
function checkRaw(text: string): void {
  const raw = readOrRefused(() => atOnce(base64Steps(Buffer.from(text), 'field')))
  const value = jsonString(text)
  const expected = value === undefined ? REFUSED : readOrRefused(() => decodeBase64(value, 'field'))
  mustEqual(raw, expected, 'What the content of a JSON string decodes to')
}

function jsonString(text: string): string | undefined {
  try {
    const value: unknown = JSON.parse(`"${text}"`)
    return typeof value === 'string' ? value : undefined
  } catch {
    return undefined
  }
}
