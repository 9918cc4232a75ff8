import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { globFault, nameGlobFault, pathGlobFault, urlGlobFault } from '../matching/glob.ts'
import { sourceGlobFault } from '../matching/source-glob.ts'
import { GLOB, NAME_GLOB, ONLY_WILD, PATH_GLOB, SOMEWHERE, SOURCE_GLOB, URL_GLOB } from './glob-patterns.ts'
import { isExplicit } from './match.ts'

const KINDS = [
  ['any text', GLOB, globFault],
  ['paths', PATH_GLOB, pathGlobFault],
  ['names in a model', NAME_GLOB, nameGlobFault],
  ['URLs', URL_GLOB, urlGlobFault],
  ['sources', SOURCE_GLOB, sourceGlobFault],
] as const

const part = fc.constantFrom(
  ...['a', 'B', '.', '..', '/', '//', '*', '**', '?', '{', ',', '}', '{a,b}', '{a,../..}', '\\', '!', '[', '(', ':'],
  ...['://', 'hf://', 'oci://', 's3://', 'http://', 'https://', 'file://', 'models', 'datasets', 'host', ':80', ':443'],
  ...['@', '%', '\n', '\u{1f600}', 'x.example'],
)
const glob = fc.array(part, { maxLength: 7 }).map((parts) => parts.join(''))

describe('a glob that the policy accepts has the pattern in the JSON Schema:', () => {
  test.each(KINDS)('over %s', (_, pattern, faultOf) => {
    const expression = new RegExp(pattern, 'u')
    fc.assert(
      fc.property(glob, (text) => {
        if (faultOf(text) === undefined) expect(text).toMatch(expression)
      }),
      { numRuns: 10_000 },
    )
  })

  test('that names something', () => {
    fc.assert(
      fc.property(glob, (text) => {
        if (globFault(text) === undefined && new RegExp(ONLY_WILD, 'u').test(text))
          expect(isExplicit({ path: text })).toBe(false)
        if (globFault(text) === undefined && isExplicit({ url: text })) expect(text).toMatch(new RegExp(SOMEWHERE, 'u'))
      }),
      { numRuns: 10_000 },
    )
  })
})

test.each([
  [
    URL_GLOB,
    ['hf://Org/a', 'hf://gpt2', 'https://host:4430/a', 'http://host:443/a', 'https://**', '**/a', 'http*://a/b'],
  ],
  [SOURCE_GLOB, ['hf://modelsx/a', 'hf://datasets/a/*', 'store://A/b@c%', 'oci://r:5000/a', 'oci://*A/a', 's3://b/A']],
  [PATH_GLOB, ['./a', '../../a', '/srv/**', 'a/..b', '{a,b}/..', '..']],
  [NAME_GLOB, ['a/b', '..a', '.a/b']],
  [GLOB, ['**', 'a/**/b', '\\[a\\]', 'a\n', '\\!a', 'a!', '{**,a}']],
])('the pattern accepts %#', (pattern, globs) => {
  for (const text of globs) expect(text).toMatch(new RegExp(pattern, 'u'))
})

describe('the pattern refuses', () => {
  test.each([
    [GLOB, ['a**', '**a', 'a/**b/c', '', '!a', '[ab]', '(a)', 'a\\']],
    [PATH_GLOB, ['hf://org/a', 'a//b', 'a/', 'a/./b', 'a/../b', '**/..', '.', '/../a', 'a/.', './!a']],
    [NAME_GLOB, ['/a', './a', '../a', '..']],
    [URL_GLOB, ['https://Host/a', 'HTTPS://host/a', 'https://host', 'https://host*', 'https://*', 'host/a', '/a', 'a']],
    [URL_GLOB, ['http://host:80/a', 'http://host:80', 'https://host:443/a']],
    [SOURCE_GLOB, ['org/a', 'HF://org/a', 'http://a/b', 'https://a/b', 'file://a/b', 'store://a/', 'hf:/org']],
    [SOURCE_GLOB, ['hf://org/a@main', 'hf://org/a%61', 'hf://models/a', 'hf://models', 'hf://datasets']],
    [
      SOURCE_GLOB,
      ['oci://r/a:1', 'oci://r/a@x', 'oci://r/a%61', 'oci://R/a', 'oci://r/A/b', 'oci://r/a/B', 's3://B/a'],
    ],
  ])('%#', (pattern, globs) => {
    for (const text of globs) expect(text).not.toMatch(new RegExp(pattern, 'u'))
  })

  test('what names nothing in the mode skip', () => {
    for (const text of ['**', '*', '../**', '*/**', './*.onnx']) expect(text).toMatch(new RegExp(ONLY_WILD, 'u'))
    for (const text of ['**', 'https://*/a', 'https:/a', 'hf://**', 'oci://r.example/**', 'hf://datasets/*/a', 'a'])
      expect(text).not.toMatch(new RegExp(SOMEWHERE, 'u'))
    for (const text of [
      'hf://org/**',
      'oci://r/org/*',
      'hf://datasets/org',
      'hf://datasetsx',
      '{a,b}',
      '\\a',
      'https://a',
    ])
      expect(text).toMatch(new RegExp(SOMEWHERE, 'u'))
    for (const text of ['models/**', 'a', '**/a']) expect(text).not.toMatch(new RegExp(ONLY_WILD, 'u'))
  })
})
