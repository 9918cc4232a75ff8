import { isDeepStrictEqual } from 'node:util'
import { parseStrictJson } from '../../../packages/core/src/bundle/json.ts'
import { readOrRefused, REFUSED, texts, type Target } from '../target.ts'

const BOUNDS = { what: 'text', maxValues: 1000 }

const target: Target = {
  seeds: () =>
    texts(
      '{"a":[1,-2.5e3,true,false,null,"x\\u00e9\\n"],"b":{}}',
      '[]',
      '""',
      '0',
      '{"a":1,"a":2}',
      '{"__proto__":1}',
      '[1,]',
      '1e400',
      '\ufeff{}',
    ),
  check(input) {
    const value = readOrRefused(() => parseStrictJson(input, BOUNDS))
    if (value === REFUSED) return
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(input)
    if (!isDeepStrictEqual(value, JSON.parse(text))) throw new Error('It does not read what JSON.parse() reads.')
  },
}
export default target
