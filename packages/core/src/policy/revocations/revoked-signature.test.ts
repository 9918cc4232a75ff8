import { describe, expect, test } from 'vitest'
import type { UnverifiedBundle } from '../../bundle/bundle.ts'
import { Manifest } from '../../manifest/manifest.ts'
import { authority, inDays, signingLeaf } from '../../testing/authority.ts'
import { keyPair } from '../../testing/bundles.ts'
import { publicKeyOf } from '../../x509/public-key.ts'
import type { VerifiedSignature } from '../../verification/verified-signature.ts'
import { revokedFile } from './revoked-file.ts'
import { Revocations } from './revocations.ts'
import { revokedModel, revokedSignature } from './revoked-signature.ts'
import type { RevokedText } from './schema.ts'

const DIGEST = 'ab'.repeat(32)
const OTHER = 'cd'.repeat(32)
const root = await authority('Root')
const leaf = await signingLeaf(root)
const { publicKey } = keyPair()

const files = (...digests: string[]) =>
  new Manifest(
    'model',
    { method: 'files', hashType: 'sha256', allowSymlinks: false },
    digests.map((digest, index) => ({ name: `file-${index}`, digest })),
  )
const manifest = files(OTHER, DIGEST)

function revoking(revoked: RevokedText): Revocations {
  const revocations = new Revocations()
  revocations.add(revoked)
  return revocations
}

/** A bundle with a key, and its signature as it was verified. */
const byKey = { material: { method: 'key', hint: undefined, rawBytes: undefined } } as unknown as UnverifiedBundle
const keySignature = { signer: { method: 'key', fingerprint: publicKey.fingerprint }, manifest } as VerifiedSignature
const byCertificate = {
  material: { method: 'certificate', certificates: [leaf.der] },
} as unknown as UnverifiedBundle
const certificateSignature = {
  signer: { method: 'certificate', notBefore: inDays(-1).toISOString() },
  time: { at: inDays(0).toISOString() },
  issuerPath: [root.der],
  manifest,
} as unknown as VerifiedSignature

const window = (from: number, until: number) => ({
  from: inDays(from).toISOString(),
  until: inDays(until).toISOString(),
})

describe('a valid signature is revoked', () => {
  test('by the key that verified it, even if the bundle does not name it', async () => {
    const refused = await revokedSignature(byKey, keySignature, revoking({ keys: [publicKey.fingerprint] }), undefined)
    expect(refused?.code).toBe('KEY_REVOKED')
    expect(await revokedSignature(byKey, keySignature, revoking({ keys: [OTHER] }), undefined)).toBeUndefined()
  })

  test('by its certificate, and by an authority that the bundle does not have', async () => {
    const code = async (revoked: RevokedText) =>
      (await revokedSignature(byCertificate, certificateSignature, revoking(revoked), undefined))?.code
    expect(await code({ identities: [{ identity: 'CN=Signer' }] })).toBe('IDENTITY_REVOKED')
    expect(await code({ keys: [publicKeyOf(root.x509.publicKey).fingerprint] })).toBe('KEY_REVOKED')
    expect(await code({ identities: [{ identity: 'CN=Other' }], keys: [OTHER] })).toBeUndefined()
  })

  test('unless it was provably made outside the window', async () => {
    const code = async (days: readonly [number, number]) => {
      const revoked = revoking({ identities: [{ identity: 'CN=Signer', ...window(...days) }] })
      return (await revokedSignature(byCertificate, certificateSignature, revoked, undefined))?.code
    }
    expect(await code([-3, -2])).toBeUndefined()
    expect(await code([-3, -0.5])).toBe('IDENTITY_REVOKED')
    expect(await code([1, 2])).toBeUndefined()
    const key = revoking({ keys: [{ fingerprint: publicKey.fingerprint, ...window(1, 2) }] })
    const dated = { ...keySignature, time: { at: inDays(0).toISOString() } } as VerifiedSignature
    expect((await revokedSignature(byKey, keySignature, key, undefined))?.code).toBe('KEY_REVOKED')
    expect(await revokedSignature(byKey, dated, key, undefined)).toBeUndefined()
  })

  test('but not once the caller has aborted', async () => {
    const many = {
      material: { method: 'certificate', certificates: [leaf.der, root.der] },
    } as unknown as UnverifiedBundle
    const revocations = revoking({ keys: [OTHER] })
    const { signal } = { signal: AbortSignal.abort() }
    await expect(revokedSignature(many, certificateSignature, revocations, signal)).rejects.toMatchObject({
      code: 'ABORTED',
    })
    const paths = { ...certificateSignature, issuerPath: [leaf.der, root.der] }
    await expect(revokedSignature(byCertificate, paths, revocations, signal)).rejects.toMatchObject({ code: 'ABORTED' })
    await expect(revokedModel(many, certificateSignature, revocations, signal)).rejects.toMatchObject({
      code: 'ABORTED',
    })
  })
})

describe('a model with a valid signature is revoked', () => {
  const code = async (revoked: RevokedText, signature = certificateSignature) =>
    (await revokedModel(byCertificate, signature, revoking(revoked), undefined))?.code

  test('by its root digest, its signer, and its files', async () => {
    expect(await code({ rootDigests: [manifest.rootDigest] })).toBe('MODEL_REVOKED')
    expect(await code({ identities: [{ identity: 'CN=Signer' }] })).toBe('IDENTITY_REVOKED')
    expect(await code({ fileDigests: [DIGEST] })).toBe('FILE_REVOKED')
    expect(await code({ rootDigests: [DIGEST], identities: [{ identity: 'CN=Other' }] })).toBeUndefined()
  })

  test('unless it was provably signed outside the window', async () => {
    for (const [from, until, expected] of [
      [-3, -2, false],
      [-0.5, 1, true],
      [1, 2, false],
    ] as const) {
      const revoked = window(from, until)
      const found = [
        await code({ rootDigests: [{ digest: manifest.rootDigest, ...revoked }] }),
        await code({ fileDigests: [{ digest: DIGEST, ...revoked }] }),
      ]
      expect(found).toEqual(expected ? ['MODEL_REVOKED', 'FILE_REVOKED'] : [undefined, undefined])
    }
  })
})

describe('a file is revoked', () => {
  test('by its digest, with its name', () => {
    expect(revokedFile(manifest, revoking({ fileDigests: [DIGEST] }), undefined)).toMatchObject({
      code: 'FILE_REVOKED',
      file: 'file-1',
    })
    expect(revokedFile(files(OTHER), revoking({ fileDigests: [DIGEST] }), undefined)).toBeUndefined()
    expect(revokedFile(manifest, new Revocations(), undefined)).toBeUndefined()
  })

  test('by digests of the algorithm of the manifest only', () => {
    expect(revokedFile(manifest, revoking({ fileDigests: [`blake3:${DIGEST}`] }), undefined)).toBeUndefined()
  })

  test('by no digest of a shard, which is not that of a file', () => {
    const sharded = new Manifest(
      'model',
      { method: 'shards', hashType: 'sha256', allowSymlinks: false, shardSize: 100 },
      [{ name: 'a:0:50', digest: DIGEST }],
    )
    expect(revokedFile(sharded, revoking({ fileDigests: [DIGEST] }), undefined)).toBeUndefined()
  })
})
