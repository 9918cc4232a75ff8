import { describe, expect, test } from 'vitest'
import type { UnverifiedBundle } from '../../bundle/bundle.ts'
import type { VerificationMaterial } from '../../bundle/materials/materials.ts'
import { authority, issue, signingLeaf } from '../../testing/authority.ts'
import { keyPair } from '../../testing/bundles.ts'
import { IDENTITY, ISSUER, TestSigstore } from '../../testing/sigstore.ts'
import { timestamp, timestampAuthority } from '../../testing/timestamp.ts'
import { logEntriesOf, signerNamedBy, statedTimestamps } from './claimed-signer.ts'

const HEX = /^[0-9a-f]{64}$/
const named = (material: VerificationMaterial) => signerNamedBy(material, 'model.sig')

describe('a key', () => {
  const { publicKey } = keyPair()
  const { fingerprint } = publicKey
  const rawBytes = publicKey.key.export({ type: 'spki', format: 'der' })

  test('is named by its fingerprint', async () => {
    const signer = { description: `key sha256:${fingerprint}`, fingerprint }
    expect(await named({ method: 'key', hint: fingerprint })).toEqual({ signer })
    const carried = await named({ method: 'key', rawBytes, hint: 'f'.repeat(64) })
    expect(carried.signer).toEqual(signer)
    expect(carried.key?.fingerprint).toBe(fingerprint)
  })

  test.each(['the release key', fingerprint.toUpperCase(), fingerprint.slice(1), `${fingerprint}0`, `x${fingerprint}`])(
    'is quoted if its name is no fingerprint: %s',
    async (hint) => {
      expect(await named({ method: 'key', hint })).toEqual({ signer: { description: `key ${JSON.stringify(hint)}` } })
    },
  )

  test('that cannot be read names nobody', async () => {
    expect(await named({ method: 'key', rawBytes: Buffer.from('junk') })).toEqual({})
    expect(await named({ method: 'key' })).toEqual({ signer: { description: 'key ""' } })
  })
})

describe('a certificate', () => {
  test('is named with its subject, its names, its issuer and its validity', async () => {
    const root = await authority('Root')
    const notBefore = new Date('2026-01-01T00:00:00Z')
    const notAfter = new Date('2027-01-01T00:00:00Z')
    const leaf = await signingLeaf(root, { names: [[1, 'a@b.org']], notBefore, notAfter })
    const { signer, key } = await named({ method: 'certificate', certificates: [leaf.der, root.der, root.der] })
    expect(signer).toEqual({
      description: expect.stringContaining('a@b.org') as string,
      fingerprint: expect.stringMatching(HEX) as string,
      serialNumber: expect.stringMatching(/^[0-9a-f]+$/) as string,
      subject: 'CN=Signer',
      subjectAltNames: ['email:a@b.org'],
      issuer: 'CN=Root',
      notBefore: notBefore.toISOString(),
      notAfter: notAfter.toISOString(),
      furtherCertificates: 2,
    })
    expect(key?.fingerprint).toMatch(HEX)
  })

  test('that is alone has no further ones', async () => {
    const { signer } = await named({
      method: 'certificate',
      certificates: [(await signingLeaf(await authority('Root'))).der],
    })
    expect(signer).not.toHaveProperty('furtherCertificates')
    expect(signer).not.toHaveProperty('identity')
  })

  test('with a key that cannot sign is named without its key', async () => {
    const weak = await issue({ subject: 'Weak', algorithm: 'Ed25519' })
    const { signer, key } = await named({ method: 'certificate', certificates: [weak.der] })
    expect(signer).toMatchObject({ subject: 'CN=Weak' })
    expect(key).toBeUndefined()
  })

  test('that cannot be read, or is not there, names nobody', async () => {
    expect(await named({ method: 'certificate', certificates: [Buffer.from('junk')] as never })).toEqual({})
    expect(await named({ method: 'certificate', certificates: [] as never })).toEqual({})
  })
})

test('a keyless signature is named by its identity and issuer', async () => {
  const { material } = await new TestSigstore().bundle()
  const { signer, key } = await named(material)
  expect(signer).toMatchObject({
    description: expect.stringContaining(IDENTITY) as string,
    identity: IDENTITY,
    issuer: ISSUER,
    fingerprint: expect.stringMatching(HEX) as string,
  })
  expect(signer).not.toHaveProperty('subject')
  expect(key?.fingerprint).toMatch(HEX)
})

test('a chain with the certificate of a keyless signature is named like any other', async () => {
  const { material } = await new TestSigstore().bundle()
  const certificates = [(material as unknown as { certificate: Buffer }).certificate]
  const { signer } = await named({ method: 'certificate', certificates })
  expect(signer?.subjectAltNames).toEqual([expect.stringContaining(IDENTITY)])
  expect(signer).not.toHaveProperty('identity')
})

test('a fault of this program is not reported as a signer that cannot be read', async () => {
  const bug = new TypeError('a mistake')
  const material = {
    method: 'key',
    get rawBytes(): Buffer {
      throw bug
    },
  } as const
  await expect(named(material)).rejects.toBe(bug)
})

test('a keyless signature with another certificate is named like that certificate', async () => {
  const leaf = await signingLeaf(await authority('Root'))
  const { signer } = await named({ method: 'sigstore', certificate: leaf.der } as never)
  expect(signer).toMatchObject({ subject: 'CN=Signer', issuer: 'CN=Root' })
  expect(signer).not.toHaveProperty('identity')
})

test('timestamps state their times, as far as they can be read', async () => {
  const { signer } = await timestampAuthority()
  const at = new Date('2026-11-01T00:00:00Z')
  const timestamps = [Buffer.from('junk'), await timestamp(signer, Buffer.from('x'), { at })]
  expect(await statedTimestamps({ timestamps, path: 'm.sig' } as unknown as UnverifiedBundle)).toEqual([
    at.toISOString(),
  ])
})

describe('log entries', () => {
  const entries = (...tlogEntries: unknown[]) =>
    logEntriesOf({ json: { verificationMaterial: { tlogEntries } } } as unknown as UnverifiedBundle)

  test('are shown with their index, their log and their time', () => {
    expect(entries({ logIndex: '7', logId: { keyId: 'AAAA' }, integratedTime: '1700000000' })).toEqual([
      { index: '7', log: 'AAAA', at: '2023-11-14T22:13:20.000Z' },
    ])
    expect(entries({ logIndex: 7, logId: { keyId: 'AAAA' } })).toEqual([{ index: '7', log: 'AAAA' }])
  })

  test.each(['0', '-1', 'soon', '1e300', {}, null])('have no time if it is none: %j', (integratedTime) => {
    expect(entries({ logIndex: '1', logId: { keyId: 'AAAA' }, integratedTime })).toEqual([{ index: '1', log: 'AAAA' }])
  })

  test('are unknown as far as they cannot be read', () => {
    const unknown = { index: 'unknown', log: 'unknown' }
    const long = 'x'.repeat(101)
    expect(
      entries({}, null, 'text', { logIndex: '', logId: 'text' }, { logIndex: long, logId: { keyId: long } }),
    ).toEqual(Array(5).fill(unknown))
    expect(entries({ logIndex: 'x'.repeat(100), logId: { keyId: {} } })).toEqual([
      { index: 'x'.repeat(100), log: 'unknown' },
    ])
  })

  test('are at most eight', () => {
    expect(entries(...Array<object>(9).fill({ logIndex: '1' }))).toHaveLength(8)
  })

  test('are not there in other bundles', () => {
    for (const json of [
      undefined,
      null,
      'text',
      {},
      { verificationMaterial: 'text' },
      { verificationMaterial: { tlogEntries: {} } },
    ])
      expect(logEntriesOf({ json } as unknown as UnverifiedBundle)).toEqual([])
  })
})
