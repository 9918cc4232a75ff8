import fc from 'fast-check'
import picomatch from 'picomatch'
import { describe, expect, test } from 'vitest'
import { anyOf, compileGlob, compileLooseGlob, globFault, nameGlobFault, pathGlobFault, urlGlobFault } from './glob.ts'

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
    ['', 'it is empty'],
    ['a**', '"**" matches whole components, so it must stand alone between slashes'],
    ['**a', '"**" matches whole components, so it must stand alone between slashes'],
    ['a/***', '"**" matches whole components, so it must stand alone between slashes'],
    ['a[bc]', '"[" means different things to different tools; write "\\[" for the character'],
    ['a]', '"]" means different things to different tools; write "\\]" for the character'],
    ['a(b', '"(" means different things to different tools; write "\\(" for the character'],
    ['a)', '")" means different things to different tools; write "\\)" for the character'],
    ['!(a)', '"!" means different things to different tools; write "\\!" for the character'],
    ['!a', '"!" means different things to different tools; write "\\!" for the character'],
    ['{a', 'it has a "{" without a "}"'],
    ['{a,b', 'it has a "{" without a "}"'],
    ['{a,b/**', 'it has a "{" without a "}"'],
    ['{a,{b,c}', 'it has a "{" without a "}"'],
    ['{a,b\\}', 'it has a "{" without a "}"'],
    ['a}', 'it has a "}" without a "{"'],
    ['\\{a,b}', 'it has a "}" without a "{"'],
    ['{a}', 'braces must contain alternatives, as in "{a,b}"'],
    ['{a\\,b}', 'braces must contain alternatives, as in "{a,b}"'],
    ['{{a,b}}', 'braces must contain alternatives, as in "{a,b}"'],
    ['a\\', 'it ends with a backslash'],
    ['{a,b}'.repeat(9), 'it has more than 256 alternatives'],
    ['x'.repeat(4097), 'it is longer than 4096 characters'],
  ])('%s is refused: %s', (glob, fault) => {
    expect(globFault(glob)).toBe(fault)
    expect(() => compileGlob(glob)).toThrow(new SyntaxError(fault))
  })

  test.each(['a!', '\\!a', '\\[\\]\\(\\)', '\\\\', '{a,b}'.repeat(8), 'x'.repeat(4096), '{a,}', 'a,b', '*/**/*'])(
    '%s is valid',
    (glob) => {
      expect(globFault(glob)).toBeUndefined()
      expect(compileGlob(glob).spelled.length).toBeGreaterThan(0)
    },
  )

  test('has the components and depths of its alternatives', () => {
    const { spelled, depths } = compileGlob('{a/b*,**}/c,\\*/?')
    expect(spelled).toEqual([
      ['a', undefined, 'c,*', undefined],
      [undefined, 'c,*', undefined],
    ])
    expect(depths).toEqual([4, Infinity])
  })

  test.each([
    ['a\\*', 'a*', 'ab'],
    ['a\\?', 'a?', 'ab'],
    ['a\\{b,c\\}', 'a{b,c}', 'ab'],
    ['\\a', 'a', '\\a'],
    ['\\\\a', '\\a', 'a'],
    ['{a\\,b,c}', 'a,b', 'a'],
    ['x{,a}y', 'xy', 'xby'],
    ['x{a,{b,c}d}y', 'xcdy', 'xcy'],
    ['{a,b}{c,d}', 'bd', 'ba'],
    ['a/*', 'a/.b', 'a/.'],
    ['a/*b', 'a/b', 'a/'],
    ['a/?', 'a/b', 'a/'],
    ['a/**/b', 'a/x/y/b', 'a/../b'],
    ['**/b', 'b', './b'],
  ])('%s matches %s, but not %s', (glob, text, other) => {
    expect(matches(glob, text)).toBe(true)
    expect(matches(glob, other)).toBe(false)
  })

  test('matches an empty text only if it has no component but "**"', () => {
    expect(['**', '**/**', '*', '?', 'a', '{,a}', '*/**'].map((glob) => matches(glob, ''))).toEqual([
      true,
      true,
      false,
      false,
      false,
      false,
      false,
    ])
  })

  test('that only refuses also matches across slashes and dots, and is as strict about its syntax', () => {
    const loose = compileLooseGlob('a*{b,c}?')
    for (const text of ['abx', 'a/../cx', 'a..b/', 'axxbyc.']) expect(loose(text)).toBe(true)
    for (const text of ['ab', 'xabx', 'abxyz', 'a', 'a*{b,c}?x']) expect(loose(text)).toBe(false)
    expect(compileLooseGlob('a\\*')('a*')).toBe(true)
    expect(compileLooseGlob('a\\*')('ab')).toBe(false)
    expect(() => compileLooseGlob('{a,b')).toThrow(new SyntaxError('it has a "{" without a "}"'))
  })

  test('that is not text is a mistake in the program', () => {
    expect(() => globFault(undefined as never)).toThrow(TypeError)
  })

  test('of a list is one of several', () => {
    expect(anyOf(['a', 'b*'])('bc')).toBe(true)
    expect(anyOf(['a', 'b*'])('c')).toBe(false)
    expect(anyOf('a')('a')).toBe(true)
    expect(anyOf([])('a')).toBe(false)
  })

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
    ['http://hub.example/**', 'url'],
    ['HTTPS://hub.example/**', 'url'],
    ['httpsx://hub.example/**', 'source'],
    ['xhttps://hub.example/**', 'source'],
    ['a1+.-b://x', 'source'],
    ['oci://registry.example/**', 'source'],
    ['https://hub.example/**', 'url'],
  ])('for paths, %s is refused, and belongs under "%s"', (glob, field) =>
    expect(pathGlobFault(glob)).toBe(`it is a URL, which no path is; write it under "${field}"`),
  )

  const directory = (glob: string) =>
    `it ends with a slash, which no path does; write "${glob}" for everything in the directory`

  test.each([
    ['a/', directory('a/**')],
    ['a//', directory('a/**')],
    ['a/b/', directory('a/b/**')],
    ['a/hf://b', 'it has an empty component, which no path has'],
    ['/a/', directory('/a/**')],
    ['a//b', 'it has an empty component, which no path has'],
    ['//a', 'it has an empty component, which no path has'],
    ['a/./b', 'it has a component ".", which no path has'],
    ['././a', 'it has a component ".", which no path has'],
    ['a/../b', 'it has a component "..", which no path has'],
    ['../a/..', 'it has a component "..", which no path has'],
    ['/..', 'it has a component "..", which no path has'],
    ['{a,b/../c}', 'it has a component "..", which no path has'],
    ['{a', 'it has a "{" without a "}"'],
    ['./!a', '"!" means different things to different tools; write "\\!" for the character'],
  ])('for paths, %s is refused: %s', (glob, fault) => expect(pathGlobFault(glob)).toBe(fault))

  test.each([
    ['../claims.jsonl', 'it leads out of the model; write a path relative to the model, such as "claims.jsonl"'],
    ['/claims.jsonl', 'it leads out of the model; write a path relative to the model, such as "claims.jsonl"'],
    ['{a,../b}', 'it leads out of the model; write a path relative to the model, such as "claims.jsonl"'],
    ['./claims.jsonl', 'it begins with "./", which no name does'],
    ['a//b', 'it has an empty component, which no path has'],
    ['a[b]', '"[" means different things to different tools; write "\\[" for the character'],
  ])('for names in a model, %s is refused: %s', (glob, fault) => expect(nameGlobFault(glob)).toBe(fault))

  test.each(['claims.jsonl', 'a/**', '**', '*/b'])('for names in a model, %s is valid', (glob) =>
    expect(nameGlobFault(glob)).toBeUndefined(),
  )

  test.each([
    ['https://Hub.example/**', 'scheme and host of a URL are compared in lower case'],
    ['HTTPS://hub.example/**', 'scheme and host of a URL are compared in lower case'],
    ['https://hub.example', 'every URL has a path; write "https://hub.example/**" for everything on the host'],
    [
      'https://hub.example:443/**',
      'URLs are compared without the default port of their scheme; write "https://hub.example/**"',
    ],
    [
      'http://hub.example:80/m',
      'URLs are compared without the default port of their scheme; write "http://hub.example/m"',
    ],
    [
      'http://\\[::1\\]:80/m',
      `URLs are compared without the default port of their scheme; write ${JSON.stringify('http://\\[::1\\]/m')}`,
    ],
    ['hub.example/**', 'every URL begins with its scheme; write "https://hub.example/**"'],
    ['/srv/models/**', 'every URL begins with its scheme; write paths under "path"'],
    ['{https://a/b,c/d}', 'every URL begins with its scheme; write "https://{https://a/b,c/d}"'],
    ['/x://Host/y', 'every URL begins with its scheme; write paths under "path"'],
    ['http://Hf://a', 'scheme and host of a URL are compared in lower case'],
    ['{a', 'it has a "{" without a "}"'],
  ])('for URLs, %s is refused because it matches none: %s', (glob, fault) => expect(urlGlobFault(glob)).toBe(fault))

  test.each([
    'https://hub.example/Org/**',
    'xhttp://hub.example:80/**',
    'xhttps://hub.example:443/**',
    'http://hub.example:8080/**',
    'https:/**',
    '**/m',
    'https://**',
    'https://hub.example/',
    'https://hub.example:8443/**',
    'https://hub.example:80/**',
    'http://hub.example:443/**',
    'https://hub.example:4430/**',
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
