import { describe, expect, test } from 'vitest'
import { authority, signingLeaf } from '../../testing/authority.ts'
import { keyPair, sha256 } from '../../testing/bundles.ts'
import { field, refusal } from '../../testing/scratch.ts'
import { Fields } from '../fields.ts'
import { claimedSigner, parseMaterial, type VerificationMaterial } from './materials.ts'

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
      field('material.publicKey.keyDetails', 'a non-empty string', '"1"'),
    ],
    [
      'a fingerprint that is a number',
      { publicKey: { hint: 1 } },
      field('material.publicKey.hint', 'a non-empty string', '"1"'),
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
