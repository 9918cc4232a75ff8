import { describe, expect, test } from 'vitest'
import { parseBundle, type UnverifiedBundle } from '../../bundle/bundle.ts'
import { bundleOver, encoded, keyPair, statementOver } from '../../testing/bundles.ts'
import { refusal } from '../../testing/scratch.ts'
import { timestamp, timestampAuthority } from '../../testing/timestamp.ts'
import type { PublicKey } from '../../x509/public-key.ts'
import { Effort } from '../effort.ts'
import { verifyKeyBundle } from './key.ts'

const PATH = 'model.sig'
const pair = keyPair()
const bundle: UnverifiedBundle = {
  ...parseBundle(bundleOver(encoded(statementOver({ weights: 'w' })), pair)),
  path: PATH,
}
const named = (hint: string): UnverifiedBundle => ({ ...bundle, material: { method: 'key', hint } })

describe('a refusal of a key', () => {
  test('names the file, and both keys', () => {
    const other = keyPair().publicKey
    const details = { file: PATH, signer: 'release', hint: expect.stringContaining('the publisher signs with') }
    expect(() => verifyKeyBundle(bundle, other, 'release')).toThrow(
      refusal('KEY_MISMATCH', {
        ...details,
        expected: `the key sha256:${other.fingerprint}`,
        found: `the key sha256:${pair.publicKey.fingerprint}`,
        message: expect.stringContaining('"release"'),
      }),
    )
    expect(() => verifyKeyBundle(named('somebody'), other, 'release')).toThrow(
      refusal('KEY_MISMATCH', { ...details, found: 'the key "somebody"' }),
    )
    const { fingerprint } = pair.publicKey
    for (const hint of [fingerprint.slice(1), `${fingerprint}0`, fingerprint.replace(/.$/, 'x')])
      expect(() => verifyKeyBundle(named(hint), pair.publicKey, 'release')).toThrow(refusal('KEY_MISMATCH'))
  })

  test('names the file, and both methods', () => {
    const keyless = { ...bundle, material: { method: 'sigstore', certificate: Buffer.alloc(1) } } as UnverifiedBundle
    expect(() => verifyKeyBundle(keyless, pair.publicKey, 'release')).toThrow(
      refusal('METHOD_MISMATCH', {
        file: PATH,
        signer: 'release',
        expected: 'the method key',
        found: 'the method sigstore',
        hint: expect.stringContaining('"modelseal verify sigstore"'),
      }),
    )
  })

  test('is not made if the bundle names no key at all, which parsing refuses', () => {
    const nameless: UnverifiedBundle = { ...bundle, material: { method: 'key' } }
    expect(verifyKeyBundle(nameless, pair.publicKey, 'release').signer.name).toBe('release')
  })
})

describe('the arguments', () => {
  test.each<[string, unknown]>([
    ['nothing', undefined],
    ['no key', { ...pair.publicKey, key: undefined }],
    ['a key that is a text', { ...pair.publicKey, key: 'pem' }],
    ['a key that is another object', { ...pair.publicKey, key: {} }],
    ['no hash', { ...pair.publicKey, hash: undefined }],
    ['a hash that is a number', { ...pair.publicKey, hash: 7 }],
    ['no fingerprint', { ...pair.publicKey, fingerprint: undefined }],
    ['a fingerprint that is a number', { ...pair.publicKey, fingerprint: 7 }],
  ])('are refused: %s', (_, key) => {
    expect(() => verifyKeyBundle(bundle, key as PublicKey, 'release')).toThrow(refusal('INVALID_ARGUMENT'))
  })

  test('are refused with what was expected', () => {
    const wrong = { ...pair.publicKey, key: {} } as unknown as PublicKey
    expect(() => verifyKeyBundle(bundle, wrong, 'release')).toThrow(
      refusal('INVALID_ARGUMENT', { expected: 'a KeyObject' }),
    )
    expect(() => verifyKeyBundle(bundle, 7 as unknown as PublicKey, 'release')).toThrow(
      refusal('INVALID_ARGUMENT', { message: expect.stringContaining('a public key') }),
    )
    expect(() => verifyKeyBundle({} as UnverifiedBundle, pair.publicKey, 'release')).toThrow(
      refusal('INVALID_ARGUMENT'),
    )
    const trust = { timestampAuthority: [] } as object
    expect(() => verifyKeyBundle(bundle, pair.publicKey, 'release', trust)).toThrow(
      refusal('INVALID_ARGUMENT', { message: expect.stringContaining('verifyKeyBundle') }),
    )
  })

  test('are read once', () => {
    let reads = 0
    const changing: PublicKey = {
      ...pair.publicKey,
      get fingerprint() {
        return reads++ === 0 ? pair.publicKey.fingerprint : 'another'
      },
    }
    expect(verifyKeyBundle(bundle, changing, 'release').signer.fingerprint).toBe(pair.publicKey.fingerprint)
    expect(reads).toBe(1)
  })
})

describe('with trusted authorities for timestamps', () => {
  test('the result has the time, and a copy of the bundle is verified', async () => {
    const tsa = await timestampAuthority()
    const stamped = { ...bundle, timestamps: [await timestamp(tsa.signer, bundle.envelope.signature)] }
    const trust = { timestampAuthorities: [tsa.root.der] }
    const result = await verifyKeyBundle(stamped, pair.publicKey, 'release', trust)
    expect(result.time).toMatchObject({ source: 'rfc3161', authority: 'CN=Time Authority' })
    expect(result.timestampPath).toEqual([tsa.signer.der, tsa.root.der])
    expect(result.signer.name).toBe('release')
    const forged = { ...bundle, timestamps: [await timestamp(tsa.signer, Buffer.from('other'))] }
    await expect(verifyKeyBundle(forged, pair.publicKey, 'release', trust)).rejects.toThrow(
      refusal('TIMESTAMP_INVALID', { file: PATH }),
    )
    expect(verifyKeyBundle(forged, pair.publicKey, 'release').time).toBeUndefined()
  })

  test('the caller can abort', async () => {
    const effort = new Effort(AbortSignal.abort())
    const tsa = await timestampAuthority()
    const stamped = { ...bundle, timestamps: [await timestamp(tsa.signer, bundle.envelope.signature)] }
    const trust = { timestampAuthorities: [tsa.root.der], effort }
    await expect(verifyKeyBundle(stamped, pair.publicKey, 'release', trust)).rejects.toThrow(refusal('ABORTED'))
  })
})
