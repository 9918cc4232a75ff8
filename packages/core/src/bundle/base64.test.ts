import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { refusal } from '../testing/scratch.ts'
import { atOnce } from '../source/turns.ts'
import { base64Steps, decodeBase64 } from './base64.ts'

const inSteps = (text: string, file?: string) => atOnce(base64Steps(Buffer.from(text), 'payload', file))

/** At once and in steps. */
function refuses(text: string): void {
  expect(() => decodeBase64(text, 'sig')).toThrow(refusal('BASE64_INVALID'))
  expect(() => inSteps(text)).toThrow(refusal('BASE64_INVALID'))
}

test('decodes what Buffer encodes, for any bytes', () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      expect(decodeBase64(Buffer.from(bytes).toString('base64'), 'sig')).toEqual(Buffer.from(bytes))
    }),
  )
})

test('decodes escapes, also at the end', () => {
  expect(inSteps('AAA\\/')).toEqual(decodeBase64('AAA/', 'sig'))
  expect(inSteps('Zg\\u003d\\u003D').toString()).toBe('f')
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
  expect(inSteps(text).toString()).toBe(plain)
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

test('names the field and the file that it refuses', () => {
  for (const decode of [
    decodeBase64,
    (text: string, name: string, file?: string) => atOnce(base64Steps(Buffer.from(text), name, file)),
  ]) {
    expect(() => decode('*', 'sig')).toThrow(
      refusal('BASE64_INVALID', {
        message: 'Cannot decode the field sig: it is not canonical base64.',
        file: undefined,
      }),
    )
    expect(() => decode('*', 'sig', 'model.sig')).toThrow(
      refusal('BASE64_INVALID', {
        message: 'Cannot decode the field sig of "model.sig": it is not canonical base64.',
        file: 'model.sig',
      }),
    )
  }
  expect(() => inSteps('\\x', 'model.sig')).toThrow(refusal('BASE64_INVALID', { file: 'model.sig' }))
})

describe('a text of several pieces', () => {
  const LETTERS = 64 * 1024
  const bytes = Buffer.from(Array.from({ length: 3 * 48 * 1024 + 1 }, (_, i) => (i * 7) % 256))
  const text = bytes.toString('base64')

  test.each([
    ['as they are', text, 4],
    ['after escapes', `\\u${text.charCodeAt(0).toString(16).padStart(4, '0')}${text.slice(1)}`, 8],
  ])('is decoded in as many steps, %s', (_, written, expected) => {
    const steps = base64Steps(Buffer.from(written), 'payload')
    let turns = 0
    for (;;) {
      const step = steps.next()
      if (step.done) {
        expect(step.value.equals(bytes)).toBe(true)
        break
      }
      turns++
    }
    expect(turns).toBe(expected)
  })

  test.each([0, 1, 2])('may end with a piece of which %d bytes are missing', (missing) => {
    const whole = bytes.subarray(0, 2 * 48 * 1024 - missing)
    expect(inSteps(whole.toString('base64')).equals(whole)).toBe(true)
  })

  test.each([0, 1, 2, 3, 4, 5, 6])('may have an escape %d letters before the end of a piece', (before) => {
    const at = LETTERS - before
    const code = text.charCodeAt(at).toString(16).padStart(4, '0')
    const escaped = `${text.slice(0, at)}\\u${code}${text.slice(at + 1)}`
    expect(inSteps(escaped).equals(bytes)).toBe(true)
    expect(() => inSteps(`${text.slice(0, at)}\\u00${text.slice(at + 1)}`)).toThrow(refusal('BASE64_INVALID'))
  })

  test('is refused with padding where a piece ends', () => {
    refuses(`${text.slice(0, LETTERS - 4)}AA==${text.slice(LETTERS)}`)
    refuses(`${text.slice(0, LETTERS - 4)}AAA=${text.slice(LETTERS)}`)
  })

  test('is refused with one wrong letter in any piece', () => {
    for (const at of [0, LETTERS - 1, LETTERS, 2 * LETTERS, 3 * LETTERS])
      refuses(`${text.slice(0, at)}*${text.slice(at + 1)}`)
  })

  test('is refused with letters that are escaped and not in ASCII', () => {
    expect(() => inSteps(`\\u0141${text.slice(1)}`)).toThrow(refusal('BASE64_INVALID'))
    expect(() => inSteps(`\\n${text}`)).toThrow(refusal('BASE64_INVALID'))
  })
})

test('decodes a payload for a million files', () => {
  const bytes = Buffer.alloc(150_000_001, 'model')
  const text = bytes.toString('base64')
  expect(decodeBase64(text, 'payload').equals(bytes)).toBe(true)
  expect(() => decodeBase64(`${text.slice(0, -1)}*`, 'payload')).toThrow(refusal('BASE64_INVALID'))
})
