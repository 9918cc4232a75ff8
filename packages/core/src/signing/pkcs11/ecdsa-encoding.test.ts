import { generateKeyPairSync, sign, verify, type KeyObject } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import fc from 'fast-check'
import { fromBER, Integer, ObjectIdentifier, OctetString, Sequence } from 'asn1js'
import { derOfSignature, readTokenPublicKey } from './ecdsa-encoding.ts'

const CURVES = [
  ['P-256', '1.2.840.10045.3.1.7', 'sha256'],
  ['P-384', '1.3.132.0.34', 'sha384'],
  ['P-521', '1.3.132.0.35', 'sha512'],
] as const

describe.each(CURVES)('%s', (namedCurve, oid, hash) => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve })
  const params = curveNamed(oid)

  test('reads a point, wrapped and bare', async () => {
    const point = pointOf(publicKey)
    for (const stored of [wrapped(point), point]) {
      expect((await readTokenPublicKey({ params, point: stored })).equals(publicKey)).toBe(true)
    }
  })

  test('turns r and s into DER that verifies', async () => {
    for (let i = 0; i < 100; i++) {
      const data = Buffer.from([i])
      const raw = sign(hash, data, { key: privateKey, dsaEncoding: 'ieee-p1363' })
      const der = await derOfSignature(raw)
      expect(verify(hash, data, { key: publicKey, dsaEncoding: 'der' }, der)).toBe(true)
    }
  })

  test('refuses a point that is truncated, too long, compressed, or not on the curve', async () => {
    const point = pointOf(publicKey)
    const compressed = Buffer.concat([Buffer.from([2]), point.subarray(1, (point.length + 1) / 2)])
    const off = Buffer.from(point)
    off.writeUInt8(off.readUInt8(off.length - 1) ^ 1, off.length - 1)
    for (const wrong of [
      Buffer.alloc(0),
      point.subarray(0, -1),
      wrapped(point).subarray(0, -1),
      Buffer.concat([wrapped(point), Buffer.from([0])]),
      wrapped(Buffer.concat([point, Buffer.from([0])])),
      wrapped(compressed),
      compressed,
      wrapped(off),
      off,
    ]) {
      await expect(readTokenPublicKey({ params, point: wrong })).rejects.toMatchObject({ code: 'KEY_INVALID' })
    }
  })
})

test('refuses a curve that model signatures do not use, and parameters that name none', async () => {
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const point = wrapped(pointOf(publicKey))
  for (const params of [curveNamed('1.3.132.0.10'), Buffer.alloc(0), Buffer.from([6]), wrapped(Buffer.from('P-256'))]) {
    await expect(readTokenPublicKey({ params, point })).rejects.toMatchObject({ code: 'KEY_INVALID' })
  }
})

test('keeps every r and s, whatever their first bits', async () => {
  const half = fc.uint8Array({ minLength: 32, maxLength: 32 })
  await fc.assert(
    fc.asyncProperty(half, half, async (r, s) => {
      const numbers = [r, s].map((bytes) => BigInt(`0x${Buffer.from(bytes).toString('hex')}`))
      const { result } = fromBER(await derOfSignature(Buffer.concat([r, s])))
      if (!(result instanceof Sequence)) throw new Error('not a sequence')
      expect(result.valueBlock.value.map((value) => value instanceof Integer && value.toBigInt())).toEqual(numbers)
    }),
  )
})

function pointOf(key: KeyObject): Buffer {
  const { x, y } = key.export({ format: 'jwk' })
  return Buffer.concat([Buffer.from([4]), Buffer.from(x!, 'base64url'), Buffer.from(y!, 'base64url')])
}

function wrapped(point: Buffer): Buffer {
  return Buffer.from(new OctetString({ valueHex: point }).toBER())
}

function curveNamed(value: string): Buffer {
  return Buffer.from(new ObjectIdentifier({ value }).toBER())
}
