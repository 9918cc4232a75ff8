import fc from 'fast-check'
import { expect, test } from 'vitest'
import { amount, byteCount, checkedAmount, jsonLine, printable, summary } from './output.ts'

test('escapes characters that would control a terminal, forge a line or reverse the text direction', () => {
  expect(printable('a\u001b[2Jb\rc\nd\u202ee\u009bf\u2028g')).toBe(
    'a\\u{1b}[2Jb\\u{d}c\\u{a}d\\u{202e}e\\u{9b}f\\u{2028}g',
  )
  expect(printable('模型 “ünïcode” 😀 [31m')).toBe('模型 “ünïcode” 😀 [31m')
})

test('writes any value as one line of JSON without control characters, which parses to the same value', () => {
  fc.assert(
    fc.property(fc.object({ values: [fc.string({ unit: 'binary' }), fc.integer(), fc.boolean()] }), (value) => {
      const line = jsonLine(value)
      expect(line).toMatch(/^[^\p{C}\p{Zl}\p{Zp}]*\n$/u)
      expect(JSON.parse(line)).toEqual(JSON.parse(JSON.stringify(value)))
    }),
  )
  expect(jsonLine({ name: 'a\u009b\u{e0001}' })).toBe('{"name":"a\\u009b\\udb40\\udc01"}\n')
})

test.each([
  [0, '0 bytes'],
  [999, '999 bytes'],
  [1000, '1.0 kB'],
  [2_313_101, '2.3 MB'],
  [3_000_000_000, '3.0 GB'],
  [5e15, '5000.0 TB'],
])('formats %d bytes as %s', (bytes, text) => {
  expect(byteCount(bytes)).toBe(text)
})

test('formats numbers of files and bytes', () => {
  expect(amount({ files: 1, bytes: 12 })).toBe('1 file, 12 bytes')
  expect(amount({ files: 41, bytes: 12_000 })).toBe('41 files, 12.0 kB')
  expect(checkedAmount({ files: { checked: 1, signed: 1 }, bytes: 12 })).toBe('1 of 1 signed file, 12 bytes')
  expect(checkedAmount({ files: { checked: 1, signed: 2 }, bytes: 12 })).toBe('1 of 2 signed files, 12 bytes')
})

test('aligns values below their heading', () => {
  expect(
    summary('Signed "m"', [
      ['content', '1 file'],
      ['root digest', 'sha256:00'],
    ]),
  ).toEqual(['Signed "m"', '  content      1 file', '  root digest  sha256:00'])
})
