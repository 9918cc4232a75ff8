import { expect, test } from 'vitest'
import { refusal } from '../../testing/scratch.ts'
import { memoryFor } from './ranges.ts'

test('memory for a range has its bytes, or is refused with their number', () => {
  expect(memoryFor('rows', 3)).toEqual(new Uint8Array(3))
  expect(() => memoryFor('rows', Number.MAX_SAFE_INTEGER)).toThrow(
    refusal('FILE_TOO_LARGE', {
      file: 'rows',
      message: expect.stringContaining('"rows"') as string,
      found: `${Number.MAX_SAFE_INTEGER} bytes`,
      hint: expect.any(String) as string,
      cause: expect.any(RangeError) as RangeError,
    }),
  )
})
