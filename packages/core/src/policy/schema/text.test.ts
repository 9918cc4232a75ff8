import { beforeAll, describe, expect, test } from 'vitest'
import type { Schema } from '../../schema/schema.ts'
import { compileRegexp } from '../matching/regexp.ts'
import { withLibraries } from '../when-needed.ts'
import { DURATION, parseDuration } from './duration.ts'
import * as text from './text.ts'

beforeAll(async () => {
  await withLibraries(() => compileRegexp('a'))
})

function messages(schema: Schema<unknown>, value: unknown): string {
  const checked = schema.check(value)
  return 'issues' in checked ? JSON.stringify(checked.issues) : ''
}

const hex = 'ab'.repeat(32)

describe('a value of a policy is accepted', () => {
  test.each<[keyof typeof text, unknown]>([
    ['nameSchema', 'x'.repeat(200)],
    ['rootNameSchema', 'x'.repeat(200)],
    ['fileSchema', 'x'.repeat(4096)],
    ['filesSchema', 'a'],
    ['filesSchema', ['a', 'b']],
    ['globSchema', 'a/*'],
    ['pathGlobSchema', 'a/**'],
    ['urlGlobSchema', 'https://a.example/**'],
    ['sourceGlobSchema', 'hf://a/b'],
    ['nameGlobsSchema', 'a/*'],
    ['nameGlobsSchema', ['a', 'b']],
    ['textSchema', 'x'.repeat(4096)],
    ['textSchema', { pattern: 'a*' }],
    ['textSchema', { regexp: 'a.*' }],
    ['durationSchema', '180d'],
    ['durationSchema', 'P1Y2M'],
    ['fingerprintSchema', hex],
    ['rootDigestSchema', hex],
    ['rootDigestSchema', `sha256:${hex}`],
    ['formatSchema', 'onnx'],
    ['formatSchema', 'gguf'],
    ['anyFormatSchema', 'any'],
    ['anyFormatSchema', 'tfjs-graph'],
    ['anyFormatSchema', 'gguf'],
    ['reasonSchema', 'x'.repeat(1000)],
  ])('by %s: %.60j', (schema, value) => expect(messages(text[schema] as Schema<unknown>, value)).toBe(''))
})

describe('a value of a policy is refused', () => {
  test.each<[keyof typeof text, unknown, string]>([
    ['nameSchema', '', 'not empty'],
    ['nameSchema', 'x'.repeat(201), 'at most 200'],
    ['rootNameSchema', '', 'expected a name of 1 to 200 characters'],
    ['rootNameSchema', 'x'.repeat(201), 'expected a name of 1 to 200 characters'],
    ['fileSchema', '', 'not empty'],
    ['fileSchema', 'x'.repeat(4097), 'at most 4096'],
    ['filesSchema', [], 'at least 1'],
    ['globSchema', '[a]', 'the glob is not valid: '],
    ['pathGlobSchema', 'a/', 'the glob is not valid: '],
    ['urlGlobSchema', 'https://a.example?q', 'the glob is not valid: '],
    ['sourceGlobSchema', 'hf://a/b@v1', 'the glob is not valid: '],
    ['nameGlobsSchema', [], 'at least 1'],
    ['nameGlobsSchema', '/a', 'the glob is not valid: '],
    ['textSchema', '', 'not empty'],
    ['textSchema', 'x'.repeat(4097), 'at most 4096'],
    ['textSchema', { pattern: '[a]' }, 'the glob is not valid: '],
    ['textSchema', { regexp: '(' }, 'the regular expression is not valid: '],
    ['textSchema', {}, 'expected text'],
    ['textSchema', { pattern: 'a', regexp: 'a' }, 'unrecognized_keys'],
    ['durationSchema', 'long', 'expected a duration such as 180d, 12h, 10m, 30s or P6M'],
    ['durationSchema', 5, 'expected a duration such as 180d, 12h, 10m, 30s or P6M'],
    ['fingerprintSchema', 'a.pub', 'to name a file'],
    ['rootDigestSchema', ` ${hex}`, 'expected a root digest'],
    ['rootDigestSchema', `${hex} `, 'expected a root digest'],
    ['rootDigestSchema', `sha512:${hex}`, 'expected a root digest'],
    ['rootDigestSchema', hex.toUpperCase(), 'expected a root digest'],
    ['formatSchema', 'any', ''],
    ['formatSchema', 'onxn', 'a name one typo away from a known format is not allowed","values":["onnx"]'],
    ['formatSchema', 'TFLite', 'expected the format of another adapter'],
    ['anyFormatSchema', 'onxn', 'unknown format'],
    ['reasonSchema', '', 'not empty'],
    ['reasonSchema', 'x'.repeat(1001), 'at most 1000'],
  ])('by %s: %.60j', (schema, value, message) => {
    const found = messages(text[schema] as Schema<unknown>, value)
    expect(found).not.toBe('')
    expect(found).toContain(message)
  })

  test('once only if it is no name of a format', () => {
    const checked = text.formatSchema.check('ONNX')
    expect(JSON.stringify(checked).match(/the format of another adapter|unknown format/g)).toHaveLength(1)
  })
})

test('a period must end after it begins', () => {
  const [early, late] = ['2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z']
  expect(text.faultyEnd(early, late)).toBeUndefined()
  expect(text.faultyEnd(undefined, early)).toBeUndefined()
  expect(text.faultyEnd(late, undefined)).toBeUndefined()
  for (const end of [early, late])
    expect(text.faultyEnd(late, end)).toEqual({
      message: `expected a time after ${late}, the beginning of the period`,
      input: end,
    })
  // By the time that they mean.
  expect(text.faultyEnd('2026-01-01T02:00:00+02:00', '2026-01-01T00:30:00Z')).toBeUndefined()
})

test.each([
  ['999999s', 999_999_000],
  ['1m', 60_000],
  ['1h', 3_600_000],
  ['2d', 172_800_000],
  ['1w', 604_800_000],
  ['P1W', 604_800_000],
  ['P99999W', 99_999 * 604_800_000],
  ['P12345D', 12_345 * 86_400_000],
  ['PT123456H', 123_456 * 3_600_000],
  ['PT123456M', 123_456 * 60_000],
  ['PT123456S', 123_456_000],
  ['P1W1DT1H1M1S', 604_800_000 + 86_400_000 + 3_661_000],
])('the duration %s has %i milliseconds', (written, milliseconds) => {
  expect(parseDuration(written)).toEqual({ months: 0, milliseconds })
  expect(DURATION.test(written)).toBe(true)
})

test.each([
  ['P1Y', 12],
  ['P9999Y', 119_988],
  ['P7M', 7],
  ['P9999M', 9_999],
  ['P2Y3M', 27],
])('the duration %s has %i months', (written, months) =>
  expect(parseDuration(written)).toEqual({ months, milliseconds: 0 }),
)

test.each([
  '1234567s',
  's1',
  'x1d',
  '1dx',
  '1x',
  'P12345Y',
  'P12345M',
  'P123456W',
  'P123456D',
  'PT1234567H',
  'PT1234567M',
  'PT1234567S',
  'xP1D',
  'P1Dx',
  'P1H',
  'PT1D',
  'P1D1Y',
])('%s is no duration', (written) => {
  expect(parseDuration(written)).toBeUndefined()
  expect(DURATION.test(written)).toBe(false)
})
