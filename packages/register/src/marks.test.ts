import { expect, test } from 'vitest'
import { marksIn } from './marks.ts'

// In parts, so that this file does not count as a copy of TensorFlow.js.
const SENTENCE = ['Cannot proceed with model loading ', 'because the IOHandler provided'].join('')
const LOADER = [
  SENTENCE,
  ['modelUrl in loadGraphModel() ', 'cannot be null'].join(''),
  ['LayersModel artifacts contains ', 'weight data, but not weight specs'].join(''),
]
const CORE = [
  ['_tf', 'engine'],
  ['_tf', 'Globals'],
  ['kernel', 'Registry'],
].map((parts) => parts.join(''))

const NOTHING = { loaders: false, core: false }
const LOADERS = { loaders: true, core: false }

test.each(LOADER)('recognizes a loader by any of its sentences: %s', (sentence) => {
  expect(marksIn(`throw Error("${sentence} x")`)).toEqual(LOADERS)
})

test('recognizes a core by all of its names, and not by two of them', () => {
  expect(marksIn(CORE.join(';'))).toEqual({ loaders: false, core: true })
  for (const left of CORE) expect(marksIn(CORE.filter((name) => name !== left).join(';'))).toEqual(NOTHING)
})

const hex = (text: string) => text.replace(/./gs, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`)
const octal = (text: string) => text.replace(/./gs, (c) => `\\${c.charCodeAt(0).toString(8).padStart(3, '0')}`)
const unicode = (text: string) => text.replace(/./gs, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)
const braced = (text: string) => text.replace(/./gs, (c) => `\\u{${c.charCodeAt(0).toString(16)}}`)
const split = (text: string, seam: string) => text.replace('because', `beca${seam}use`)

test.each([
  ['a line continuation', split(SENTENCE, '\\\n')],
  ['a line continuation with CRLF', split(SENTENCE, '\\\r\n')],
  ['hexadecimal escapes', hex(SENTENCE)],
  ['uppercase hexadecimal escapes', hex(SENTENCE).replace(/[a-f]/g, (digit) => digit.toUpperCase())],
  ['octal escapes', octal(SENTENCE)],
  ['Unicode escapes', unicode(SENTENCE)],
  ['code point escapes', braced(SENTENCE)],
  [
    'a single escape next to a property of models',
    `${split(SENTENCE, '\\x75').replace('\\x75use', '\\x75se')} modelTopology`,
  ],
  ['concatenated strings next to a property of models', `modelTopology ${split(SENTENCE, '" + "')}`],
])('finds a sentence in %s', (_, text) => {
  expect(marksIn(`throw Error("${text}")`)).toEqual(LOADERS)
})

test.each([
  ['no text', ''],
  ['other escaped text', hex('Hello, world')],
  ['half a sentence', SENTENCE.slice(0, 30)],
  ['an escape without a character', '\\u{ffffff}\\u{ffffff}\\u{ffffff}\\u{ffffff}'],
  ['a backslash at the end', 'weightsManifest \\'],
])('finds nothing in %s', (_, text) => {
  expect(marksIn(text)).toEqual(NOTHING)
})
