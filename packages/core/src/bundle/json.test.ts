import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ModelSealError } from '../errors.ts'
import { refusal } from '../testing/scratch.ts'
import { atOnce } from '../source/turns.ts'
import { parseJsonInTurns, parseStrictJson, strictJsonSteps } from './json.ts'

function parse(text: string | Uint8Array, maxValues = 1_000): unknown {
  return parseStrictJson(typeof text === 'string' ? Buffer.from(text) : text, { what: 'bundle', maxValues })
}

function refuses(text: string | Uint8Array, code: Parameters<typeof refusal>[0], maxValues?: number): void {
  expect(() => parse(text, maxValues)).toThrow(refusal(code))
}

function isTooComplex(text: string, found: string, maxValues?: number): void {
  expect(() => parse(text, maxValues)).toThrow(refusal('JSON_TOO_COMPLEX', { found }))
}

/** Any JSON value of realistic depth and width. */
const anyJson = fc.jsonValue({ maxDepth: 6, stringUnit: 'binary' })

describe('the output of JSON.stringify', () => {
  test('parses as with JSON.parse', () => {
    fc.assert(
      fc.property(anyJson, fc.constantFrom(undefined, 1, '\t'), (value, space) => {
        const text = JSON.stringify(value, undefined, space)
        expect(parse(text, 100_000)).toEqual(JSON.parse(text))
      }),
    )
  })

  test('parses with every character escaped', () => {
    fc.assert(
      fc.property(anyJson, (value) => {
        const text = JSON.stringify(value).replaceAll(/"(?:[^"\\]|\\.)*"/g, (literal) => escapedLiteral(literal))
        expect(parse(text, 100_000)).toEqual(JSON.parse(text))
      }),
    )
  })

  test('is refused when an object has a repeated key, at any depth and in any spelling', () => {
    const wrapped = fc.array(
      fc.constantFrom<(text: string) => string>(
        (text) => `[${text}]`,
        (text) => `[1,"\\"",${text},{}]`,
        (text) => `{"x":${text}}`,
        (text) => `{"x":{"y":"}"},"z":${text},"w":[]}`,
      ),
      { maxLength: 8 },
    )
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary' }),
        anyJson,
        anyJson,
        fc.boolean(),
        wrapped,
        (key, a, b, escape, wraps) => {
          const literal = JSON.stringify(key)
          const twice = `{${literal}:${JSON.stringify(a)}, ${escape ? escapedLiteral(literal) : literal} :${JSON.stringify(b)}}`
          refuses(
            wraps.reduce((text, wrap) => wrap(text), twice),
            'JSON_DUPLICATE_KEY',
            100_000,
          )
        },
      ),
    )
  })
})

describe('a repeated key in an object', () => {
  test.each([
    ['adjacent', '{"a":1,"a":1}'],
    ['with others between', '{"a":{"b":[]},"c":{"a":1},"a":2}'],
    ['in an object in an array', '[[{"a":1,"a":2}]]'],
    ['escaped by code', '{"a":1,"\\u0061":2}'],
    ['escaped in both letter cases', '{"\\u00EB":1,"\\u00eb":2}'],
    ['of an escaped quote', '{"\\"":1,"\\u0022":2}'],
    ['of an escaped slash', '{"a/b":1,"a\\/b":2}'],
    ['empty', '{"":1,"":2}'],
    ['of the name __proto__', '{"__proto__":1,"__proto__":2}'],
    ['of a character beyond U+FFFF', '{"😀":1,"\\ud83d\\ude00":2}'],
    ['after white space', '{"a" : 1 ,\n"a"\t: 2}'],
    ['after a text that ends with a backslash', '{"x":"\\\\","a":1,"a":2}'],
    ['after a text with a quote in it', '{"x":"\\"b","a":1,"a":2}'],
    ['after a text that ends with a quote', '{"x":"\\\\\\"","a":1,"a":2}'],
  ])('is refused: %s', (_, text) => refuses(text, 'JSON_DUPLICATE_KEY'))

  test.each(['{"a":{"a":{"a":1}}}', '[{"a":1},{"a":2}]', '{"a":"a","b":"a"}', '{"a":["a","a"]}', '{"A":1,"a":2}'])(
    'is not refused: %s',
    (text) => expect(parse(text)).toEqual(JSON.parse(text)),
  )

  test('never changes the prototype of an object', () => {
    const parsed = parse('{"__proto__":{"polluted":true}}') as object
    expect(Object.keys(parsed)).toEqual(['__proto__'])
    expect('polluted' in parsed).toBe(false)
  })
})

describe('text that is not JSON', () => {
  test.each([
    ['nothing', ''],
    ['white space', ' \n'],
    ['NaN', '{"a":NaN}'],
    ['Infinity', '[Infinity]'],
    ['a comment', '{/* a */}'],
    ['a trailing comma', '[1,]'],
    ['a trailing comma in an object', '{"a":1,}'],
    ['single quotes', "{'a':1}"],
    ['a key without quotes', '{a:1}'],
    ['two values', '{}{}'],
    ['letters after the value', '{} x'],
    ['a NUL after the value', '{}\0'],
    ['a bracket that closes nothing', '[]]'],
    ['the wrong bracket', '[}'],
    ['a bare control character', '"\n"'],
    ['a broken escape', '"\\x41"'],
    ['a broken code', '"\\u00g0"'],
    ['a broken key', '{"\\u00g0":1}'],
    ['two broken keys', '{"\\x":1,"\\y":2}'],
    ['a leading zero', '[01]'],
    ['a plus sign', '[+1]'],
    ['a hexadecimal number', '[0x10]'],
    ['a non-breaking space', '\u00a0{}'],
    ['UTF-16 without a mark', Buffer.from('{"a":1}', 'utf16le')],
  ])('is refused: %s', (_, text) => refuses(text, 'JSON_INVALID'))

  test('is refused wherever it is truncated', () => {
    const text = Buffer.from('{"a":[1,-2.5e3,true,null],"ab":1,"b\\u0041\\"":{"ü":"\\\\"}}')
    expect(parse(text)).toBeTypeOf('object')
    for (let length = 0; length < text.length; length++) {
      expect(() => parse(text.subarray(0, length))).toThrow(
        expect.objectContaining({ code: expect.stringMatching(/^JSON_(INVALID|NOT_UTF8)$/) as string }) as Error,
      )
    }
  })

  test('yields either the value that JSON.parse yields or a typed error', () => {
    const junk = fc.array(
      fc.constantFrom('{', '}', '[', ']', ',', ':', '"', '\\', '\\"', '1', 'a', '"a"', '"b"', ' ', 'null', '\\u0061'),
    )
    fc.assert(
      fc.property(junk, (parts) => {
        const text = parts.join('')
        let value: unknown
        try {
          value = parse(text)
        } catch (error) {
          expect(error).toBeInstanceOf(ModelSealError)
          return
        }
        expect(value).toEqual(JSON.parse(text))
      }),
      { numRuns: 5_000 },
    )
  })
})

describe('text that is parsed in pieces', () => {
  const bounds = { what: 'bundle', maxValues: 100_000 }
  const inPieces = (text: string, size: number) => atOnce(strictJsonSteps(Buffer.from(text), bounds, size))

  test('yields what JSON.parse yields, wherever it is split', () => {
    fc.assert(
      fc.property(anyJson, fc.constantFrom(undefined, 1, '\t'), fc.nat({ max: 12 }), (value, space, size) => {
        const text = JSON.stringify(value, undefined, space)
        expect(inPieces(text, size)).toEqual(JSON.parse(text))
      }),
      { numRuns: 2_000 },
    )
  })

  test('is refused whenever JSON.parse refuses it, after any change of one character', () => {
    const change = fc.record({
      at: fc.nat(),
      remove: fc.nat({ max: 1 }),
      insert: fc.constantFrom('', ',', ':', '[', ']', '{', '}', '"', ' ', '1', 'x', '\\'),
    })
    fc.assert(
      fc.property(anyJson, fc.array(change, { maxLength: 2 }), fc.nat({ max: 6 }), (value, changes, size) => {
        const changed = changes.reduce((text, { at, remove, insert }) => {
          const place = at % (text.length + 1)
          return text.slice(0, place) + insert + text.slice(place + remove)
        }, JSON.stringify(value))
        const text = changed.toWellFormed() // a change may split a surrogate pair
        let expected: unknown
        let valid = true
        try {
          expected = JSON.parse(text)
        } catch {
          valid = false
        }
        try {
          expect(inPieces(text, size)).toEqual(expected)
          expect(valid).toBe(true)
        } catch (error) {
          if (!(error instanceof ModelSealError)) throw error
          if (valid) expect(['JSON_DUPLICATE_KEY', 'JSON_TOO_COMPLEX']).toContain(error.code)
        }
      }),
      { numRuns: 5_000 },
    )
  })

  test.each([
    '[[1,2],,3]',
    '[[1,2] 3]',
    '[1,[2,3],]',
    '[,[1,2]]',
    '[[1,2],',
    '[[1,2]]]',
    '[[1,2]],[3,4]',
    '[1,2][3,4]',
    '{"a":[1,2],}',
    '{"a" [1,2]}',
    '{"a"::[1,2]}',
    '{[1,2]}',
    '{"a":1,[1,2]}',
    '{"a":[1,2]:[3,4]}',
    '{"a":[1,2],"b"}',
    '[{"a":1,"b":2]}',
    '[1,2}',
    '1[1,2]',
    '\u00a0[1,2]',
    '[[1,2]\u00a0,3]',
  ])('is refused if the text that joins the pieces is wrong: %s', (text) => {
    for (const size of [0, 1, 2, 3, 5]) expect(() => inPieces(text, size)).toThrow(refusal('JSON_INVALID'))
  })

  test('never changes the prototype of an object', () => {
    for (const text of ['{"__proto__":[1,2],"a":1}', '{"a":1,"__proto__":2,"b":3}']) {
      const parsed = inPieces(text, 0) as object
      expect(Object.getPrototypeOf(parsed)).toBe(Object.prototype)
      expect(parsed).toEqual(JSON.parse(text))
      expect(Object.hasOwn(parsed, '__proto__')).toBe(true)
    }
  })

  test('can be aborted', async () => {
    const bytes = Buffer.from(`[${'"0123456789",'.repeat(1_000_000)}0]`)
    const parsing = parseJsonInTurns(bytes, { what: 'bundle', maxValues: 2_000_000 }, AbortSignal.timeout(1))
    await expect(parsing).rejects.toEqual(refusal('ABORTED'))
  })
})

test.each(['\uff21', '\ufec0', '\uff3f', '\u4eff'])(
  'does not take %s, which is like a byte order mark, for one',
  (text) => {
    refuses(text, 'JSON_INVALID')
  },
)

describe('a refusal', () => {
  const bounds = { what: 'trusted root', file: 'root.json', hint: 'Get it again.', maxValues: 3 }

  test.each([
    ['JSON_INVALID', '', 'Cannot read the trusted root: it is empty. Get it again.', { hint: bounds.hint }],
    ['JSON_INVALID', '{', /^Cannot read the trusted root: it is truncated or not JSON \("/, { hint: bounds.hint }],
    ['JSON_NOT_UTF8', '\ufeff{}', /^Cannot read the trusted root: it is not UTF-8/, { hint: bounds.hint }],
    [
      'JSON_DUPLICATE_KEY',
      '{"é":1,"\\u00e9":1}',
      /^Cannot read the trusted root: one object has the key "é" twice\./,
      { found: '"é"' },
    ],
    [
      'JSON_DUPLICATE_KEY',
      '{"\\"":1,"\\u0022":1}',
      /^Cannot read the trusted root: one object has the key "\\"" twice\./,
      { found: '"\\""' },
    ],
    [
      'JSON_TOO_COMPLEX',
      '[1,2,3]',
      /^Cannot read the trusted root: it is too complex\./,
      { found: 'more than 3 values' },
    ],
  ] as const)('%s says what was read, from which file, and what is wrong: %s', (code, text, message, details) => {
    const expected = typeof message === 'string' ? message : (expect.stringMatching(message) as string)
    expect(() => parseStrictJson(Buffer.from(text), bounds)).toThrow(
      refusal(code, { file: 'root.json', message: expected, ...details }),
    )
  })

  test('of a web page says that it is one', () => {
    expect(() => parseStrictJson(Buffer.from('<!DOCTYPE html>'), bounds)).toThrow(
      refusal('JSON_INVALID', {
        hint: 'The file is a web page instead of the file, such as a sign-in page. Download it again.',
        cause: expect.any(SyntaxError) as Error,
      }),
    )
  })

  test('of a call with wrong arguments', async () => {
    const wrong = ['{}', bounds] as unknown as [Uint8Array, typeof bounds]
    const details = { expected: 'a Uint8Array', message: expect.stringContaining('the text') as string }
    expect(() => parseStrictJson(...wrong)).toThrow(refusal('INVALID_ARGUMENT', details))
    await expect(parseJsonInTurns(...wrong)).rejects.toEqual(refusal('INVALID_ARGUMENT', details))
    for (const given of [undefined, {}, { what: 'x' }, { maxValues: 5 }, { what: 1, maxValues: 1 }] as unknown[])
      expect(() => parseStrictJson(Buffer.from('{}'), given as typeof bounds)).toThrow(
        refusal('INVALID_ARGUMENT', {
          expected: 'an object with "what" and "maxValues"',
          message: expect.stringContaining('the bounds') as string,
        }),
      )
  })
})

describe('bytes that are not plain UTF-8', () => {
  test.each([
    ['a byte order mark', [0xef, 0xbb, 0xbf, 0x7b, 0x7d]],
    ['a UTF-16 byte order mark', [0xff, 0xfe, 0x7b, 0x00, 0x7d, 0x00]],
    ['an overlong form', [0x22, 0xc0, 0xa2, 0x22]],
    ['an encoded surrogate', [0x22, 0xed, 0xa0, 0x80, 0x22]],
    ['a lone continuation byte', [0x22, 0x80, 0x22]],
    ['Latin-1', [0x22, 0xe9, 0x22]],
  ])('are refused: %s', (_, bytes) => refuses(Uint8Array.from(bytes), 'JSON_NOT_UTF8'))
})

describe('bounds', () => {
  const nested = (levels: number) => '['.repeat(levels) + ']'.repeat(levels)

  test('allow 32 levels and no more', () => {
    expect(parse(nested(32))).toBeInstanceOf(Array)
    isTooComplex(nested(33), 'more than 32 levels')
    isTooComplex('{"a":'.repeat(33) + '1' + '}'.repeat(33), 'more than 32 levels')
    isTooComplex('['.repeat(1_000_000), 'more than 32 levels')
  })

  test('allow as many levels as the caller permits', () => {
    const bounds = { what: 'bundle', maxValues: 100, maxDepth: 3 }
    expect(parseStrictJson(Buffer.from(nested(3)), bounds)).toEqual([[[]]])
    expect(() => parseStrictJson(Buffer.from(nested(4)), bounds)).toThrow(
      refusal('JSON_TOO_COMPLEX', { found: 'more than 3 levels' }),
    )
  })

  test('allow as many values as the caller permits', () => {
    const text = `[${Array<string>(98).fill('1').join(',')}]`
    expect(parse(text, 99)).toHaveLength(98)
    isTooComplex(text, 'more than 98 values', 98)
    expect(parse('[[],{},[]]', 7)).toEqual([[], {}, []])
    isTooComplex('[[],{},[]]', 'more than 6 values', 6)
    isTooComplex('[[[[]]]]', 'more than 4 values', 4)
    isTooComplex(`[${'{},'.repeat(1_000_000)}{}]`, 'more than 1000 values')
    isTooComplex(','.repeat(1_000_000), 'more than 1000 values')
  })

  const keys = (count: number, letter = 'k') =>
    `{${Array.from({ length: count }, (_, i) => `"${letter}${i}":${i}`).join(',')}}`

  test('allow 64 keys in one object and no more', () => {
    expect(Object.keys(parse(keys(64)) as object)).toHaveLength(64)
    isTooComplex(keys(65), 'an object with more than 64 keys')
    expect(parse(`[${keys(64)},${keys(64)}]`)).toHaveLength(2)
  })

  test('allow 4,096 different keys in all objects and no more', () => {
    const objects = (count: number) => Array.from({ length: count }, (_, i) => keys(64, `k${i}-`))
    expect(parse(`[${objects(64).join(',')}]`, 10_000)).toHaveLength(64)
    // The same keys again at the same level are no different ones.
    expect(parse(`[${[...objects(64), keys(64, 'k0-')].join(',')}]`, 10_000)).toHaveLength(65)
    isTooComplex(`[${[...objects(64), '{"other":1}'].join(',')}]`, 'more than 4096 different keys', 10_000)
  })

  test('can be set for keys, too', () => {
    const parsed = (text: string, bounds: object) =>
      parseStrictJson(Buffer.from(text), { what: 'bundle', maxValues: 100, ...bounds })
    expect(parsed(keys(2), { maxKeys: 2, maxNames: 2 })).toEqual({ k0: 0, k1: 1 })
    expect(() => parsed(keys(3), { maxKeys: 2 })).toThrow(
      refusal('JSON_TOO_COMPLEX', { found: 'an object with more than 2 keys' }),
    )
    expect(() => parsed(keys(3), { maxNames: 2 })).toThrow(
      refusal('JSON_TOO_COMPLEX', { found: 'more than 2 different keys' }),
    )
  })

  test('read each character of a hostile string only once', () => {
    refuses('"' + '\\"'.repeat(5_000_000), 'JSON_INVALID')
    refuses('"' + '\\'.repeat(10_000_001) + '"', 'JSON_INVALID')
  })
})

/** The same string, with every code unit as a `\u` escape. */
function escapedLiteral(literal: string): string {
  const value = JSON.parse(literal) as string
  const units = Array.from({ length: value.length }, (_, i) => value.charCodeAt(i).toString(16).padStart(4, '0'))
  return `"${units.map((unit) => `\\u${unit}`).join('')}"`
}
