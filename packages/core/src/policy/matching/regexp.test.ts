import { beforeAll, expect, test } from 'vitest'
import { LibraryNeeded, withLibraries } from '../when-needed.ts'
import { compileRegexp, regexpFault } from './regexp.ts'

beforeAll(async () => {
  expect(() => compileRegexp('a')).toThrow(LibraryNeeded)
  await withLibraries(() => compileRegexp('a'))
})

test('matches the whole text, in its case', () => {
  const matches = compileRegexp('a+b')
  expect(['aab', 'ab', 'xab', 'abx', 'AB', 'b'].map(matches)).toEqual([true, true, false, false, false, false])
})

test('ignores case if asked to', () => {
  expect(compileRegexp('a+b', { ignoreCase: true })('AaB')).toBe(true)
  expect(compileRegexp('a+b', { ignoreCase: false })('AaB')).toBe(false)
})

test.each(['a'.repeat(512), '^a.*b$', '[a-z]{2,3}', ''])('accepts %s', (source) =>
  expect(regexpFault(source)).toBeUndefined(),
)

test('refuses an expression that is too long', () => {
  expect(regexpFault('a'.repeat(513))).toBe('it is longer than 512 characters')
})

test.each([
  ['(?=a)', 'invalid or unsupported Perl syntax'],
  ['(a)\\1', 'invalid escape sequence'],
  ['(a', 'missing closing )'],
  ['[a', 'missing closing ]'],
])('refuses %s, and says why', (source, fault) => expect(regexpFault(source)).toContain(fault))
