import { expect, test } from 'vitest'
import { refusal } from '../testing/scratch.ts'
import { Fields } from './fields.ts'

test.each([
  ['text', 'a\u202eb', '"a\\u{202e}b"'],
  ['a long text', 'a'.repeat(400), `"${'a'.repeat(300)}…"`],
  ['a number', 1.5, '1.5'],
  ['true', true, 'true'],
  ['null', null, 'null'],
  ['an object', {}, 'an object'],
  ['an array', [1, 2], 'an array of length 2'],
  ['nothing', undefined, 'nothing'],
])('a refusal shows %s that it found', (_, value, found) => {
  const fields = new Fields({ a: value }, { code: 'BUNDLE_MALFORMED' })
  expect(() => fields.positiveInteger('a')).toThrow(
    refusal('BUNDLE_MALFORMED', { expected: 'a positive integer', found }),
  )
})
