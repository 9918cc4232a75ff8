import { expect, test, vi } from 'vitest'
import { refusal } from '../../testing/scratch.ts'
import { asyncBuffer } from './async-buffer.ts'
import type { Ranges } from './ranges.ts'

const BYTES = Uint8Array.from({ length: 10 }, (_, index) => index)

function rangesOf() {
  const read = vi.fn((_: string, start: number, end: number) => Promise.resolve(BYTES.slice(start, end).buffer))
  const size = vi.fn(() => Promise.resolve(BYTES.length))
  return { ranges: { size, read } as unknown as Ranges, read, size }
}

test('a file is read by ranges like an ArrayBuffer', async () => {
  const { ranges, read, size } = rangesOf()
  const file = await asyncBuffer('rows', ranges, () => {})
  expect(size).toHaveBeenCalledExactlyOnceWith('rows')
  expect(file.byteLength).toBe(10)
  for (const start of [0, 3, 9, 10, 11, -1, -10, -11])
    for (const end of [undefined, 0, 3, 10, 12, -1, -9, -10, -12]) {
      const expected = BYTES.buffer.slice(start, end)
      expect(new Uint8Array(await file.slice(start, end))).toEqual(new Uint8Array(expected))
    }
  for (const [name, start, end] of read.mock.calls) {
    expect(name).toBe('rows')
    expect(start).toBeLessThanOrEqual(end)
    expect([start, end].every((offset) => offset >= 0 && offset <= 10)).toBe(true)
  }
})

test.each<[string, unknown[]]>([
  ['start', [0.5]],
  ['start', ['1']],
  ['start', [2 ** 53]],
  ['end', [0, NaN]],
  ['end', [0, '3']],
])('what is no offset is refused: %s of %j', async (argument, given) => {
  const file = await asyncBuffer('rows', rangesOf().ranges, () => {})
  await expect(file.slice(...(given as [number]))).rejects.toEqual(
    refusal('INVALID_ARGUMENT', {
      message: expect.stringContaining(argument) as string,
      expected: 'an integer (bytes)',
    }),
  )
})

test('nothing is handed out once that is no longer allowed, even if it was read before', async () => {
  const { ranges, read } = rangesOf()
  let isClosed = false
  const closed = new Error('closed')
  const check = () => {
    if (isClosed) throw closed
  }
  const file = await asyncBuffer('rows', ranges, check)
  read.mockImplementationOnce(() => {
    isClosed = true
    return Promise.resolve(new ArrayBuffer(1))
  })
  await expect(file.slice(0, 1)).rejects.toBe(closed)
  await expect(file.slice(0, 1)).rejects.toBe(closed)
  expect(read).toHaveBeenCalledOnce()
  await expect(asyncBuffer('rows', ranges, check)).rejects.toBe(closed)
  expect(Object.isFrozen(file)).toBe(true)
})
