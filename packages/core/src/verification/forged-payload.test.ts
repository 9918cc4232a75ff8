import { describe, expect, test } from 'vitest'
import { parseOwnBundle, writeBundle, type UnverifiedBundle } from '../bundle/bundle.ts'
import { defectivePreAuthEncoding, IN_TOTO_PAYLOAD_TYPE } from '../bundle/dsse.ts'
import { authority, signingLeaf } from '../testing/authority.ts'
import { keyPair } from '../testing/bundles.ts'
import { refusal } from '../testing/scratch.ts'
import { TestSigstore } from '../testing/sigstore.ts'
import { verifyCertificateBundle } from './methods/certificate.ts'
import { Effort } from './effort.ts'
import { verifyKeyBundle } from './methods/key.ts'
import { verifySigstoreWithin } from './methods/known-sigstore.ts'

const { publicKey } = keyPair()

/** Reads a bundle of any size: larger ones are possible if the policy or an option allows them. */
function forged(publicKey: object, payload: Buffer) {
  return forgedOf({ publicKey }, payload)
}

function forgedOf(material: object, payload: Buffer) {
  return parseOwnBundle(
    writeBundle(material, { payloadType: IN_TOTO_PAYLOAD_TYPE, payload, signature: Buffer.from([0, 0, 0]) }),
  )
}

test('a forged bundle is refused, whatever the size and content of its payload', async () => {
  const payload = Buffer.alloc(100_000_000)
  const pem = publicKey.key.export({ type: 'spki', format: 'pem' }) as string
  for (const material of [{ hint: publicKey.fingerprint }, { rawBytes: Buffer.from(pem).toString('base64') }]) {
    const bundle = await forged(material, payload)
    expect(() => verifyKeyBundle(bundle, publicKey, 'release')).toThrow(refusal('SIGNATURE_INVALID'))
  }
})

describe('a caller can abort while the payload is verified, in a bundle signed', () => {
  const payload = Buffer.alloc(40_000_000)

  /** The refusal if the caller aborts as soon as the payload is read. */
  async function refused(bundle: UnverifiedBundle, verify: (effort: Effort) => Promise<unknown>): Promise<unknown> {
    const caller = new AbortController()
    const { subarray } = Buffer.prototype
    bundle.envelope.payload.subarray = function (...range) {
      caller.abort()
      return subarray.apply(this, range)
    }
    return verify(new Effort(caller.signal)).catch((error: unknown) => error)
  }

  test('with a key', async () => {
    const bundle = await forged({ hint: publicKey.fingerprint }, payload)
    const verify = (effort: Effort) => verifyKeyBundle(bundle, publicKey, 'release', { effort })
    expect(await refused(bundle, verify)).toMatchObject({ code: 'ABORTED' })
  })

  test('with a certificate', async () => {
    const root = await authority('Root')
    const certificates = [{ rawBytes: (await signingLeaf(root)).der.toString('base64') }]
    const bundle = await forgedOf({ x509CertificateChain: { certificates } }, payload)
    const verify = (effort: Effort) => verifyCertificateBundle(bundle, { roots: [root.der], effort }, 'roots')
    expect(await refused(bundle, verify)).toMatchObject({ code: 'ABORTED' })
  })

  test('keyless', async () => {
    const sigstore = new TestSigstore()
    const trust = await sigstore.trust()
    const json = await sigstore.json({ rekor: 'v1' })
    json.dsseEnvelope.payload = payload.toString('base64')
    const bundle = await parseOwnBundle(Buffer.from(JSON.stringify(json)))
    const verify = (effort: Effort) => verifySigstoreWithin(bundle, trust, 'test', { now: new Date(), effort })
    expect(await refused(bundle, verify)).toMatchObject({ code: 'ABORTED' })
  })
})

test('the old encoding equals a Python bytes literal, however it is split into pieces', () => {
  const payload = Buffer.concat([
    Buffer.from(`{"a":"it's\\\n\r\t"}`),
    Buffer.from([0, 0x7f, 0xff]),
    Buffer.alloc(70_000, 0x27),
  ])
  const envelope = { payloadType: IN_TOTO_PAYLOAD_TYPE, payload, signature: Buffer.alloc(0) } as const
  // The buffer of a piece is reused for the next.
  const text = Array.from(defectivePreAuthEncoding(envelope), (piece) => piece.toString('latin1')).join('')
  const literal = `{"a":"it\\'s\\\\\\n\\r\\t"}\\x00\\x7f\\xff${"\\'".repeat(70_000)}`
  expect(text).toBe(`DSSEV1 ${IN_TOTO_PAYLOAD_TYPE.length} ${IN_TOTO_PAYLOAD_TYPE} ${payload.length} b'${literal}'`)
})
