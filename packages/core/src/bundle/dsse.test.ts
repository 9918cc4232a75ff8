import { expect, test } from 'vitest'
import { preAuthEncoding } from './dsse.ts'

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
