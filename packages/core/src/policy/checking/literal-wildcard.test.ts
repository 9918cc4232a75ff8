import { describe, expect, test } from 'vitest'
import { literalWildcard, wildcardIn } from './literal-wildcard.ts'

describe('a wildcard in a text that is compared exactly', () => {
  test.each([
    ['a*b', '*'],
    ['a?b', '?'],
    ['{a,b}', '{a,b}'],
    ['x{a,b,c}*', '{a,b,c}'],
    ['{,b}', '{,b}'],
    ['https://a/b?c=d*', '?'],
    ['https://a/b?c=d{', '?'],
    ['https://a/b?c', '?'],
    ['https://a/?b?c=d', '?'],
    ['xhttps://a/b?c=d', '?'],
    ['https://a/b*?c=d', '*'],
    ['https://a/b?c=d', undefined],
    ['http://a/b?c-d=e&f=g', undefined],
    ['{a}', undefined],
    ['{a', undefined],
    ['{}', undefined],
    ['a.b', undefined],
    ['', undefined],
  ])('of %s is %s', (text, wildcard) => expect(wildcardIn(text)).toBe(wildcard))

  test.each([
    ['a*', 'but no name contains a *. If it is meant as a wildcard, write { pattern: "a*" }.'],
    ['{a,b}', 'but no name contains alternatives in braces. If it is meant as a wildcard, write { pattern: "{a,b}" }.'],
    ['a.*', 'but no name contains a *. If it is meant as a wildcard, write { regexp: "a.*" }.'],
    ['^a?', 'but no name contains a ?. If it is meant as a wildcard, write { regexp: "^a?" }.'],
    ['a?$', 'but no name contains a ?. If it is meant as a wildcard, write { regexp: "a?$" }.'],
    ['a^?$b', 'but no name contains a ?. If it is meant as a wildcard, write { pattern: "a^?$b" }.'],
    ['*.a.*', '{ regexp: "*.a.*" }'],
    ['DNS:a*.b', '{ pattern: "DNS:a*.b" }'],
    ['xDNS:*.b', '{ pattern: "xDNS:*.b" }'],
    ['*.', '{ pattern: "*." }'],
  ])('warns about %s', (text, words) => {
    expect(literalWildcard('name', text)).toEqual([
      { severity: 'warning', code: 'WILDCARD_EXACT', message: expect.stringContaining(words) as string },
    ])
    expect(literalWildcard('name', text)[0]?.message).toContain(`The name ${JSON.stringify(text)} is compared exactly`)
  })

  test.each([['a'], ['*.acme.example'], ['DNS:*.acme.example'], [{ pattern: 'a*' }], [{ regexp: 'a.*' }], [undefined]])(
    'does not warn about %j',
    (text) => expect(literalWildcard('name', text)).toEqual([]),
  )
})
