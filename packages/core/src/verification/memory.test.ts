import { describe, expect, test } from 'vitest'
import type { UnverifiedBundle } from '../bundle/bundle.ts'
import { IN_TOTO_PAYLOAD_TYPE } from '../bundle/dsse.ts'
import { copyOf, digestOf, LONGEST_PAYLOAD, Memory, ownBundle } from './memory.ts'

test('remembers the most recently used facts of each object', () => {
  const memory = new Memory<number>(2)
  const [trust, other] = [{}, {}]
  memory.keep(trust, 'a', 1)
  memory.keep(trust, 'b', 2)
  memory.keep(other, 'c', 3)
  expect(memory.recall(trust, 'a')).toBe(1)
  memory.keep(trust, 'd', 4)
  expect(['a', 'b', 'c', 'd'].map((digest) => memory.recall(trust, digest))).toEqual([1, undefined, undefined, 4])
  expect(memory.recall(other, 'c')).toBe(3)
  expect(memory.recall({}, 'a')).toBeUndefined()
})

test('forgets nothing because something else was looked up', () => {
  const memory = new Memory<number>(2)
  const trust = {}
  memory.keep(trust, 'a', 1)
  memory.keep(trust, 'b', 2)
  expect(memory.recall(trust, 'x')).toBeUndefined()
  memory.keep(trust, 'c', 3)
  expect(['b', 'c'].map((digest) => memory.recall(trust, digest))).toEqual([2, 3])
})

test('looks nothing up on Object.prototype', () => {
  Object.defineProperty(Object.prototype, 'a', { configurable: true, value: true })
  try {
    const memory = new Memory<boolean>(2)
    const trust = {}
    memory.keep(trust, 'b', true)
    expect(memory.recall(trust, 'a')).toBeUndefined()
  } finally {
    Reflect.deleteProperty(Object.prototype, 'a')
  }
})

test('a digest covers how its parts are divided, and every code unit of a text', () => {
  const all = [[], [''], ['ab'], ['a', 'b'], ['', 'ab'], ['\ud800'], ['\ud801'], ['\ufffd']].map(digestOf)
  expect(new Set(all).size).toBe(all.length)
  // The sixteen bytes of the text are what two texts would be if their lengths were not covered.
  expect(digestOf(['a', 'b'])).not.toBe(digestOf([Buffer.from('a\0\x32 b\0', 'latin1')]))
  expect(digestOf(['', ''])).not.toBe(digestOf(['']))
  expect(digestOf([Buffer.from('a'), Buffer.from('b')])).not.toBe(digestOf([Buffer.from('ab'), Buffer.alloc(0)]))
})

test('payloads of up to 256 KiB are remembered', () => {
  expect(LONGEST_PAYLOAD).toBe(262_144)
})

describe('the own copy of a bundle', () => {
  const payload = Buffer.from('payload')
  const signature = Buffer.from('signature')
  const bundle: UnverifiedBundle = {
    material: { method: 'certificate', certificates: [Buffer.from('leaf'), Buffer.from('authority')] },
    envelope: { payloadType: IN_TOTO_PAYLOAD_TYPE, payload, signature },
    timestamps: [Buffer.from('timestamp')],
    digest: 'abc',
    size: 7,
  }

  test('has the same content, but bytes of its own', () => {
    const own = ownBundle(bundle, { withPayload: true })
    expect({ ...own }).toEqual(bundle)
    const bytes = ({ material, envelope, timestamps }: UnverifiedBundle) => [
      ...(material.method === 'certificate' ? material.certificates : []),
      envelope.payload,
      envelope.signature,
      ...timestamps,
    ]
    const all = bytes(bundle).map((given) => given.buffer)
    for (const copy of bytes(own)) expect(all).not.toContain(copy.buffer)
    expect(Object.getPrototypeOf(own)).toBeNull()
  })

  test('has the given payload if that is copied elsewhere', () => {
    const { envelope } = ownBundle(bundle, { withPayload: false })
    expect(envelope.payload).toBe(payload)
    expect(envelope.signature).not.toBe(signature)
  })

  test('has the certificate of a keyless signer, and the material of a key as it is', () => {
    const certificate = Buffer.from('leaf')
    const keyless = ownBundle({ ...bundle, material: { method: 'sigstore', certificate } }, { withPayload: true })
    expect(keyless.material).toEqual({ method: 'sigstore', certificate })
    expect(keyless.material).toHaveProperty(
      'certificate.buffer',
      expect.not.toSatisfy((one) => one === certificate.buffer),
    )
    const material = { method: 'key', hint: 'abc' } as const
    expect(ownBundle({ ...bundle, material }, { withPayload: true }).material).toEqual(material)
  })

  test('is in memory of its own', () => {
    const copy = copyOf(Buffer.from('bytes'))
    expect([copy.toString(), copy.buffer.byteLength, copy.byteOffset]).toEqual(['bytes', 5, 0])
  })
})
