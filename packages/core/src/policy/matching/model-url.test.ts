import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { refusal } from '../../testing/scratch.ts'
import { compileGlob } from './glob.ts'
import { modelUrl } from './model-url.ts'

describe('the URL that globs see', () => {
  test.each([
    ['HTTPS://Hub.Example:443/org/m', 'https://hub.example/org/m'],
    ['https://hub.example', 'https://hub.example/'],
    ['https://hub.example/a/../b/./m', 'https://hub.example/b/m'],
    ['https://hub.example/%6Drg/%c3%a9', 'https://hub.example/mrg/%C3%A9'],
    ['https://hub.example/m?download=a%2Fb#part', 'https://hub.example/m'],
    ['https://evil.example?.corp.example/m', 'https://evil.example/'],
    ['https://evil.example#.corp.example/m', 'https://evil.example/'],
    ['file:///srv/m', 'file:///srv/m'],
    ['a1+.-b://host/m', 'a1+.-b://host/m'],
    ['https://hub.example/a%7Eb%5f%2D%20%3a', 'https://hub.example/a~b_-%20%3A'],
    ['https://hub.example/m?a%2Fb%', 'https://hub.example/m'],
    ['https://hub.example/%41#%', 'https://hub.example/A'],
  ])('of %s is %s', (given, seen) => expect(modelUrl(given)).toBe(seen))

  const CHARACTER = 'a backslash, control character or white space'
  const ESCAPE = 'an escaped dot, slash or backslash'
  const PERCENT = 'a percent sign without two hex digits'
  const NO_HOST = 'no scheme and host'
  const DOTS = 'a component "." or ".."'
  test.each([
    ['https://hub.example/org/.x/../../evil/m', 'https://hub.example/evil/m'],
    ['https://hub.example/org/.x/./m', 'https://hub.example/org/.x/m'],
    ['https://hub.example/org/.x/..', 'https://hub.example/org/'],
    ['https://hub.example/org/.x/.', 'https://hub.example/org/.x/'],
    ['hf://org/name/.x/../../evil', 'hf://org/evil'],
  ])('never leads elsewhere than it says: %s', (given, resolved) => {
    // Some versions of Node.js resolve these, and others do not.
    if (new URL(given).href === resolved) expect(modelUrl(given)).toBe(resolved)
    else expect(() => modelUrl(given)).toThrow(refusal('INVALID_ARGUMENT', { found: `${DOTS} in "${given}"` }))
  })

  test.each([
    ['https://evil.example\\.corp.example/m', CHARACTER],
    ['https://hub.example/org/..\\evil/m', CHARACTER],
    ['https://hub.example/org/.\t./evil/m', CHARACTER],
    ['https://hub.example/m?a\\b', CHARACTER],
    [' https://hub.example/m', CHARACTER],
    ['https://hub.example/a\u00a0b', CHARACTER],
    ['https://hub.example/org/%2e%2E/evil/m', ESCAPE],
    ['https://hub.example/org%2Fevil', ESCAPE],
    ['https://hub.example/org%5cevil', ESCAPE],
    ['https://hub.example/org/%%32e%%32e/evil', PERCENT],
    ['https://hub.example/100%/m', PERCENT],
    ['https://hub.example/a%4g/m', PERCENT],
    ['https://corp.example@evil.example/m', 'credentials'],
    ['https://user:secret@hub.example/m', 'credentials'],
    ['https://:secret@hub.example/m', 'credentials'],
    ['https://hub.example./m', 'a host that ends with a dot'],
    ['hub.example/m', NO_HOST],
    ['xfile:///m', NO_HOST],
    ['store://?name=m', NO_HOST],
    ['store://#m', NO_HOST],
    ['file:/m', NO_HOST],
    ['1a://hub.example/m', NO_HOST],
    ['-https://hub.example/m', NO_HOST],
    ['https:hub.example/m', NO_HOST],
    ['https://', NO_HOST],
    ['https:///hub.example/m', NO_HOST],
    ['https://hub.example:port/m', NO_HOST],
    ['', NO_HOST],
  ])('is refused for %j, which other programs may parse differently', (given, fault) =>
    expect(() => modelUrl(given)).toThrow(
      refusal('INVALID_ARGUMENT', {
        message: expect.stringContaining('option "url"') as string,
        expected: 'an absolute URL without credentials',
        found: expect.stringMatching(new RegExp(`^${fault} in ".*"$`, 's')) as string,
      }),
    ),
  )

  test.each([
    [7, 'number'],
    [null, 'object'],
    [undefined, 'undefined'],
  ])('is refused for %j, and names what it is of', (given, found) =>
    expect(() => modelUrl(given, 'field "model"')).toThrow(
      refusal('INVALID_ARGUMENT', { found, message: expect.stringContaining('the field "model"') as string }),
    ),
  )

  test('is refused with the given one, without credentials and query', () => {
    expect(() => modelUrl('https://a:b@hub.example/m?token=1#x')).toThrow(
      refusal('INVALID_ARGUMENT', { found: 'credentials in "…@hub.example/m"' }),
    )
  })

  test('keeps passwords out of the error message', () => {
    expect(() => modelUrl('https://user:secret@hub.example/m')).toThrow(/^(?!.*secret)/)
  })

  test('matches a glob for a host only if that host is fetched from', () => {
    const ours = compileGlob('https://*.corp.example/**')
    const part = fc.constantFrom(
      'evil.example',
      '.corp.example',
      'a.corp.example',
      '/',
      '?',
      '#',
      '@',
      ':',
      '%2e',
      '\\',
      'm',
    )
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 7 }), (parts) => {
        let seen: string
        const given = `https://${parts.join('')}`
        try {
          seen = modelUrl(given)
        } catch {
          return
        }
        expect(ours.matches(seen) && !new URL(given).hostname.endsWith('.corp.example')).toBe(false)
        expect(modelUrl(seen)).toBe(seen)
      }),
      { numRuns: 2000 },
    )
  })
})
