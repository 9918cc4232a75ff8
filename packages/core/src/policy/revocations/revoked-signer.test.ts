import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { UnverifiedBundle } from '../../bundle/bundle.ts'
import { parseBundle, writeBundle } from '../../bundle/bundle.ts'
import { IN_TOTO_PAYLOAD_TYPE } from '../../bundle/dsse.ts'
import { authority, inDays, signingLeaf, type Issued } from '../../testing/authority.ts'
import { encoded, keyPair, statementOver } from '../../testing/bundles.ts'
import { keyFingerprints, publicKeyOf } from '../../x509/public-key.ts'
import { Revocations } from './revocations.ts'
import { certifiedKey, revokedAuthority, revokedByClaim, revokedSigner } from './revoked-signer.ts'
import type { RevokedText } from './schema.ts'

const root = await authority('Root')
const intermediate = await authority('Intermediate', { issuer: root })
const leaf = await signingLeaf(intermediate, { names: [[1, 'release@example.org']] })

function revoking(revoked: RevokedText): Revocations {
  const revocations = new Revocations()
  revocations.add(revoked)
  return revocations
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function keyOf({ x509 }: Issued): string {
  return publicKeyOf(x509.publicKey).fingerprint
}

/** A bundle with these certificates, whose signature nobody verifies here. */
function bundleOf(
  certificates: readonly Buffer[],
  payload = encoded(statementOver({ a: 'content' })),
): UnverifiedBundle {
  const material = {
    x509CertificateChain: { certificates: certificates.map((der) => ({ rawBytes: der.toString('base64') })) },
  }
  const signature = Buffer.from('no signature')
  return parseBundle(writeBundle(material, { payloadType: IN_TOTO_PAYLOAD_TYPE, payload, signature }))
}

const bundle = bundleOf([leaf.der, intermediate.der])

describe('the signer of a bundle is revoked', () => {
  test.each<[string, string, RevokedText, string]>([
    ['the key of its certificate', 'KEY_REVOKED', { keys: [keyOf(leaf)] }, keyOf(leaf)],
    ['the key of an authority', 'KEY_REVOKED', { keys: [keyOf(intermediate)] }, keyOf(intermediate)],
    ['its certificate', 'CERTIFICATE_REVOKED', { certificates: [sha256(leaf.der)] }, sha256(leaf.der)],
    [
      'that of an authority',
      'CERTIFICATE_REVOKED',
      { certificates: [sha256(intermediate.der)] },
      sha256(intermediate.der),
    ],
    [
      'the serial number of its certificate',
      'CERTIFICATE_REVOKED',
      { certificates: [{ serial: leaf.x509.serialNumber, issuer: 'CN=Intermediate' }] },
      'issued by "CN=Intermediate"',
    ],
    [
      'the serial number of that of an authority',
      'CERTIFICATE_REVOKED',
      { certificates: [{ serial: intermediate.x509.serialNumber, issuer: 'CN=Root' }] },
      'issued by "CN=Root"',
    ],
    [
      'an alternative name',
      'IDENTITY_REVOKED',
      { identities: [{ identity: 'release@example.org' }] },
      'release@example.org',
    ],
    ['its subject', 'IDENTITY_REVOKED', { identities: [{ identity: 'CN=Signer' }] }, 'CN=Signer'],
    [
      'the subject of an authority',
      'IDENTITY_REVOKED',
      { identities: [{ identity: 'CN=Intermediate' }] },
      'CN=Intermediate',
    ],
    [
      'its subject, by its issuer',
      'IDENTITY_REVOKED',
      { identities: [{ identity: 'CN=Signer', issuer: 'CN=Intermediate' }] },
      'CN=Signer',
    ],
    [
      'the subject of an authority, by its issuer',
      'IDENTITY_REVOKED',
      { identities: [{ identity: 'CN=Intermediate', issuer: 'CN=Root' }] },
      'CN=Intermediate',
    ],
  ])('by %s (%s)', async (_, code, revoked, named) => {
    const refused = await revokedSigner(bundle, revoking(revoked), undefined)
    expect(refused?.code).toBe(code)
    expect(refused?.message).toContain(named)
  })

  test.each<[string, RevokedText]>([
    ['an identity of another issuer', { identities: [{ identity: 'CN=Signer', issuer: 'CN=Root' }] }],
    ['an authority of another issuer', { identities: [{ identity: 'CN=Intermediate', issuer: 'CN=Other' }] }],
    ['a key that it does not have', { keys: [keyOf(root)] }],
    ['a serial number of another issuer', { certificates: [{ serial: leaf.x509.serialNumber, issuer: 'CN=Root' }] }],
    ['a root digest', { rootDigests: ['ab'.repeat(32)] }],
  ])('but not by %s', async (_, revoked) => {
    expect(await revokedSigner(bundle, revoking(revoked), undefined)).toBeUndefined()
  })

  test('only within the window of a revocation', async () => {
    const [from, until] = [inDays(-2), inDays(-1)]
    const window = { from: from.toISOString(), until: until.toISOString() }
    for (const revoked of [
      { keys: [{ fingerprint: keyOf(leaf), ...window }] },
      { certificates: [{ fingerprint: sha256(leaf.der), ...window }] },
      { identities: [{ identity: 'CN=Signer', ...window }] },
      { keys: [{ fingerprint: keyOf(intermediate), ...window }] },
      { identities: [{ identity: 'CN=Intermediate', ...window }] },
      { certificates: [{ serial: leaf.x509.serialNumber, issuer: 'CN=Intermediate', ...window }] },
    ]) {
      const code = async (time: number) =>
        (await revokedSigner(bundle, revoking(revoked), { earliest: time, latest: time }))?.code
      expect(await code(from.getTime() - 1)).toBeUndefined()
      expect(await code(from.getTime())).toBeDefined()
      expect(await code(until.getTime() - 1)).toBeDefined()
      expect(await code(until.getTime())).toBeUndefined()
      expect(await revokedSigner(bundle, revoking(revoked), undefined)).toBeDefined()
    }
  })

  test('by a certificate that cannot be parsed, which has no other names', async () => {
    const broken = Buffer.from('no certificate')
    const withBroken = bundleOf([leaf.der, broken])
    expect((await revokedSigner(withBroken, revoking({ certificates: [sha256(broken)] }), undefined))?.code).toBe(
      'CERTIFICATE_REVOKED',
    )
    expect((await revokedSigner(withBroken, revoking({ keys: [keyOf(leaf)] }), undefined))?.code).toBe('KEY_REVOKED')
    for (const revoked of [{ identities: [{ identity: 'CN=Other' }] }, { keys: [keyOf(root)] }])
      for (const order of [[leaf.der, broken], [broken, leaf.der], [broken]])
        expect(await revokedSigner(bundleOf(order), revoking(revoked), undefined)).toBeUndefined()
  })

  test('by the key that it names without a certificate', async () => {
    const { publicKey } = keyPair()
    const byKey = { material: { method: 'key', hint: publicKey.fingerprint } } as unknown as UnverifiedBundle
    const refused = await revokedSigner(byKey, revoking({ keys: [publicKey.fingerprint] }), undefined)
    expect(refused?.message).toContain(`The key sha256:${publicKey.fingerprint} is revoked`)
    const other = revoking({ keys: [keyOf(root)], certificates: [keyOf(root)], identities: [{ identity: 'CN=Root' }] })
    expect(await revokedSigner(byKey, other, undefined)).toBeUndefined()
  })

  test('unless the caller aborts', async () => {
    const revocations = revoking({ keys: [keyOf(root)] })
    await expect(revokedSigner(bundle, revocations, undefined, AbortSignal.abort())).rejects.toMatchObject({
      code: 'ABORTED',
    })
  })

  test('unless the caller aborts while the certificates are read', async () => {
    const controller = new AbortController()
    const certificates = await Promise.all(Array.from({ length: 6 }, async () => (await authority('Other')).der))
    setImmediate(() => setImmediate(() => controller.abort()))
    const revocations = revoking({ keys: [keyOf(root)] })
    await expect(revokedSigner(bundleOf(certificates), revocations, undefined, controller.signal)).rejects.toMatchObject({ code: 'ABORTED' }) // prettier-ignore
  })

  test('without looking at it if no signer is revoked', async () => {
    const hidden = {
      get material(): never {
        throw new Error('looked at')
      },
    }
    const other = revoking({ rootDigests: ['ab'.repeat(32)] })
    await expect(revokedSigner(hidden as unknown as UnverifiedBundle, other, undefined)).rejects.toThrow('looked at')
    const closed = { method: 'certificate', get certificates(): never { throw new Error('looked at') } } // prettier-ignore
    expect(await revokedSigner({ material: closed } as unknown as UnverifiedBundle, other, undefined)).toBeUndefined()
  })
})

describe('an authority on which a signature depends', () => {
  const path = { timestampPath: [intermediate.der], issuerPath: [root.der] }

  test.each<[string, RevokedText]>([
    ['KEY_REVOKED', { keys: [keyOf(intermediate)] }],
    ['KEY_REVOKED', { keys: [keyOf(root)] }],
    ['CERTIFICATE_REVOKED', { certificates: [sha256(intermediate.der)] }],
    ['CERTIFICATE_REVOKED', { certificates: [sha256(root.der)] }],
    ['IDENTITY_REVOKED', { identities: [{ identity: 'CN=Intermediate', issuer: 'CN=Root' }] }],
    ['IDENTITY_REVOKED', { identities: [{ identity: 'CN=Root' }] }],
  ])('is revoked (%s by %j)', async (code, revoked) => {
    expect((await revokedAuthority(path, revoking(revoked), undefined))?.code).toBe(code)
  })

  test('is revoked in every window, because only it says when it signed', async () => {
    const long = { from: '2001-01-01T00:00:00Z', until: '2001-01-02T00:00:00Z' }
    for (const revoked of [
      { keys: [{ fingerprint: keyOf(root), ...long }] },
      { identities: [{ identity: 'CN=Root', ...long }] },
      { certificates: [{ fingerprint: sha256(root.der), ...long }] },
    ])
      expect(await revokedAuthority(path, revoking(revoked), undefined)).toBeDefined()
  })

  test('is not revoked by what concerns others, nor if there is none', async () => {
    const others = revoking({ keys: [keyOf(leaf)], identities: [{ identity: 'CN=Intermediate', issuer: 'CN=Other' }] })
    expect(await revokedAuthority(path, others, undefined)).toBeUndefined()
    expect(await revokedAuthority({}, revoking({ keys: [keyOf(root)] }), undefined)).toBeUndefined()
    expect(await revokedAuthority(path, revoking({ rootDigests: ['ab'.repeat(32)] }), undefined)).toBeUndefined()
  })

  test('is not one that cannot be parsed, and those after it are looked up', async () => {
    const broken = { timestampPath: [Buffer.from('no certificate')], issuerPath: [root.der] }
    expect((await revokedAuthority(broken, revoking({ keys: [keyOf(root)] }), undefined))?.code).toBe('KEY_REVOKED')
    expect(await revokedAuthority(broken, revoking({ keys: [keyOf(leaf)] }), undefined)).toBeUndefined()
  })

  test('is not passed over because of a mistake of ours', async () => {
    const revocations = revoking({ keys: [keyOf(root)] })
    await expect(revokedAuthority({ timestampPath: [null as never] }, revocations, undefined)).rejects.toThrow(
      TypeError,
    )
  })

  test('is not looked up once the caller has aborted', async () => {
    await expect(revokedAuthority(path, revoking({ keys: [keyOf(leaf)] }), AbortSignal.abort())).rejects.toMatchObject({
      code: 'ABORTED',
    })
  })
})

describe('the claims of a bundle that is not verified', () => {
  const statement = statementOver({ a: 'content' })
  const digest = statement.subject[0].digest.sha256 as string

  test('refuse a model of a revoked root digest, whatever its files are and whoever signed it', async () => {
    for (const revoked of [{ digest }, { digest, from: '2001-01-01T00:00:00Z', until: '2001-01-02T00:00:00Z' }]) {
      const refused = await revokedByClaim(bundle, revoking({ rootDigests: [revoked] }), undefined)
      expect(refused?.code).toBe('MODEL_REVOKED')
      expect(refused?.message).toContain(`The model with the root digest sha256:${digest} is revoked`)
    }
    expect(await revokedByClaim(bundle, revoking({ rootDigests: ['ab'.repeat(32)] }), undefined)).toBeUndefined()
  })

  test('refuse a revoked signer first', async () => {
    const revocations = revoking({ rootDigests: [digest], keys: [keyOf(leaf)] })
    expect((await revokedByClaim(bundle, revocations, undefined))?.code).toBe('KEY_REVOKED')
  })

  test('are none if its statement cannot be read', async () => {
    const revocations = revoking({ rootDigests: [digest] })
    for (const payload of [
      Buffer.from('no JSON'),
      encoded({ ...statement, predicateType: 'https://example.org/other' }),
    ])
      expect(await revokedByClaim(bundleOf([leaf.der], payload), revocations, undefined)).toBeUndefined()
  })

  test('are not known if the statement is too large to be read', async () => {
    const long = Buffer.concat([encoded(statement), Buffer.alloc(4 * 1024 * 1024, ' ')])
    await expect(revokedByClaim(bundleOf([leaf.der], long), revoking({ rootDigests: [digest] }), undefined))
      .rejects // prettier-ignore
      .toMatchObject({ code: 'CLAIM_TOO_LARGE' })
    // If no model is revoked, it need not be read.
    expect(
      await revokedByClaim(bundleOf([leaf.der], long), revoking({ keys: [keyOf(root)] }), undefined),
    ).toBeUndefined()
  })

  test('are not known if the caller aborts while they are read', async () => {
    const files = Object.fromEntries(Array.from({ length: 20_000 }, (_, index) => [`file ${index}`, '']))
    const long = bundleOf([leaf.der], encoded(statementOver(files)))
    await expect(revokedByClaim(long, revoking({ rootDigests: [digest] }), AbortSignal.abort())).rejects.toMatchObject({
      code: 'ABORTED',
    })
  })

  test('are not known if the statement has too many values', async () => {
    const complex = encoded({ ...statement, more: Array.from({ length: 200_001 }, () => 0) })
    await expect(
      revokedByClaim(bundleOf([leaf.der], complex), revoking({ rootDigests: [digest] }), undefined),
    ).rejects.toMatchObject({ code: 'JSON_TOO_COMPLEX' })
  })
})

describe('the key of the certificate in a bundle', () => {
  test('is that of its leaf', async () => {
    expect(await certifiedKey(bundle.material)).toBe(keyOf(leaf))
    expect(keyFingerprints(publicKeyOf(leaf.x509.publicKey).key)).toContain(keyOf(leaf))
  })

  test('is unknown without a certificate, or without one that can be parsed', async () => {
    expect(await certifiedKey(bundleOf([Buffer.from('no certificate')]).material)).toBeUndefined()
    expect(await certifiedKey({ method: 'key', hint: 'ab' } as unknown as UnverifiedBundle['material'])).toBeUndefined()
  })
})
