import { createHash, createPublicKey, generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import { toSignedEntity } from '@sigstore/verify'
import { describe, expect, test } from 'vitest'
import { IN_TOTO_PAYLOAD_TYPE, preAuthEncoding, type Envelope } from '../../bundle/dsse.ts'
import { parsePublicKey } from '../../x509/public-key.ts'
import { atOnce } from '../../source/turns.ts'
import { signedContentSteps } from './signed-content.ts'

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest()

function keyOn(namedCurve: string) {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve })
  const pem = publicKey.export({ type: 'spki', format: 'pem' }) as string
  return { privateKey, publicKey, parsed: parsePublicKey(pem) }
}

function signed(length: number, hash: string, { privateKey }: ReturnType<typeof keyOn>): Envelope {
  const payload = randomBytes(length)
  return {
    payloadType: IN_TOTO_PAYLOAD_TYPE,
    payload,
    signature: sign(hash, preAuthEncoding(IN_TOTO_PAYLOAD_TYPE, payload), privateKey),
  }
}

const contentOf = (envelope: Envelope, key: ReturnType<typeof keyOn>) =>
  atOnce(signedContentSteps(envelope, key.parsed)).content

describe.each([0, 1, 700, 1_500_000])('a payload of %d bytes', (length) => {
  const key = keyOn('P-256')
  const envelope = signed(length, 'sha256', key)
  const content = contentOf(envelope, key)

  test('is compared like in the library', () => {
    const { payload, signature } = envelope
    const theirs = toSignedEntity({
      mediaType: 'application/vnd.dev.sigstore.bundle.v0.3+json',
      verificationMaterial: {
        content: { $case: 'publicKey', publicKey: { hint: '' } },
        tlogEntries: [],
        timestampVerificationData: undefined,
      },
      content: {
        $case: 'dsseEnvelope',
        dsseEnvelope: { payload, payloadType: IN_TOTO_PAYLOAD_TYPE, signatures: [{ sig: signature, keyid: '' }] },
      },
    } as never).signature
    const digests = [sha256(payload), sha256(preAuthEncoding(IN_TOTO_PAYLOAD_TYPE, payload)), sha256(signature)]
    for (const ours of [content, theirs]) {
      expect(digests.map((digest) => ours.compareDigest(digest))).toEqual([true, false, false])
      expect(digests.map((digest) => ours.compareSignedDigest(digest))).toEqual([false, true, false])
      expect([signature, signature.subarray(1)].map((other) => ours.compareSignature(other))).toEqual([true, false])
      expect(ours.signature).toEqual(signature)
      expect(ours.verifySignature(createPublicKey(key.publicKey.export({ type: 'spki', format: 'pem' })))).toBe(true)
      expect(ours.verifySignature(keyOn('P-256').publicKey)).toBe(false)
    }
  })

  test('does not verify with another signature or payload', () => {
    const payload = Buffer.concat([envelope.payload, Buffer.from([0])])
    const signature = sign('sha256', preAuthEncoding(IN_TOTO_PAYLOAD_TYPE, payload), key.privateKey)
    expect(contentOf({ ...envelope, signature }, key).verifySignature(key.publicKey)).toBe(false)
    expect(contentOf({ ...envelope, payload }, key).verifySignature(key.publicKey)).toBe(false)
  })

  test('counts as signed only if the signature is valid', () => {
    const proof = (other: Envelope) => atOnce(signedContentSteps(other, key.parsed)).signed
    expect(proof(envelope)?.payload).toBe(envelope.payload)
    expect(proof({ ...envelope, payload: Buffer.concat([envelope.payload, Buffer.from([0])]) })).toBeUndefined()
    expect(proof(signed(length, 'sha256', keyOn('P-256')))).toBeUndefined()
  })

  test('is hashed in pieces', () => {
    let steps = 0
    for (const iterator = signedContentSteps(envelope, key.parsed); !iterator.next().done;) steps++
    expect(steps).toBe(2 * (1 + Math.ceil(length / (512 * 1024))))
  })
})

test('uses the hash of the curve', () => {
  const key = keyOn('P-384')
  expect(contentOf(signed(10, 'sha384', key), key).verifySignature(key.publicKey)).toBe(true)
  expect(contentOf(signed(10, 'sha256', key), key).verifySignature(key.publicKey)).toBe(false)
})
