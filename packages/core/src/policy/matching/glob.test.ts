import fc from 'fast-check'
import picomatch from 'picomatch'
import { describe, expect, test } from 'vitest'
import { compileGlob, globFault, pathGlobFault, urlGlobFault } from './glob.ts'

const matches = (glob: string, text: string) => compileGlob(glob).matches(text)

describe('a glob', () => {
  test.each([
    ['models/vad', 'models/vad'],
    ['models/*', 'models/vad'],
    ['models/**', 'models'],
    ['models/**', 'models/a/b/c'],
    ['**/*.onnx', 'a/b/c.onnx'],
    ['**/*.onnx', 'c.onnx'],
    ['a/**/z', 'a/z'],
    ['a/**/z', 'a/b/c/z'],
    ['v?/{x,y}*', 'v1/yes'],
    ['{a,b/{c,d}}', 'b/d'],
    ['\\*\\{\\(', '*{('],
    ['**', '.hidden/.file'],
    ['a b é 😀?', 'a b é 😀😀'],
    ['/srv/**', '/srv/models/vad'],
    ['URI:https://github.com/acme/*@refs/tags/v*', 'URI:https://github.com/acme/x@refs/tags/v1'],
  ])('%s matches %s', (glob, text) => expect(matches(glob, text)).toBe(true))

  test.each([
    ['models/*', 'models/a/b'],
    ['models/*', 'models/'],
    ['models/vad', 'models/vad/x'],
    ['vad', 'models/vad'],
    ['mod', 'models'],
    ['**', '../elsewhere'],
    ['**', 'a/../../b'],
    ['*', '..'],
    ['models/**', 'models2/a'],
    ['email:*@acme.com', 'email:x@acme.com.evil.com'],
    ['email:*@acme.com', 'xemail:a@acme.com'],
    ['https://github.com/acme/*', 'https://github.com/acme/x/y'],
    ['models/*.onnx', 'models/MODEL.ONNX'],
  ])('%s does not match %s', (glob, text) => expect(matches(glob, text)).toBe(false))

  test.each([
    '',
    'a**',
    '**a',
    'a[bc]',
    '!(a)',
    '!a',
    'a)',
    '{a',
    'a}',
    '{a}',
    'a\\',
    '{a,b}'.repeat(9),
    'x'.repeat(5000),
  ])('%s is refused', (glob) => expect(globFault(glob)).toBeDefined())

  test('matches like picomatch where the syntax is the same', () => {
    const piece = fc.constantFrom('a', 'b', 'ab', '.c', '*', 'a*', '*b', '?', 'a?b', '**', '{a,b}', '{ab,*c}')
    const text = fc.array(fc.constantFrom('a', 'b', 'ab', 'aab', '.c', 'abc', 'c'), { minLength: 1, maxLength: 4 })
    fc.assert(
      fc.property(fc.array(piece, { minLength: 1, maxLength: 4 }), text, (pieces, parts) => {
        const [glob, path] = [pieces.join('/'), parts.join('/')]
        // "a/**" covers "a" in both; picomatch alone makes an exception for "*/**".
        fc.pre(pieces.at(-1) !== '**' || pieces.length < 2 || !/[*?{]/.test(pieces.at(-2) ?? ''))
        const expected = picomatch.isMatch(path, glob, { dot: true })
        expect([glob, path, matches(glob, path)]).toEqual([glob, path, expected])
      }),
      { numRuns: 2000 },
    )
  })

  test.each(['./models/v', '../v', '../../v/**', '/srv/**', '..', '**', 'a/{b,c/d}', '/{a,b}'])(
    'for paths, %s is valid',
    (glob) => expect(pathGlobFault(glob)).toBeUndefined(),
  )

  test.each([
    ['hf://org/*', 'source'],
    ['oci://registry.example/**', 'source'],
    ['https://hub.example/**', 'url'],
  ])('for paths, %s is refused, and belongs under "%s"', (glob, field) =>
    expect(pathGlobFault(glob)).toBe(`it is a URL, which no path is; write it under "${field}"`),
  )

  test.each([
    'https://Hub.example/**',
    'HTTPS://hub.example/**',
    'https://hub.example',
    'https://hub.example:443/**',
    'http://hub.example:80/m',
    'hub.example/**',
    '/srv/models/**',
  ])('for URLs, %s is refused because it matches none', (glob) => expect(urlGlobFault(glob)).toBeDefined())
  test.each([
    'https://hub.example/Org/**',
    '**/m',
    'https://**',
    'https://hub.example/',
    'https://hub.example:8443/**',
    'http*://hub.example/**',
    '{https,s3}://b/**',
    'hf://Xenova/*',
    'hf://gpt2',
    'hf://datasets/**',
    'oci://registry.example/org/**',
  ])('for URLs, %s is valid', (glob) => expect(urlGlobFault(glob)).toBeUndefined())

  test('matches a hostile glob and text in bounded time', () => {
    expect(matches(`${'*a'.repeat(1000)}b`, 'a'.repeat(4000))).toBe(false)
    expect(matches(`${'**/a/'.repeat(500)}b`, 'a/'.repeat(2000))).toBe(false)
  })
})
