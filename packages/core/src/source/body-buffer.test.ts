import { describe, expect, test } from 'vitest'
import { BodyBuffer } from './body-buffer.ts'

const BODY = Buffer.from('The beginning of a file, and the rest of it.')

function collected(pieceSize: number, length: number | undefined, most?: number) {
  const buffer = new BodyBuffer('weights.bin', length, most)
  const passed: Buffer[] = []
  // When the buffer grows, earlier pieces move, so they must be hashed at once.
  for (let start = 0; start < BODY.length; start += pieceSize)
    for (const piece of buffer.add(BODY.subarray(start, start + pieceSize))) passed.push(Buffer.from(piece))
  return { kept: buffer.finish(), passed }
}

describe.each([1, 7, 1000])('pieces of %d bytes', (pieceSize) => {
  test.each([undefined, 0, BODY.length, 1000])('are collected when %s bytes were announced', (length) => {
    const { kept, passed } = collected(pieceSize, length)
    expect(Buffer.from(kept)).toEqual(BODY)
    expect(Buffer.concat(passed)).toEqual(BODY)
  })

  test.each([0, 1, 13, BODY.length, 1000])('are collected up to %d bytes, and all of them are passed on', (most) => {
    for (const length of [undefined, BODY.length, 1000]) {
      const { kept, passed } = collected(pieceSize, length, most)
      expect(Buffer.from(kept)).toEqual(BODY.subarray(0, most))
      expect(kept.buffer.byteLength).toBe(Math.min(most, BODY.length))
      expect(Buffer.concat(passed)).toEqual(BODY)
    }
  })
})

test('hands out the very memory that was passed on to be hashed', () => {
  const buffer = new BodyBuffer('weights.bin', BODY.length, 13)
  const [hashed, rest] = buffer.add(BODY)
  const kept = buffer.finish()
  expect([hashed?.buffer === kept.buffer, hashed?.length, rest?.length]).toEqual([true, 13, BODY.length - 13])
})
