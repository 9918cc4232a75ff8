import { beforeAll, describe, expect, test } from 'vitest'
import { withLibraries } from '../when-needed.ts'
import { expectLinear } from '../../testing/linear.ts'
import { looseForm, looseName, reversedName, withoutKind } from './loose-name.ts'
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
    [
      'in the capital of a letter that only upper case merges',
      'stra\u1e9ee@acme.example',
      'email:stra\u00dfe@acme.example',
    ],
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
    ['by an expression in capitals', { regexp: 'MALLORY@.*' }, 'email:mallory@acme.example'],
    ['by an expression over the encoded text', { regexp: '.*%20.*' }, 'URI:https://a.example/m%20x'],
    ['by an expression over the decoded text', { regexp: '.*m x' }, 'URI:https://a.example/m%20x'],
    ['by an expression over one of its forms', { regexp: 'https://a.example/m x' }, 'URI:https://a.example/m%20x'],
    ['by an expression over the text as written', { regexp: 'https://.*%20x' }, 'URI:https://a.example/m%20x'],
    ['by an expression that excludes another letter case', { regexp: '[^a]' }, 'A'],
    ['by a pattern without a loose form, in another letter case', { pattern: 'A*\\.' }, 'DNS:acme.'],
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
  for (const text of ['STRASSE@ÄCME.example', 'https://A.example:443/%41/', 'CN = Ab , O = C', 'İı\u212a', '\u1e9e'])
    expect(looseForm(looseForm(text))).toBe(looseForm(text))
})

test.each(['fe80::1%eth0', 'IP:fe80::1%eth0', '::1]/x[', '1:2', ':', '::%', '[::1]', 'xn--', 'xn--zzzzzz:::'])(
  'a name that is nearly an address or a host has a loose form: %s',
  (text) => {
    expect(looseForm(text)).toBe(text.toLowerCase())
    expect(looseName(text).written).toContain(text)
  },
)

test.each([
  [
    'a name is compared as written and without its kind',
    'DNS:A.example',
    ['DNS:A.example', 'A.example'],
    ['dns:a.example', 'a.example'],
  ],
  ['a name without a kind is compared once', 'A.example', ['A.example'], ['a.example']],
  ['a subject is compared in both orders', 'CN=A,O=B', ['CN=A,O=B'], ['cn=a,o=b', 'o=b,cn=a']],
  ['a comma alone makes no subject', 'a,b', ['a,b'], ['a,b']],
])('%s', (_, text, written, loose) => {
  expect(looseName(text)).toEqual({ written, loose, key: loose.at(written.length - 1) })
})

test.each([
  ['email:a', 'a'],
  ['EMAIL:a', 'a'],
  ['URI:https://a', 'https://a'],
  ['DNS:a', 'a'],
  ['IP:::1', '::1'],
  ['DirName:CN=a', 'CN=a'],
  ['RID:1.2', '1.2'],
  ['otherName:1.2.3:a', 'a'],
  ['otherName:a:b', 'otherName:a:b'],
  ['otherName::b', 'otherName::b'],
  ['x email:a', 'x email:a'],
  ['mailto:a', 'mailto:a'],
])('%s without its kind is %s', (text, bare) => expect(withoutKind(text)).toBe(bare))

test.each([
  // Percent-encoding.
  ['a%41%42', 'aab'],
  ['a%e4', 'a%e4'],
  ['a%zz%41', 'a%zza'],
  // Characters that cannot be seen, and spaces.
  ['a\u0000b', 'ab'],
  ['a  \t b', 'a b'],
  ['a\u00a0\u00a0b', 'a b'],
  [' a ', 'a'],
  ['\u00fc\u200b\u00fc', '\u00fc\u00fc'],
  ['CN =A,O= B', 'cn=a,o=b'],
  ['CN = A B , O = C + D', 'cn=a b,o=c+d'],
  ['!a~', '!a~'],
  // Letters.
  ['\u212a', 'k'],
  ['Stra\u1e9ee', 'strasse'],
  // Punycode, where it can be read.
  ['xn--mnchen-3ya', 'm\u00fcnchen'],
  ['xn--', 'xn--'],
  // Default ports, of their own schemes only.
  ['https://a:443', 'https://a'],
  ['https://a:443/x', 'https://a/x'],
  ['https://a:443?x', 'https://a?x'],
  ['https://a:443#x', 'https://a#x'],
  ['uri:https://a:443/x', 'uri:https://a/x'],
  ['https://a:4430', 'https://a:4430'],
  ['https://a:80/x', 'https://a:80/x'],
  ['https://a/x:443', 'https://a/x:443'],
  ['https://a?x:443', 'https://a?x:443'],
  ['https://a#x:443', 'https://a#x:443'],
  ['xhttps://a:443', 'xhttps://a:443'],
  ['http://a:80', 'http://a'],
  ['http://a.example:80', 'http://a.example'],
  ['http://a:80/x', 'http://a/x'],
  ['http://a:80?x', 'http://a?x'],
  ['http://a:80#x', 'http://a#x'],
  ['uri:http://a:80', 'uri:http://a'],
  ['http://a:800', 'http://a:800'],
  ['http://a:443', 'http://a:443'],
  ['http://a/x:80', 'http://a/x:80'],
  ['http://a?x:80', 'http://a?x:80'],
  ['http://a#x:80', 'http://a#x:80'],
  ['xhttp://a:80', 'xhttp://a:80'],
  // Final dots of hosts, and final slashes.
  ['a...', 'a'],
  ['a..b', 'a..b'],
  ['a./b.:1.?c.#d.@e.,f', 'a/b:1?c#d@e,f'],
  ['a///', 'a'],
  ['a//b', 'a//b'],
  // Addresses.
  ['IP:2001:DB8:0:0:0:0:0:1', 'ip:2001:db8::1'],
  ['::ffff:1.2.3.4', '::ffff:102:304'],
  ['x::1', 'x::1'],
  ['::1x', '::1x'],
  ['1.2.3.4', '1.2.3.4'],
])('the loose form of %j is %j', (text, form) => expect(looseForm(text)).toBe(form))

test.each([
  ['cn=a,o=b', 'o=b,cn=a'],
  ['o=a\\,b,cn=c', 'cn=c,o=a\\,b'],
  ['a,b', 'a,b'],
])('%s in the other order is %s', (form, reversed) => expect(reversedName(form)).toBe(reversed))

test('an exact text has its loose forms as keys, and a pattern has none', () => {
  expect(compileLoose('CN=A,O=B').keys).toEqual(['cn=a,o=b', 'o=b,cn=a'])
  expect(compileLoose('email:A@b.example').keys).toEqual(['a@b.example'])
  expect(compileLoose({ pattern: 'a*' }).keys).toEqual([])
  expect(compileLoose({ regexp: 'a.*' }).keys).toEqual([])
})
