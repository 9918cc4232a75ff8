import { beforeAll, expect, test } from 'vitest'
import { withLibraries } from '../when-needed.ts'
import { regexpFault } from './regexp.ts'
import { compileText } from './text-pattern.ts'

beforeAll(async () => {
  expect(() => compileText({ regexp: 'acme' })).toThrow('not loaded')
  expect(() => regexpFault('acme')).toThrow('not loaded')
  expect(await withLibraries(() => regexpFault('acme'))).toBeUndefined()
})

test('compares a string exactly, whatever it looks like', () => {
  const { matches } = compileText('https://github.com/acme/.*')
  expect(matches('https://github.com/acme/.*')).toBe(true)
  expect(matches('https://github.com/acme/x')).toBe(false)
  expect(compileText('*').matches('x')).toBe(false)
})

test('anchors a regular expression at both ends', () => {
  const { matches } = compileText({ regexp: 'acme|evil' })
  expect(matches('acme')).toBe(true)
  expect(matches('acme-not')).toBe(false)
  expect(matches('not-acme')).toBe(false)
  expect(compileText({ regexp: 'a' }).matches('a\n')).toBe(false)
})

test('matches a hostile regular expression in bounded time', () => {
  expect(compileText({ regexp: '((a|aa)+)+' }).matches(`${'a'.repeat(5000)}b`)).toBe(false)
})

test('detects patterns that match nearly anybody', () => {
  expect(compileText({ pattern: '**' }).broad).toBe(true)
  expect(compileText({ pattern: 'email:*' }).broad).toBe(true)
  expect(compileText({ regexp: '.*' }).broad).toBe(true)
  expect(compileText({ pattern: 'email:*@acme.example' }).broad).toBe(false)
})

test('is named in messages as it is written', () => {
  expect(compileText('a*')).toMatchObject({ written: 'a*', exact: 'a*', broad: false })
  expect(compileText({ pattern: 'a*' }).written).toBe('pattern a*')
  expect(compileText({ regexp: 'a.' }).written).toBe('regexp a.')
  expect(compileText({ pattern: 'a*' })).not.toHaveProperty('exact')
})

test.each([[{ pattern: '?' }], [{ pattern: 'URI:https://**' }], [{ pattern: 'email:*' }], [{ regexp: '' }]])(
  'detects that %j matches nearly anybody of some kind, or nothing',
  (text) => expect(compileText(text).broad).toBe(true),
)
