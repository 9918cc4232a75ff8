import { describe, expect, test } from 'vitest'
import { authority } from '../../testing/authority.ts'
import type { Authorities } from '../roots/certificates.ts'
import type { CompiledRoot } from '../roots/roots.ts'
import { Revocations } from '../revocations/revocations.ts'
import type { TextPattern } from '../schema/text.ts'
import { certificateMethod } from './certificate.ts'

const root = await authority('Root')
const intermediate = await authority('Intermediate', { issuer: root })
const NONE: Authorities = { roots: [], intermediates: [] }
const ROOT: Authorities = { roots: [root.der], intermediates: [] }

interface Names {
  subject?: TextPattern
  san?: TextPattern
  issuer?: TextPattern
}

const accepted = (names: Names, name = 'r') => certificateMethod.compile({ certificate: { root: name, ...names } })

function policy(trusted = ROOT, revoked = NONE) {
  const roots = new Map<string, CompiledRoot>([
    ['r', { kind: 'certificates', name: 'r', trusted, revoked, crls: [] as Buffer[] } as CompiledRoot],
    ['key', { kind: 'publicKey', name: 'key', keys: [] }],
  ])
  return { roots, timestampAuthorities: [], revocations: new Revocations() }
}

describe('a signer is warned about', () => {
  const found = (names: Names) => certificateMethod.dangers(accepted(names)).map(({ code, message }) => [code, message])
  const codes = (names: Names) => found(names).map(([code]) => code)

  test('that nearly everybody is', () => {
    const anyone = [['SIGNER_BROAD', 'Anyone with a certificate under "r" is accepted.']]
    expect(found({})).toEqual(anyone)
    expect(found({ issuer: 'CN=Root' })).toEqual(anyone)
    const nearly = [['SIGNER_BROAD', 'The pattern matches nearly everybody under "r".']]
    expect(found({ subject: { pattern: '**' } })).toEqual(nearly)
    expect(found({ subject: { pattern: '**' }, san: { pattern: '**' } })).toEqual(nearly)
    expect(codes({ subject: { pattern: '**' }, san: 'DNS:a' })).toEqual([])
    expect(codes({ subject: 'CN=A' })).toEqual([])
  })

  test.each([
    ['/O=Acme/CN=A', 'O=Acme,CN=A'],
    ['/CN=A', 'CN=A'],
    ['CN = A', 'CN=A'],
    ['CN = A, O = Acme', 'CN=A,O=Acme'],
    ['CN=A, O=Acme', 'CN=A,O=Acme'],
    ['CN=A, OU=Acme', 'CN=A,OU=Acme'],
    ['CN=A,  O=Acme', 'CN=A,O=Acme'],
    ['CN=A,O = Acme', 'CN=A,O=Acme'],
    ['CN = A, O=b = c', 'CN=A,O=b = c'],
    ['/O=a/b/CN=A', 'O=a/b,CN=A'],
  ])('that is written as %s instead of %s', (written, instead) => {
    const message = (field: string) =>
      `The ${field} "${written}" cannot match anything. Write the name as in RFC 4514, without spaces around "," and "=": "${instead}", or with the attributes in reverse order.`
    expect(found({ subject: written })).toEqual([['SIGNER_MISSPELT', message('subject')]])
    expect(found({ subject: 'CN=X', issuer: written })).toEqual([['SIGNER_MISSPELT', message('issuer')]])
  })

  test.each(['CN=A', 'CN=A,O=Acme', 'CN=A\\, B,O=C', 'CN=A\\, B=C', 'x /CN=A', '/A', 'CN=a = b', 'A, B'])(
    'but not if it is written as %s',
    (written) => expect(codes({ subject: written })).toEqual([]),
  )

  test('whose alternative name has a space after its type', () => {
    expect(found({ san: 'email: a@b.example' })).toEqual([
      ['SIGNER_MISSPELT', 'The san "email: a@b.example" cannot match anything. Write "email:a@b.example".'],
    ])
    expect(found({ san: 'email:  a@b.example' }).map(([, message]) => message)).toEqual([
      expect.stringContaining('Write "email:a@b.example".'),
    ])
    for (const san of ['email:a@b.example', 'DNS:CN = A', 'email:a: b', 'otherName:1.2: a'] as const)
      expect(codes({ san })).toEqual([])
  })
})

describe('an entry is revoked', () => {
  const isRevoked = (names: Names, identity: TextPattern, issuer?: string) => {
    const facts = policy()
    facts.revocations.add({ identities: [{ identity, ...(issuer !== undefined && { issuer }) }] })
    return certificateMethod.isRevoked(accepted(names), facts)
  }

  test.each<[Names, TextPattern, boolean]>([
    [{ subject: 'CN=A,O=B' }, 'CN=A,O=B', true],
    [{ subject: 'CN=A,O=B' }, 'A', true],
    [{ subject: 'O=B,CN=A' }, 'A', true],
    [{ subject: 'O=B+CN=A' }, 'A', true],
    [{ subject: 'CN=A+O=B' }, 'A', true],
    [{ subject: 'cn=A' }, 'A', true],
    [{ subject: 'UID=A' }, 'A', true],
    [{ subject: 'E=a@b.example' }, 'a@b.example', true],
    [{ subject: 'emailAddress=a@b.example' }, { pattern: 'email:*' }, true],
    [{ subject: 'CN=A\\, B,O=C' }, 'A, B', true],
    [{ subject: 'O=x\\,CN=A' }, 'A', false],
    [{ subject: 'OCN=A' }, 'A', false],
    [{ subject: 'O=B' }, 'B', false],
    [{ subject: { pattern: 'CN=A' } }, 'A', false],
    [{ san: 'email:a@b.example' }, 'a@b.example', true],
    [{ subject: 'CN=A', san: 'email:a@b.example' }, 'a@b.example', true],
    [{ san: { pattern: 'email:a@b.example' } }, 'a@b.example', false],
    [{}, { pattern: '**' }, false],
  ])('%j by %j: %s', (names, identity, expected) => expect(isRevoked(names, identity)).toBe(expected))

  test('if its issuer is the one of the revocation', () => {
    expect(isRevoked({ subject: 'CN=A', issuer: 'CN=R' }, 'A', 'CN=R')).toBe(true)
    expect(isRevoked({ subject: 'CN=A', issuer: 'CN=S' }, 'A', 'CN=R')).toBe(false)
    expect(isRevoked({ subject: 'CN=A' }, 'A', 'CN=R')).toBe(false)
  })

  test('if all of its roots are', () => {
    const by = (trusted: Authorities, revoked: Authorities, name?: string) =>
      certificateMethod.isRevoked(accepted({ subject: 'CN=A' }, name), policy(trusted, revoked))
    const roots = { roots: [root.der], intermediates: [] }
    const between = { roots: [], intermediates: [intermediate.der] }
    expect(by(NONE, roots)).toBe(true)
    expect(by(between, roots)).toBe(true)
    expect(by(roots, roots)).toBe(false)
    expect(by(NONE, NONE)).toBe(false)
    expect(by(roots, between)).toBe(false)
    expect(by(NONE, between)).toBe(false)
    expect([by(NONE, roots, 'key'), by(NONE, roots, 'nowhere')]).toEqual([false, false])
  })
})
