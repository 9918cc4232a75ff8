import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
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
  ])('of %s is %s', (given, seen) => expect(modelUrl(given)).toBe(seen))

  test.each([
    'https://evil.example\\.corp.example/m',
    'https://hub.example/org/..\\evil/m',
    'https://hub.example/org/%2e%2E/evil/m',
    'https://hub.example/org%2Fevil',
    'https://hub.example/org/%%32e%%32e/evil',
    'https://hub.example/100%/m',
    'https://hub.example/org%5cevil',
    'https://hub.example/org/.\t./evil/m',
    ' https://hub.example/m',
    'https://hub.example/a\u00a0b',
    'https://corp.example@evil.example/m',
    'https://user:secret@hub.example/m',
    'https://hub.example./m',
    'hub.example/m',
    'https:hub.example/m',
    'https://',
    'https:///hub.example/m',
    '',
    7,
    null,
  ])('is refused for %j, which other programs may parse differently', (given) =>
    expect(() => modelUrl(given)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }) as Error),
  )

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
