import { describe, expect, test } from 'vitest'
import { refusal } from '../../testing/scratch.ts'
import { readFrontMatter } from './front-matter.ts'

const read = (text: string | Uint8Array) => readFrontMatter(Buffer.from(text), 'README.md')
const fieldsOf = (yaml: string) => read(`---\n${yaml}\n---\n`).fields

/** The refusal of a text, for a reason that its message says. */
function refused(text: string | Uint8Array, reason: string, details: object = {}): void {
  const message = expect.stringContaining(`Cannot make a card from "README.md": ${reason}`) as string
  expect(() => read(text)).toThrow(refusal('ATTESTATION_INPUT', { file: 'README.md', message, ...details }))
}

describe('front matter', () => {
  test.each([
    ['---\na: b\n---\n', { a: 'b' }, ''],
    ['---\na: b\n---\n\n# A\n---\nc\n', { a: 'b' }, '# A\n---\nc'],
    ['\ufeff---  \t\r\na: b\r\n--- \t\r\nText\r\n', { a: 'b' }, 'Text'],
    // Only a line of its own ends it.
    ['---\na: b---\n---c: d\nfoo---: e\n---\nText', { a: 'b---', '---c': 'd', 'foo---': 'e' }, 'Text'],
    ['---\n---\nText', {}, 'Text'],
    ['---\n \t\n---', {}, ''],
  ])('is what stands between two lines in %j', (text, fields, rest) => {
    expect(read(text)).toEqual({ fields, text: rest })
    expect(Object.getPrototypeOf(read(text).fields)).toBeNull()
  })

  test.each<[string, unknown]>([
    ['a: 1.50', { a: '1.50' }],
    ['a: true', { a: 'true' }],
    ['a: 0x10', { a: '0x10' }],
    ['a: ~', { a: null }],
    ['a: null', { a: null }],
    ['a:', { a: null }],
    ['{ a }', { a: undefined }],
    [`a: "x\\ty \\" z"`, { a: 'x\ty " z' }],
    [`a: 'it''s'`, { a: "it's" }],
    ['a: ""', { a: '' }],
    ['a: "null"', { a: 'null' }],
    ['a: |\n  b\n  c', { a: 'b\nc\n' }],
    ['a: b\n  c', { a: 'b c' }],
    ['a: [1, x, { b: 2 }]', { a: ['1', 'x', { b: '2' }] }],
    ['1: a\n~: b', { 1: 'a', '': 'b' }],
    ['[a, b]', ['a', 'b']],
    ['a', 'a'],
    ['~', null],
  ])('has texts as they are written: %j', (yaml, fields) => {
    expect(fieldsOf(yaml)).toEqual(fields)
  })
})

describe('a card has no front matter', () => {
  test('if it is not UTF-8 text', () => {
    refused(Buffer.from('---\na: \xff\n---\n', 'latin1'), 'it is not UTF-8 text.')
  })

  test.each(['', 'a: b\n', '# A\n---\na: b\n---\n', ' ---\na: b\n---\n', '----\na: b\n---\n'])(
    'if it does not begin with it: %j',
    (text) => {
      refused(text, 'it has no front matter.', { expected: expect.stringContaining('a line "---", fields in YAML') })
    },
  )

  test('that does not end', () => {
    refused('---\na: b\n', 'its front matter does not end.', { expected: 'a second line "---"' })
    const most = `---\na: ${'x'.repeat(256 * 1024 - 7)}`
    expect(read(`${most}\n---\n`).text).toBe('')
    refused(`${most}x\n---\n`, 'its front matter does not end.')
  })

  test.each<[string, string, object]>([
    [
      'a: &x b\nc: *x',
      'its front matter is not valid. It has an alias (*); write the value out.',
      { line: 3, column: 4 },
    ],
    ['a: !!str b', 'its front matter is not valid. It has a tag (!); remove it.', { line: 2, column: 10 }],
    ['a.b: c\na.b: d', 'its front matter is not valid. Map keys must be unique; "a.b" is a duplicate.', { line: 3 }],
    ['? [a]\n: b', 'its front matter is not valid. A key is a list or a map; expected text.', { line: 2 }],
  ])('that is not valid: %j', (yaml, reason, details) => {
    refused(`---\n${yaml}\n---\n`, reason, details)
  })
})
