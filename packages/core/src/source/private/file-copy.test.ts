import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { scratch } from '../../testing/scratch.ts'
import { FileCopy } from './file-copy.ts'

const PIECE = 64 * 1024
const ZEROS = Buffer.alloc(PIECE)
const DATA = Buffer.alloc(PIECE, 1)

/** The pieces to copy, and the disk space that the copy takes. */
async function copied(pieces: readonly Buffer[]): Promise<{ content: Buffer; bytesOnDisk: number }> {
  const path = join(scratch(), 'weights.bin')
  const copy = await FileCopy.create(path, 'weights.bin')
  for (const piece of pieces) await copy.write(piece)
  await copy.close()
  return { content: readFileSync(path), bytesOnDisk: statSync(path).blocks * 512 }
}

test.each([
  ['data', [DATA, DATA]],
  ['nothing', []],
  ['zeros', [ZEROS, ZEROS]],
  ['zeros before data', [ZEROS, ZEROS, DATA]],
  ['zeros after data', [DATA, ZEROS, ZEROS]],
  ['zeros between data, in pieces of odd lengths', [DATA, ZEROS.subarray(0, 1001), DATA.subarray(0, 77), ZEROS]],
])('a copy of %s is the same', async (_, pieces) => {
  const { content } = await copied(pieces)
  expect(content).toEqual(Buffer.concat(pieces))
})

test('zeros take no space on the disk', async () => {
  const { content, bytesOnDisk } = await copied([DATA, ...Array.from({ length: 256 }, () => ZEROS)])
  expect(content.length).toBe(257 * PIECE)
  expect(bytesOnDisk).toBeLessThan(4 * PIECE)
})
