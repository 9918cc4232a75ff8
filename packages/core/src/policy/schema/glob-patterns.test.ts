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

describe('the pattern refuses', () => {
  test.each([
    [GLOB, ['a**', '**a', 'a/**b/c', '', '!a', '[ab]', '(a)', 'a\\']],
    [PATH_GLOB, ['hf://org/a', 'a//b', 'a/', 'a/./b', 'a/../b', '**/..', '.', '/../a']],
    [NAME_GLOB, ['/a', './a', '../a', '..']],
    [URL_GLOB, ['https://Host/a', 'HTTPS://host/a', 'https://host', 'https://host:443/a', 'host/a', '/a']],
    [SOURCE_GLOB, ['org/a', 'https://a/b', 'hf://org/a@main', 'hf://models/a', 'oci://r/a:1', 'oci://R/a', 's3://B/a']],
  ])('%#', (pattern, globs) => {
    for (const text of globs) expect(text).not.toMatch(new RegExp(pattern, 'u'))
  })

  test('what names nothing in the mode skip', () => {
    for (const text of ['**', '*', '../**', '*/**', './*.onnx']) expect(text).toMatch(new RegExp(ONLY_WILD, 'u'))
    for (const text of ['**', 'https://*/a', 'https:/a', 'hf://**', 'oci://r.example/**', 'hf://datasets/*/a'])
      expect(text).not.toMatch(new RegExp(SOMEWHERE, 'u'))
    for (const text of ['models/**', 'a', '**/a']) expect(text).not.toMatch(new RegExp(ONLY_WILD, 'u'))
  })
})
