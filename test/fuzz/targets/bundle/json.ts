import { parseStrictJson, strictJsonSteps } from '../../../../packages/core/src/bundle/json.ts'
import { atOnce } from '../../../../packages/core/src/source/turns.ts'
import { mustEqual, readOrRefused, REFUSED, texts, textOf, type Target } from '../../target.ts'

const BOUNDS = { what: 'text', maxValues: 1000 }

const target: Target = {
  seeds: () =>
    texts(
      '{"a":[1,-2.5e3,true,false,null,"x\\u00e9\\n"],"b":{}}',
      '[{"a":1},{"b":[2,3]},"c"]',
      '[]',
      '""',
      '0',
      '{"a":1,"a":2}',
      '{"__proto__":1,"b":{"__proto__":[]}}',
      '[1,]',
      '1e400',
      '\ufeff{}',
    ),
  check(input) {
    const value = readOrRefused(() => parseStrictJson(input, BOUNDS))
    // In pieces of a few characters, it is the same.
    for (const size of [1, 7])
      mustEqual(
        readOrRefused(() => atOnce(strictJsonSteps(input, BOUNDS, size))),
        value,
        `What it reads in pieces of ${size}`,
      )
    if (value !== REFUSED) mustEqual(value, JSON.parse(textOf(input) ?? ''), 'What JSON.parse() reads')
  },
}
export default target
