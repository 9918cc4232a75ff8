import { expect, test } from 'vitest'
import type { KeyIdentity } from '../results.ts'
import { atOnce } from '../source/turns.ts'
import { encoded, statementOver } from '../testing/bundles.ts'
import { refusal } from '../testing/scratch.ts'
import { knownPayload } from './statement-signature.ts'
import { asVerified, signatureSteps, verifiedSignature } from './verified-signature.ts'

const signer: KeyIdentity = { method: 'key', name: 'release', fingerprint: 'abc', description: 'key sha256:abc' }

function envelopeOver(payload: Buffer) {
  const signed = knownPayload({ payloadType: 'application/vnd.in-toto+json', payload, signature: Buffer.alloc(0) })
  return asVerified({ signer, signed, bundleDigest: 'def' })
}

test('a verified signature has what was verified, and the manifest instead of its payload', async () => {
  const envelope = envelopeOver(encoded(statementOver({ weights: 'w' })))
  for (const signature of [atOnce(signatureSteps(envelope)), await verifiedSignature(envelope, undefined)]) {
    const { manifest, ...others } = signature
    expect(others).toEqual({ signer, bundleDigest: 'def' })
    expect([...manifest.files.keys()]).toEqual(['weights'])
    expect(Object.getPrototypeOf(signature)).toBeNull()
  }
  expect(Object.getPrototypeOf(envelope)).toBeNull()
})

test('a payload that is no statement is refused', async () => {
  const envelope = envelopeOver(Buffer.from('junk'))
  await expect(verifiedSignature(envelope, undefined)).rejects.toThrow(refusal('JSON_INVALID'))
})
