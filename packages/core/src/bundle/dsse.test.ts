import { describe, expect, test } from 'vitest'
import { defectivePreAuthEncoding, IN_TOTO_PAYLOAD_TYPE, preAuthEncoding, preAuthEncodingPieces } from './dsse.ts'

// Test vector from the DSSE standard (protocol.md).
test('encodes the example in the standard', () => {
  expect(preAuthEncoding('http://example.com/HelloWorld', Buffer.from('hello world')).toString()).toBe(
    'DSSEv1 29 http://example.com/HelloWorld 11 hello world',
  )
})

test('counts bytes, not characters', () => {
  expect(preAuthEncoding('ü', Buffer.from('é😀')).toString()).toBe('DSSEv1 2 ü 6 é😀')
})

test('encodes an empty payload and bytes that are not text', () => {
  expect(preAuthEncoding('t', Buffer.alloc(0)).toString()).toBe('DSSEv1 1 t 0 ')
  expect(preAuthEncoding('t', Uint8Array.of(0xff, 0x00)).subarray(-2)).toEqual(Buffer.from([0xff, 0x00]))
})

const PIECE = 512 * 1024
const envelope = (payload: Buffer) =>
  ({ payloadType: IN_TOTO_PAYLOAD_TYPE, payload, signature: Buffer.alloc(0) }) as const

test.each([0, 1, PIECE, 2 * PIECE + 1])('encodes a payload of %d bytes in pieces', (length) => {
  const payload = Buffer.alloc(length, 'model')
  const pieces = [...preAuthEncodingPieces(envelope(payload))]
  expect(Buffer.concat(pieces).equals(preAuthEncoding(IN_TOTO_PAYLOAD_TYPE, payload))).toBe(true)
  expect(pieces).toHaveLength(1 + Math.ceil(length / PIECE))
})

/** The pieces share one buffer. */
function defective(payload: Buffer): { text: string; pieces: number } {
  const pieces = Array.from(defectivePreAuthEncoding(envelope(payload)), (piece) => piece.toString('latin1'))
  return { text: pieces.join(''), pieces: pieces.length }
}

describe('the encoding of the reference tool before release 1.0', () => {
  test('contains the payload as Python writes bytes', () => {
    const payload = Buffer.from('{"a":"\n\r\t\\\' ~\x00\x1f\x7f\u00ff"}', 'latin1')
    expect(defective(payload).text).toBe(
      String.raw`DSSEV1 28 application/vnd.in-toto+json 19 b'{"a":"\n\r\t\\\' ~\x00\x1f\x7f\xff"}'`,
    )
  })

  test('is made in pieces', () => {
    const payload = Buffer.alloc(64 * 1024 + 1, '\xff', 'latin1')
    const { text, pieces } = defective(payload)
    expect(text).toBe(`DSSEV1 28 application/vnd.in-toto+json 65537 b'${'\\xff'.repeat(64 * 1024 + 1)}'`)
    expect(pieces).toBe(4)
    expect(defective(payload.subarray(1)).pieces).toBe(3)
  })
})
