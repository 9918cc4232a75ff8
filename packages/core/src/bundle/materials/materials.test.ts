import { describe, expect, test } from 'vitest'
import { authority, signingLeaf } from '../../testing/authority.ts'
import { keyPair, sha256 } from '../../testing/bundles.ts'
import { field, refusal } from '../../testing/scratch.ts'
import { Fields } from '../fields.ts'
import { checkBefore03, claimedSigner, parseMaterial, type VerificationMaterial } from './materials.ts'

const parsed = (json: unknown, path?: string) =>
  parseMaterial(new Fields(json, { code: 'BUNDLE_MALFORMED', file: path }, 'material'), path)
const chain = (count: number) => ({ x509CertificateChain: { certificates: Array(count).fill({ rawBytes: 'AQ==' }) } })

describe('the material', () => {
  test('of a keyless bundle is kept as JSON, and others are not', () => {
    expect(parsed({ certificate: { rawBytes: 'AQ==' }, tlogEntries: [{}] })).toEqual({
      material: { method: 'sigstore', certificate: Buffer.from([1]) },
      keepsJson: true,
    })
    expect(parsed({ publicKey: { hint: 'x' } })).toEqual({ material: { method: 'key', hint: 'x' }, keepsJson: false })
    expect(parsed(chain(1)).keepsJson).toBe(false)
  })

  test('is exactly one of three kinds', () => {
    const expected = 'one of publicKey, x509CertificateChain, certificate'
    for (const [json, found] of [
      [{}, 'none'],
      [{ publicKey: { hint: 'x' }, certificate: { rawBytes: 'AQ==' }, tlogEntries: [{}] }, 'publicKey, certificate'],
      [{ ...chain(1), publicKey: { hint: 'x' } }, 'publicKey, x509CertificateChain'],
    ] as const)
      expect(() => parsed(json, 'model.sig')).toThrow(
        refusal('BUNDLE_MALFORMED', { file: 'model.sig', expected, found }),
      )
    expect(() => parsed({ publicKey: { hint: 'x' }, more: 1 })).toThrow(
      refusal('BUNDLE_MALFORMED', field('material.more', 'no such field', '"more"')),
    )
    expect(parsed({ publicKey: { hint: 'x' }, tlogEntries: [], timestampVerificationData: {} }).material.method).toBe(
      'key',
    )
  })

  test('of a keyless bundle has a log entry', () => {
    for (const more of [{}, { tlogEntries: [] }])
      expect(() => parsed({ certificate: { rawBytes: 'AQ==' }, ...more })).toThrow(
        refusal('BUNDLE_MALFORMED', { expected: 'at least one log entry' }),
      )
    expect(() => parsed({ publicKey: { hint: 'x' }, tlogEntries: [7] })).toThrow(refusal('BUNDLE_MALFORMED'))
  })

  test('of a key has a fingerprint or a key, and what else Sigstore allows', () => {
    const key = (more: object) => parsed({ publicKey: { hint: 'x', ...more } }).material
    const plain = { method: 'key', hint: 'x' }
    expect(key({ keyDetails: 'PKIX_ED25519', validFor: { start: 'x' } })).toEqual(plain)
    expect(key({ keyDetails: '', validFor: '', rawBytes: '' })).toEqual(plain)
    expect(parsed({ publicKey: { hint: '', rawBytes: 'AQ==' } }).material).toEqual({
      method: 'key',
      rawBytes: Buffer.from([1]),
    })
    for (const publicKey of [{}, { hint: '' }, { hint: '', rawBytes: '' }, { keyDetails: 'x' }])
      expect(() => parsed({ publicKey })).toThrow(refusal('BUNDLE_MALFORMED', { expected: 'the fingerprint of a key' }))
    expect(() => key({ validFor: 'x' })).toThrow(refusal('BUNDLE_MALFORMED', { expected: 'an object' }))
    expect(() => key({ more: 1 })).toThrow(
      refusal('BUNDLE_MALFORMED', field('material.publicKey.more', 'no such field', '"more"')),
    )
  })

  test('of a chain has at least one certificate', () => {
    expect(() => parsed(chain(0))).toThrow(refusal('BUNDLE_MALFORMED', { expected: '1 to 33 certificates' }))
  })

  test('of version 0.2 is no single certificate', () => {
    const before03 = (json: object) => () => checkBefore03(new Fields(json, { code: 'BUNDLE_MALFORMED' }, 'material'))
    expect(before03({ publicKey: { hint: 'x' }, ...chain(1) })).not.toThrow()
    expect(before03({ certificate: { rawBytes: 'AQ==' } })).toThrow(
      refusal('BUNDLE_MALFORMED', { expected: 'no single certificate in a bundle of version 0.2' }),
    )
  })

  test('may be both a fingerprint and a key', () => {
    const { material } = parsed({ publicKey: { hint: 'x', rawBytes: 'AQ==' } })
    expect(material).toEqual({ method: 'key', hint: 'x', rawBytes: Buffer.from([1]) })
  })

  test('may be a chain of 33 certificates and no more', () => {
    expect(parsed(chain(33)).material).toEqual({
      method: 'certificate',
      certificates: Array.from({ length: 33 }, () => Buffer.from([1])),
    })
    expect(() => parsed(chain(34))).toThrow(
      refusal('BUNDLE_MALFORMED', {
        ...field('material.x509CertificateChain.certificates', '1 to 33 certificates', 'an array of length 34'),
      }),
    )
  })

  test.each<[string, object, object]>([
    [
      'a field next to its certificates',
      { x509CertificateChain: { certificates: [], more: 1 } },
      field('material.x509CertificateChain.more', 'no such field', '"more"'),
    ],
    [
      'a field next to the bytes of a certificate',
      { x509CertificateChain: { certificates: [{ rawBytes: 'AQ==', more: 1 }] } },
      field('material.x509CertificateChain.certificates[0].more', 'no such field', '"more"'),
    ],
    [
      'a field next to the bytes of a keyless certificate',
      { certificate: { rawBytes: 'AQ==', more: 1 }, tlogEntries: [{}] },
      field('material.certificate.more', 'no such field', '"more"'),
    ],
    [
      'key details that are a number',
      { publicKey: { hint: 'x', keyDetails: 1 } },
      field('material.publicKey.keyDetails', 'a non-empty string', '1'),
    ],
    [
      'a fingerprint that is a number',
      { publicKey: { hint: 1 } },
      field('material.publicKey.hint', 'a non-empty string', '1'),
    ],
  ])('cannot have %s', (_, json, details) => {
    expect(() => parsed(json)).toThrow(refusal('BUNDLE_MALFORMED', details))
  })

  test('is named with its file in every refusal', () => {
    const named = (json: object) => {
      try {
        return parsed(json, 'model.sig')
      } catch (error) {
        return (error as { file?: string }).file
      }
    }
    expect(named({})).toBe('model.sig')
    expect(named({ publicKey: { rawBytes: 'x' } })).toBe('model.sig')
    expect(named({ x509CertificateChain: { certificates: [{ rawBytes: 'x' }] } })).toBe('model.sig')
    expect(named({ certificate: { rawBytes: 'x' }, tlogEntries: [{}] })).toBe('model.sig')
  })
})

describe('the signer that a bundle names', async () => {
  const root = await authority('Root')
  const leaf = await signingLeaf(root)
  const { der } = leaf
  const { publicKey } = keyPair()

  test('is that of the fingerprint', async () => {
    expect(await claimedSigner({ method: 'key', hint: 'ab' })).toEqual({
      description: 'key sha256:ab',
      fingerprint: 'ab',
    })
  })

  test('is that of the key if the bundle carries one', async () => {
    const rawBytes = Buffer.from(publicKey.key.export({ type: 'spki', format: 'pem' }))
    expect(await claimedSigner({ method: 'key', hint: 'ab', rawBytes })).toEqual({
      description: `key sha256:${publicKey.fingerprint}`,
      fingerprint: publicKey.fingerprint,
    })
  })

  test('is that of the certificate', async () => {
    const signer = await claimedSigner({ method: 'certificate', certificates: [der, Buffer.from([1])] })
    expect(signer).toMatchObject({ fingerprint: sha256(der) })
    expect(signer).not.toHaveProperty('identity')
    expect(await claimedSigner({ method: 'sigstore', certificate: der })).toMatchObject({ fingerprint: sha256(der) })
  })

  test('of a keyless bundle has the name in its certificate', async () => {
    const named = await signingLeaf(root, { names: [[1, 'a@example.org']] })
    const signer = await claimedSigner({ method: 'sigstore', certificate: named.der })
    expect(signer).toEqual({
      description: 'CN=Signer (email:a@example.org)',
      fingerprint: sha256(named.der),
      identity: 'a@example.org',
    })
    expect(await claimedSigner({ method: 'sigstore', certificate: der })).not.toHaveProperty('identity')
  })

  test('is not unknown if something else fails', async () => {
    const failing = { method: 'certificate', certificates: 7 } as unknown as VerificationMaterial
    await expect(claimedSigner(failing)).rejects.toThrow(TypeError)
  })

  test('is unknown if it cannot be read', async () => {
    const unreadable = Buffer.from([1])
    for (const material of [
      { method: 'key' },
      { method: 'key', rawBytes: unreadable },
      { method: 'certificate', certificates: [] },
      { method: 'certificate', certificates: [unreadable] },
      { method: 'sigstore', certificate: unreadable },
    ] as VerificationMaterial[])
      expect(await claimedSigner(material)).toBeUndefined()
  })
})
