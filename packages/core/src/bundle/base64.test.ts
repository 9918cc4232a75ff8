import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { refusal } from '../testing/scratch.ts'
import { decodeBase64 } from './base64.ts'

function refuses(text: string): void {
  expect(() => decodeBase64(text, 'sig')).toThrow(refusal('BASE64_INVALID'))
}

test('decodes what Buffer encodes, for any bytes', () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      expect(decodeBase64(Buffer.from(bytes).toString('base64'), 'sig')).toEqual(Buffer.from(bytes))
    }),
  )
})

// RFC 4648, section 10
test.each([
  ['', ''],
  ['Zg==', 'f'],
  ['Zm8=', 'fo'],
  ['Zm9v', 'foo'],
  ['Zm9vYg==', 'foob'],
  ['Zm9vYmE=', 'fooba'],
  ['Zm9vYmFy', 'foobar'],
])('decodes the test vector %j', (text, plain) => {
  expect(decodeBase64(text, 'sig').toString()).toBe(plain)
})

describe('refuses text that other decoders could read differently', () => {
  test.each([
    ['unpadded', 'Zg'],
    ['half padded', 'Zg='],
    ['padded too much', 'Zg==='],
    ['padded in the middle', 'Zg==Zg=='],
    ['only padding', '===='],
    ['a single letter', 'Z'],
    ['an extra letter', 'Zm9vY'],
    ['the URL-safe alphabet', '-_-_'],
    ['a line break', 'Zm9v\nZm9v'],
    ['a final line break', 'Zm9v\n'],
    ['a space', 'Zm 9v'],
    ['a NUL', 'Zm9v\0'],
    ['junk that Buffer skips', 'Zm9v!'],
    ['junk instead of padding', 'Zm8*'],
    ['letters beyond ASCII', 'Zm9ü'],
    ['unused bits set, two letters', 'Zh=='],
    ['unused bits set, three letters', 'Zm9='],
  ])('%s', (_, text) => refuses(text))

  test('unless it is the canonical form of some bytes', () => {
    const letters = fc.string({
      unit: fc.constantFrom('A', 'Z', 'a', 'z', '0', '9', '+', '/', '=', '-', '_', ' ', '\n'),
      maxLength: 12,
    })
    fc.assert(
      fc.property(letters, (text) => {
        if (Buffer.from(text, 'base64').toString('base64') === text) decodeBase64(text, 'sig')
        else refuses(text)
      }),
      { numRuns: 5_000 },
    )
  })
})

test('decodes a payload for a million files', () => {
  const bytes = Buffer.alloc(150_000_001, 'model')
  const text = bytes.toString('base64')
  expect(decodeBase64(text, 'payload').equals(bytes)).toBe(true)
  refuses(`${text.slice(0, -1)}*`)
})
