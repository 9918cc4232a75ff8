import { expect, test } from 'vitest'
import type { UnverifiedBundle } from '../bundle/bundle.ts'
import type { VerifiedIdentity } from '../results.ts'
import { authority, signingLeaf } from '../testing/authority.ts'
import { signatureBy } from '../testing/evidence.ts'
import { publicKeyOf } from '../x509/public-key.ts'
import { signerNames } from './signer-names.ts'

test('a key is known by its fingerprint', async () => {
  const { signer } = signatureBy({ signer: { fingerprint: 'aa' } })
  const bundle = { material: { method: 'key' } } as UnverifiedBundle
  expect(await signerNames(signer, bundle)).toEqual(['key aa'])
})

test('a certificate is known by its names and by its key', async () => {
  const leaf = await signingLeaf(await authority('Root'))
  const signer = {
    method: 'certificate',
    fingerprint: 'bb',
    rootFingerprint: 'cc',
    subject: 'CN=Signer',
    subjectAltNames: [],
  } as unknown as VerifiedIdentity
  const bundle = { material: { method: 'certificate', certificates: [leaf.der] } } as unknown as UnverifiedBundle
  expect(await signerNames(signer, bundle)).toEqual([
    `key ${publicKeyOf(leaf.x509.publicKey).fingerprint}`,
    'subject cc CN=Signer',
    'certificate bb',
  ])
})
