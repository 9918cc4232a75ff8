import { posix } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ignorePathFault, isWithin, nameFault } from './names.ts'

describe('a signed name', () => {
  test.each([
    ['', 'it is empty'],
    ['/', 'it is absolute'],
    ['/etc/passwd', 'it is absolute'],
    ['a/', 'it ends with a slash'],
    ['a//b', 'it contains "//"'],
    ['.', 'it contains a "." component'],
    ['./a', 'it contains a "." component'],
    ['a/./b', 'it contains a "." component'],
    ['..', 'it contains a ".." component'],
    ['../a', 'it contains a ".." component'],
    ['a/..', 'it contains a ".." component'],
    ['a/../../b', 'it contains a ".." component'],
    ['a\0b', 'it contains a NUL character'],
    ['\ud800', 'it is not valid Unicode'],
    ['a/\udc00', 'it is not valid Unicode'],
    ['a'.repeat(4097), 'it is longer than 4096 characters'],
  ])('is refused: %j', (name, fault) => expect(nameFault(name)).toBe(fault))

  test.each([
    'a',
    '.a',
    '..a',
    'a..',
    '...',
    'a/.../b',
    'a b',
    'a:0:1',
    'a\\..\\b',
    'C:\\a',
    '-',
    '~',
    '*',
    '重み/😀',
    'a\nb',
    '\ufffd',
    'a'.repeat(4096),
  ])('is accepted: %j', (name) => expect(nameFault(name)).toBe(undefined))

  test('that is accepted is canonical and stays below any root that it is joined to', () => {
    const text = fc.string({ unit: fc.constantFrom('a', '.', '/', '..', '\\', ':', '\0'), maxLength: 12 })
    fc.assert(
      fc.property(text, (name) => {
        const canonical = posix.normalize(name) === name && name !== '.' && !/^\.\.(\/|$)|^\/|\/$|\0/.test(name)
        expect(nameFault(name) === undefined).toBe(canonical)
        if (canonical) expect(posix.join('/root', name)).toBe(`/root/${name}`)
      }),
      { numRuns: 5_000 },
    )
  })
})

test.each(['*.bin', 'a/**', 'a?', '[ab]'])('refuses the ignored path %j, because ignored paths are exact', (path) => {
  expect(ignorePathFault(path)).toBe('it contains a glob character, and ignored paths are exact')
})

test('refuses ignored paths like signed names', () => {
  expect(ignorePathFault('a/b')).toBeUndefined()
  expect(ignorePathFault('../a')).toBe('it contains a ".." component')
})

test.each([
  ['a/b/c', ['a', 'a/b', 'a/b/c']],
  ['a', ['a']],
  ['/a/b', ['/a/b']],
])('%s is within its parent directories and itself', (name, parts) => {
  const asked: string[] = []
  expect(isWithin(name, (part) => asked.push(part) === 0)).toBe(false)
  expect(asked).toEqual(parts)
  for (const part of parts) expect(isWithin(name, (one) => one === part)).toBe(true)
})
