import { describe, expect, test } from 'vitest'
import { compileText } from '../matching/text-pattern.ts'
import { Revocations } from '../revocations/revocations.ts'
import type { RevokedText } from '../revocations/schema.ts'
import { broad, describedTexts, revokesNames, textDangers } from './named-signers.ts'

test('a signer is described by the texts that it has, and by exact ones', () => {
  const texts = { subject: compileText('CN=A'), san: undefined, issuer: compileText({ pattern: 'CN=*' }) }
  expect(describedTexts('certificate', texts)).toBe('certificate, subject "CN=A", issuer "pattern CN=*"')
  expect(describedTexts('sigstore', {}, { ref: 'main' })).toBe('sigstore, ref "main"')
})

test('a broad signer is a warning', () => {
  expect(broad('Anyone.')).toEqual({ severity: 'warning', code: 'SIGNER_BROAD', message: 'Anyone.' })
})

describe('texts that match nothing are warned about', () => {
  const codes = (...parameters: Parameters<typeof textDangers>) => textDangers(...parameters).map(({ code }) => code)
  const none = () => undefined

  test('if they have a wildcard and are compared exactly', () => {
    expect(codes({ subject: compileText('CN=*'), issuer: undefined }, none)).toEqual(['WILDCARD_EXACT'])
    expect(codes({ subject: compileText({ pattern: 'CN=*' }) }, none)).toEqual([])
    expect(codes({}, none, { ref: 'refs/*' })).toEqual(['WILDCARD_EXACT'])
  })

  test('if they have a space too many, or another fault', () => {
    expect(codes({ subject: compileText('CN=A ') }, none)).toEqual(['SIGNER_MISSPELT'])
    const [danger] = textDangers({ san: compileText('a') }, (field, text) => `Not ${field} ${text}.`)
    expect(danger).toEqual({
      severity: 'warning',
      code: 'SIGNER_MISSPELT',
      message: 'The san "a" cannot match anything. Not san a.',
    })
    // Only wildcards are looked for in further texts.
    expect(codes({}, () => 'A fault.', { ref: 'main ' })).toEqual([])
  })
})

describe('an entry is revoked by its names', () => {
  const revokes = (
    names: string[],
    identities: NonNullable<RevokedText['identities']>,
    issuer?: string | { pattern: string },
  ) => {
    const revocations = new Revocations()
    revocations.add({ identities })
    return revokesNames(names, issuer === undefined ? undefined : compileText(issuer), revocations)
  }

  test.each([
    [['a@b.example'], 'a@b.example', true],
    [['a@b.example', 'c'], 'c', true],
    [['a@b.example'], 'c@b.example', false],
    [['a@b.example'], { pattern: 'email:*@b.example' }, true],
    [['release@b.example'], { pattern: 'email:*@b.example' }, true],
    [['CN=a@b.example'], { pattern: 'email:*' }, false],
    [['a b@b.example'], { pattern: 'email:*' }, false],
    [['x:a@b.example'], { pattern: 'email:*' }, false],
    [['a@b@c'], { pattern: 'email:*' }, false],
    [['a@b c'], { pattern: 'email:*' }, false],
    [['@b'], { pattern: 'email:*' }, false],
    [['https://b.example/a'], { pattern: 'URI:https://*' }, true],
    [['HTTPS://b.example/a'], { pattern: 'URI:*' }, true],
    [['https:/b.example'], { pattern: 'URI:*' }, false],
    [['//b.example'], { pattern: 'URI:*' }, false],
    [['a https://b.example'], { pattern: 'URI:*' }, false],
    [['CN=A'], { pattern: 'URI:*' }, false],
    [[], { pattern: '*' }, false],
  ])('%j by %j: %s', (names, identity, expected) => expect(revokes(names, [{ identity }])).toBe(expected))

  test('of its issuer, if that is exact', () => {
    const revoked = [{ identity: 'a', issuer: 'https://i.example' }]
    expect(revokes(['a'], revoked, 'https://i.example')).toBe(true)
    expect(revokes(['a'], revoked, 'https://other.example')).toBe(false)
    expect(revokes(['a'], revoked, { pattern: 'https://i.*' })).toBe(false)
    expect(revokes(['a'], revoked)).toBe(false)
    expect(revokes(['a'], [{ identity: 'a', issuer: { pattern: '**' } }])).toBe(false)
  })

  test('for good only: a signature can be proven to be outside every window', () => {
    expect(revokes(['a'], [{ identity: 'a', from: '2026-01-01T00:00:00Z' }])).toBe(false)
    expect(revokes(['a'], [{ identity: 'a', until: '2026-01-01T00:00:00Z' }])).toBe(false)
  })
})
