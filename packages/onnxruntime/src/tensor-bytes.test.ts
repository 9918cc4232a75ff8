import { describe, expect, test } from 'vitest'
import { bytesNeeded, type ExternalEntry } from './tensor-bytes.ts'

const entry = (offset: number, length: number): ExternalEntry => ({ locations: ['w.bin'], offset, length })

describe('a tensor needs', () => {
  // onnx.proto: TensorProto.DataType.
  test.each([
    ['FLOAT', 1, 12],
    ['UINT8', 2, 3],
    ['INT8', 3, 3],
    ['UINT16', 4, 6],
    ['INT16', 5, 6],
    ['INT32', 6, 12],
    ['INT64', 7, 24],
    ['STRING, which is never external', 8, 48],
    ['BOOL', 9, 3],
    ['FLOAT16', 10, 6],
    ['DOUBLE', 11, 24],
    ['UINT32', 12, 12],
    ['UINT64', 13, 24],
    ['COMPLEX64', 14, 24],
    ['COMPLEX128', 15, 48],
    ['BFLOAT16', 16, 6],
    ['a type of the future', 99, 48],
  ])('for three values of the type %s (%d): %d bytes', (_, type, bytes) => {
    expect(bytesNeeded([entry(0, 0)], { count: 3, type })).toBe(bytes)
  })

  test('the largest offset and the largest length of its entries', () => {
    expect(bytesNeeded([entry(1, 200), entry(50, 3)], { count: 1, type: 1 })).toBe(250)
  })

  test('only its values without entries', () => {
    expect(bytesNeeded([], { count: 2, type: 1 })).toBe(8)
  })

  test('no bytes for values whose number is infinity times zero', () => {
    expect(bytesNeeded([entry(64, 8)], { count: NaN, type: 1 })).toBe(72)
  })
})
