import { expect, test } from 'vitest'
import type { SigningMethod } from '../../bundle/materials/materials.ts'
import { methodOf, signerSchema, writtenMethod, type SignerText } from './methods.ts'

const WRITTEN = {
  key: { key: 'r' },
  certificate: { certificate: { root: 'r', subject: 'CN=A', san: 'email:a@b.example', issuer: { pattern: 'CN=*' } } },
  sigstore: {
    sigstore: {
      root: 'r',
      issuer: 'https://i.example',
      identity: { pattern: 'a@*' },
      extensions: { buildTrigger: 'push' },
    },
  },
} satisfies Record<SigningMethod, SignerText>

const ROOTS = { key: 'publicKey', certificate: 'certificates', sigstore: 'sigstore' }

test.each(Object.entries(WRITTEN))(
  'the record of the method %s is that of its entries in policies',
  (name, written) => {
    const method = methodOf(name as SigningMethod)
    expect(writtenMethod(written)).toBe(method)
    expect([method.method, method.root]).toEqual([name, ROOTS[name as SigningMethod]])
    expect(method.rootName(written)).toBe('r')
    expect(method.compile(written, { keys: [] } as never)).toMatchObject({ method: name, root: 'r' })
    expect(signerSchema.check(written)).toEqual({ value: written })
  },
)

test('there is no other method', () => {
  expect(() => methodOf('none' as never)).toThrow(new RangeError('no method none'))
})

test.each<[unknown, string]>([
  [{}, 'a method'],
  [{ key: '' }, 'an empty name'],
  [{ key: 'x'.repeat(201) }, 'a long name'],
  [{ key: 'r', more: 1 }, 'another field'],
  [{ certificate: { subject: 'CN=A' } }, 'no root'],
  [{ certificate: { root: 'r', cn: 'A' } }, 'another field'],
  [{ certificate: { root: 'r', subject: '' } }, 'an empty subject'],
  [{ certificate: { root: 'r', issuer: '' } }, 'an empty issuer'],
  [{ certificate: { root: 'r', san: 'a@b.example' } }, 'an alternative name without its type'],
  [{ sigstore: { root: 'r', issuer: 'i' } }, 'no identity'],
  [{ sigstore: { root: 'r', identity: 'i' } }, 'no issuer'],
  [{ sigstore: { issuer: 'i', identity: 'i' } }, 'no root'],
  [{ sigstore: { root: 'r', issuer: 'i', identity: 'i', extensions: { other: 'x' } } }, 'an unknown extension'],
  [{ sigstore: { root: 'r', issuer: 'i', identity: 'i', extensions: { buildTrigger: '' } } }, 'an empty extension'],
])('the entry %j is refused: %s', (written) => {
  expect('issues' in signerSchema.check(written)).toBe(true)
})

test.each([
  'email:a',
  'URI:a',
  'DNS:a',
  'IP:::1',
  'DirName:O=a',
  'RID:1.2',
  'otherName:1.2:a',
  'otherName:1.22.3:a',
  'otherName:12.3:a',
])('an alternative name has a type: %s', (san) => {
  expect('value' in signerSchema.check({ certificate: { root: 'r', san } })).toBe(true)
})

test.each([
  'email:',
  'mail:a',
  ' email:a',
  'otherName:a:b',
  'otherName:1.:b',
  'otherName:1.2',
  'otherName:1:a',
  'otherName:.1:a',
  'dns:a',
])('an alternative name is not %s', (san) => {
  const checked = signerSchema.check({ certificate: { root: 'r', san } })
  expect(JSON.stringify(checked)).toContain(
    'expected a name with its type: email:…, URI:…, DNS:…, IP:… or otherName:OID:…',
  )
})

test('a pattern of an alternative name needs no type', () => {
  expect('value' in signerSchema.check({ certificate: { root: 'r', san: { pattern: '*' } } })).toBe(true)
})
