import { beforeAll, describe, expect, test } from 'vitest'
import { withLibraries } from '../when-needed.ts'
import { expectLinear } from '../../testing/linear.ts'
import { looseForm, looseName } from './loose-name.ts'
import { compileLoose } from './loose-text.ts'
import type { TextPattern } from '../schema/text.ts'

beforeAll(() => withLibraries(() => compileLoose({ regexp: 'acme' })))

const found = (revoked: TextPattern, name: string) => {
  const { keys, matches } = compileLoose(revoked)
  const loose = looseName(name)
  const matched = matches(loose)
  // Exact texts are looked up in a map by their keys, with the same result.
  if (keys.length > 0) expect(keys.includes(loose.key)).toBe(matched)
  return matched
}

describe('a revoked name is found', () => {
  test.each<[string, TextPattern, string]>([
    ['with its kind', 'email:mallory@acme.example', 'email:mallory@acme.example'],
    ['without its kind', 'mallory@acme.example', 'email:mallory@acme.example'],
    ['with another kind', 'email:mallory!acme.example', 'otherName:1.3.6.1.4.1.57264.1.7:mallory!acme.example'],
    ['in another letter case of the kind', 'uri:https://a.example/x', 'URI:https://a.example/x'],
    ['in another letter case of the host', 'mallory@ACME.example', 'email:mallory@acme.Example'],
    ['in another letter case of anything', 'Mallory@acme.example', 'email:mALLORY@acme.example'],
    ['in letters that only upper case merges', 'strasse@acme.example', 'email:straße@acme.example'],
    ['composed or not', 'mu\u0308ller@acme.example', 'email:m\u00fcller@acme.example'],
    ['in full width', 'mallory@acme.example', 'email:\uff4dallory@acme.example'],
    ['with invisible characters', 'mallory@acme.example', 'email:mal\u200blory@acme.example'],
    ['in Punycode', 'x@m\u00fcnchen.example', 'email:x@xn--mnchen-3ya.example'],
    ['out of Punycode', 'x@xn--mnchen-3ya.example', 'email:x@m\u00fcnchen.example'],
    ['percent-encoded', 'https://a.example/m üller', 'URI:https://a.example/m%20%C3%BCller'],
    ['percent-encoded in the policy', 'https://a.example/%7Emallory', 'URI:https://a.example/~mallory'],
    ['with a slash at the end', 'https://a.example/x', 'URI:https://a.example/x/'],
    ['without a slash at the end', 'https://a.example/', 'URI:https://a.example'],
    ['with a dot at the end of the host', 'https://a.example/x', 'URI:https://a.example./x'],
    ['with a dot at the end of the domain', 'x@acme.example.', 'email:x@acme.example'],
    ['with the default port', 'https://a.example/x', 'URI:https://a.example:443/x'],
    ['as an IPv6 address', 'IP:2001:db8::1', 'IP:2001:0db8:0000:0000:0000:0000:0000:0001'],
    ['as a subject with spaces', 'CN=Mallory, O=Acme', 'CN=Mallory,O=Acme'],
    ['as a subject in the other order', 'O=Acme,CN=Mallory', 'CN=Mallory,O=Acme'],
    ['as a subject whose value has a comma', 'O=Acme\\, Inc,CN=M', 'CN=M,O=Acme\\, Inc'],
    [
      'by a pattern across slashes',
      { pattern: 'https://github.com/evil/*' },
      'URI:https://github.com/evil/a/b@refs/heads/c',
    ],
    ['by a pattern of a kind', { pattern: 'email:*@contractor.example' }, 'email:a/b@Contractor.example'],
    ['by a question mark for a slash', { pattern: 'a?b' }, 'URI:a/b'],
    ['by a pattern with a star for dots', { pattern: 'https://a.example/*' }, 'URI:https://a.example/..'],
    ['by the strict pattern', { pattern: 'https://a.example/**/x' }, 'URI:https://a.example/x'],
    ['by an alternative', { pattern: '{a,b}@acme.example' }, 'email:B@acme.example'],
    ['by a literal star', { pattern: 'a\\*b' }, 'URI:a*b'],
    ['by a pattern that ends in an escaped dot', { pattern: '*\\.' }, 'DNS:acme.'],
    ['by a pattern over a subject in the other order', { pattern: 'O=Acme,CN=*' }, 'CN=Mallory,O=Acme'],
    ['by an expression in another letter case', { regexp: 'mallory@.*' }, 'email:MALLORY@acme.example'],
    ['by an expression over the encoded text', { regexp: '.*%20.*' }, 'URI:https://a.example/m%20x'],
    ['by an expression over the decoded text', { regexp: '.*m x' }, 'URI:https://a.example/m%20x'],
  ])('%s', (_, revoked, name) => expect(found(revoked, name)).toBe(true))
})

describe('a revoked name is not found in', () => {
  test.each<[string, TextPattern, string]>([
    ['another name', 'mallory@acme.example', 'email:alice@acme.example'],
    ['a longer name', 'mallory@acme.example', 'email:mallory@acme.example.org'],
    ['a name of a kind other than that of the pattern', { pattern: 'email:*' }, 'DNS:acme.example'],
    ['a name outside of the pattern', { pattern: '*@contractor.example' }, 'email:x@acme.example'],
    ['a name that an escaped star does not cover', { pattern: 'a\\*b' }, 'URI:axb'],
    ['a subject with further attributes', 'CN=Mallory', 'CN=Mallory,O=Acme'],
    ['a part of the name', { regexp: 'mallory' }, 'email:mallory@acme.example'],
  ])('%s', (_, revoked, name) => expect(found(revoked, name)).toBe(false))
})

test.each([
  ['', '\u00a0'],
  ['a', '\u00a0'],
  ['a', '.'],
  ['a', '/'],
  ['a', './'],
  ['', 'a='],
  ['https://', ':443'],
  ['', 'xn--'],
  ['', '%'],
  ['', ':'],
])('finds the loose form of %j and then %j repeated in linear time', async (start, part) => {
  await expectLinear((text) => looseForm(`${text}x`), [start, part])
})

test('does not change a loose form', () => {
  for (const text of ['STRASSE@ÄCME.example', 'https://A.example:443/%41/', 'CN = Ab , O = C', 'İı\u212a'])
    expect(looseForm(looseForm(text))).toBe(looseForm(text))
})

test.each(['fe80::1%eth0', 'IP:fe80::1%eth0', '::1]/x[', '1:2', ':', '::%', '[::1]', 'xn--', 'xn--zzzzzz:::'])(
  'a name that is nearly an address or a host has a loose form: %s',
  (text) => {
    expect(looseForm(text)).toBe(text.toLowerCase())
    expect(looseName(text).written).toContain(text)
  },
)
