import fc from 'fast-check'
import { expect, test } from 'vitest'
import { canonicalJson, isCanonicalJson } from './canonical-json.ts'

const names = fc.string({ unit: fc.constantFrom('a', 'b', '~', '_', '"', '\u{1f600}', '\uffff') })
const value = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.string(),
    fc.maxSafeInteger(),
    fc.constantFrom(null, true),
    fc.array(tie('value')),
    fc.dictionary(names, tie('value')),
  ),
})).value

test('recognizes canonical JSON', () => {
  fc.assert(
    fc.property(value, (any) => {
      const text = canonicalJson(any)
      expect(isCanonicalJson(text, JSON.parse(text))).toBe(true)
    }),
  )
})

test('takes no other text for canonical JSON', () => {
  fc.assert(
    fc.property(value, fc.nat(3), (any, indent) => {
      const text = JSON.stringify(any, null, indent)
      expect(isCanonicalJson(text, JSON.parse(text))).toBe(text === canonicalJson(any))
    }),
  )
})
