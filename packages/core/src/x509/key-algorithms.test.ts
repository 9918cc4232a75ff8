import { generateKeyPairSync, sign, verify, type KeyObject } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { atOnce } from '../source/turns.ts'
import { hashOf, isSignedBy, SIGNING_KEYS, signWith } from './key-algorithms.ts'

const DATA = Buffer.from('statement')
const pairOn = (namedCurve: string) => generateKeyPairSync('ec', { namedCurve })
const other = generateKeyPairSync('ed25519')

describe.each([
  ['prime256v1', 'sha256'],
  ['secp384r1', 'sha384'],
  ['secp521r1', 'sha512'],
])('a key on %s', (curve, hash) => {
  const { publicKey, privateKey } = pairOn(curve)

  test(`signs with ${hash}, in DER`, () => {
    expect(hashOf(publicKey)).toBe(hash)
    const signature = signWith(privateKey, DATA, hash)
    expect(verify(hash, DATA, { key: publicKey, dsaEncoding: 'der' }, signature)).toBe(true)
    expect(atOnce(isSignedBy(publicKey, [DATA], signature))).toBe(true)
  })

  test('verifies only its own signatures of the same bytes', () => {
    const signature = sign(hash, DATA, privateKey)
    expect(atOnce(isSignedBy(publicKey, [DATA.subarray(0, 3), DATA.subarray(3)], signature))).toBe(true)
    expect(atOnce(isSignedBy(publicKey, [DATA.subarray(3), DATA.subarray(0, 3)], signature))).toBe(false)
    expect(atOnce(isSignedBy(publicKey, [], signature))).toBe(false)
    expect(atOnce(isSignedBy(pairOn(curve).publicKey, [DATA], signature))).toBe(false)
    const flat = sign(hash, DATA, { key: privateKey, dsaEncoding: 'ieee-p1363' })
    expect(atOnce(isSignedBy(publicKey, [DATA], flat))).toBe(false)
  })
})

test('a signature with another hash is verified only if that is asked for', () => {
  const { publicKey, privateKey } = pairOn('secp384r1')
  const signature = sign('sha256', DATA, privateKey)
  expect(atOnce(isSignedBy(publicKey, [DATA], signature))).toBe(false)
  expect(atOnce(isSignedBy(publicKey, [DATA], signature, 'sha256'))).toBe(true)
})

test('other work can run after each piece', () => {
  const { publicKey, privateKey } = pairOn('prime256v1')
  const steps = isSignedBy(publicKey, [DATA, DATA, DATA], sign('sha256', Buffer.concat([DATA, DATA, DATA]), privateKey))
  const outcomes = [1, 2, 3, 4].map(() => steps.next())
  expect(outcomes.map(({ done }) => done)).toEqual([false, false, false, true])
  expect(outcomes[3]?.value).toBe(true)
})

test.each<[string, KeyObject]>([
  ['on another curve', pairOn('secp256k1').publicKey],
  ['of another kind', other.publicKey],
  [
    'of another kind that names a curve',
    { asymmetricKeyType: 'x', asymmetricKeyDetails: { namedCurve: 'prime256v1' } } as unknown as KeyObject,
  ],
  [
    'on a curve that is no own property',
    { asymmetricKeyType: 'ec', asymmetricKeyDetails: { namedCurve: 'toString' } } as unknown as KeyObject,
  ],
  ['without details', { asymmetricKeyType: 'ec' } as unknown as KeyObject],
])('a key %s cannot sign models', (_, key) => {
  expect(hashOf(key)).toBeUndefined()
  expect(() => signWith(key, DATA, 'sha256')).toThrow(new RangeError('not a key that can sign models'))
  expect(atOnce(isSignedBy(key, [DATA], Buffer.alloc(64)))).toBe(false)
  expect(atOnce(isSignedBy(key, [DATA], Buffer.alloc(64), 'sha256'))).toBe(false)
})

test('the keys are named in messages', () => {
  expect(SIGNING_KEYS).toBe('an elliptic curve key on P-256, P-384 or P-521')
})
