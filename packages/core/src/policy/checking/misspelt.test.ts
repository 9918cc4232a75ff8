import { expect, test } from 'vitest'
import { mailtoFault, misspelt, misspeltRevocation, spaceFault } from './misspelt.ts'

test('a text that matches nothing is a warning', () => {
  expect(misspelt('issuer', 'a', 'Write "b".')).toEqual({
    severity: 'warning',
    code: 'SIGNER_MISSPELT',
    message: 'The issuer "a" cannot match anything. Write "b".',
  })
})

test.each([
  ['a ', 'a'],
  [' a', 'a'],
  ['a\u00a0', 'a'],
  ['a\u00a0b', 'a b'],
  ['a\u200bb', 'ab'],
  ['a\tb\t', 'ab'],
])('%j has an extra space or an invisible character', (text, written) =>
  expect(spaceFault(text)).toBe(`It has an extra space or an invisible character: write "${written}".`),
)

test.each(['a', 'a b', 'é', ''])('%j has none', (text) => expect(spaceFault(text)).toBeUndefined())

test('an email address has no scheme', () => {
  expect(mailtoFault('mailto:a@b')).toBe('Email addresses are written without "mailto:": write "a@b".')
  expect(mailtoFault('MailTo:a@b')).toContain('write "a@b"')
  expect(['mailto:', 'a@b', 'xmailto:a@b'].map(mailtoFault)).toEqual([undefined, undefined, undefined])
})

test('a revoked identity is checked for both', () => {
  const faults = (text: Parameters<typeof misspeltRevocation>[1]) =>
    misspeltRevocation('identity', text).map(({ message }) => message)
  expect(faults('a ')).toEqual([expect.stringContaining('write "a"')])
  expect(faults('mailto:a@b')).toEqual([expect.stringContaining('The identity "mailto:a@b" cannot match anything.')])
  expect([faults('a'), faults({ pattern: 'a ' }), faults(undefined)]).toEqual([[], [], []])
})
