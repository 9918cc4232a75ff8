import { expect, test } from 'vitest'
import { parseOwnBundle, writeBundle } from '../bundle/bundle.ts'
import { defectivePreAuthEncoding, IN_TOTO_PAYLOAD_TYPE } from '../bundle/dsse.ts'
import { keyPair } from '../testing/bundles.ts'
import { refusal } from '../testing/scratch.ts'
import { verifyKeyBundle } from './key.ts'

const { publicKey } = keyPair()

/** Of any size: a larger one than usual is read where the policy or an option allows it. */
function forged(material: object, payload: Buffer) {
  return parseOwnBundle(
    writeBundle(
      { publicKey: material },
      { payloadType: IN_TOTO_PAYLOAD_TYPE, payload, signature: Buffer.from([0, 0, 0]) },
    ),
  )
}

test('a forged bundle of any size is refused, whatever its payload is made of', async () => {
  const payload = Buffer.alloc(100_000_000)
  const pem = publicKey.key.export({ type: 'spki', format: 'pem' }) as string
  for (const material of [{ hint: publicKey.fingerprint }, { rawBytes: Buffer.from(pem).toString('base64') }]) {
    const bundle = await forged(material, payload)
    expect(() => verifyKeyBundle(bundle, publicKey, 'release')).toThrow(refusal('SIGNATURE_INVALID'))
  }
})

test('the old encoding is that of a Python bytes literal, however it is cut into pieces', () => {
  const payload = Buffer.concat([
    Buffer.from(`{"a":"it's\\\n\r\t"}`),
    Buffer.from([0, 0x7f, 0xff]),
    Buffer.alloc(70_000, 0x27),
  ])
  const envelope = { payloadType: IN_TOTO_PAYLOAD_TYPE, payload, signature: Buffer.alloc(0) } as const
  // The buffer of a piece is used again for the next.
  const text = Array.from(defectivePreAuthEncoding(envelope), (piece) => piece.toString('latin1')).join('')
  const literal = `{"a":"it\\'s\\\\\\n\\r\\t"}\\x00\\x7f\\xff${"\\'".repeat(70_000)}`
  expect(text).toBe(`DSSEV1 ${IN_TOTO_PAYLOAD_TYPE.length} ${IN_TOTO_PAYLOAD_TYPE} ${payload.length} b'${literal}'`)
})
