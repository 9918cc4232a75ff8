import { describe, expect, test } from 'vitest'
import { atOnce } from '../source/turns.ts'
import { refusal } from '../testing/scratch.ts'
import { cutPayload, longString } from './cut-payload.ts'

/** The longest string that may be anything. */
const LONG = 256 * 1024
const MOST_BESIDE = 1024 * 1024

const cut = (text: string, file?: string) => atOnce(cutPayload(Buffer.from(text), file))
const notPayload = (details: object = {}) =>
  refusal('BUNDLE_MALFORMED', {
    expected: 'no string of more than 262144 bytes except one base64 payload',
    ...details,
  })
const tooLarge = (details: object = {}) =>
  refusal('BUNDLE_TOO_LARGE', { expected: 'at most 1048576 bytes besides the payload', ...details })

test.each([
  ['a text of 256 KiB', `["${'A'.repeat(LONG - 4)}"]`],
  ['a longer text whose strings are shorter', `["${'A'.repeat(LONG - 1)}", "a"]`],
  ['a text without strings', ' '.repeat(MOST_BESIDE)],
])('leaves %s as it is', (_, text) => {
  const bytes = Buffer.from(text)
  const { json, placeholder, payload } = atOnce(cutPayload(bytes, undefined))
  expect(json).toBe(bytes)
  expect(placeholder).toBeUndefined()
  expect(payload).toBeUndefined()
})

test('cuts out the one string that is longer', () => {
  const content = 'A'.repeat(LONG)
  const { json, placeholder, payload } = cut(`{"a":"\\"\\\\","p":"${content}","b":["c\\\\"]}`)
  expect(payload?.toString()).toBe(content)
  expect(placeholder).toMatch(/^[0-9a-f-]{36}$/)
  expect(JSON.parse(json.toString())).toEqual({ a: '"\\', p: placeholder, b: ['c\\'] })
})

test('chooses another placeholder for each bundle', () => {
  const text = `["${'A'.repeat(LONG)}"]`
  expect(cut(text).placeholder).not.toBe(cut(text).placeholder)
})

test('counts backslashes before the quote that ends a string', () => {
  for (const [backslashes, ends] of [
    [0, true],
    [1, false],
    [2, true],
    [3, false],
    [4, true],
  ] as const) {
    const { json } = cut(`["${'\\'.repeat(backslashes)}","${'A'.repeat(LONG)}"]`)
    // Otherwise, the payload is outside of the strings.
    expect(json.length < LONG).toBe(ends)
  }
})

describe('refuses', () => {
  const long = `"${'A'.repeat(LONG)}"`

  test('two long strings', () => {
    expect(() => cut(`[${long},${long}]`)).toThrow(notPayload({ file: undefined }))
    expect(() => cut(`[${long},${long}]`, 'model.sig')).toThrow(
      notPayload({
        file: 'model.sig',
        message: expect.stringContaining('Cannot read the bundle "model.sig": it contains a long string') as string,
      }),
    )
    expect(longString(undefined).message).toMatch(/^Cannot read the bundle: it contains a long string/)
  })

  test('a long string with an escaped quote', () => {
    expect(() => cut(`["${'A'.repeat(LONG)}\\""]`)).toThrow(notPayload())
    expect(cut(`["${'A'.repeat(LONG - 10)}\\"","a"]`).payload).toBeUndefined()
  })

  test.each<[string, (size: number) => string]>([
    ['without strings', (size) => ' '.repeat(size)],
    ['of short strings', (size) => '""'.repeat(size / 2)],
    ['before its payload', (size) => `${' '.repeat(size - 2)}${long}`],
    ['after its payload', (size) => `${long}${' '.repeat(size - 2)}`],
    ['with a string after its payload', (size) => `${long}${' '.repeat(size - 4)}""`],
  ])('more than 1 MiB %s', (_, text) => {
    expect(() => cut(text(MOST_BESIDE))).not.toThrow()
    expect(() => cut(text(MOST_BESIDE + 2))).toThrow(tooLarge({ file: undefined }))
    expect(() => cut(text(MOST_BESIDE + 2), 'model.sig')).toThrow(
      tooLarge({
        file: 'model.sig',
        message: expect.stringContaining('Cannot read the bundle "model.sig": it is too large even') as string,
      }),
    )
  })
})

test('reads 1,000 strings in one step', () => {
  const steps = cutPayload(Buffer.from('"1234"'.repeat(100_000)), undefined)
  let turns = 0
  while (!steps.next().done) turns++
  expect(turns).toBe(100)
})
