import { rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { ModelSealError } from '../../errors.ts'
import { openFilesIn } from '../../testing/open-files.ts'
import { refusal, scratch } from '../../testing/scratch.ts'
import type { OpenedModel } from '../verified-model.ts'
import { UnverifiedRanges } from './unverified-ranges.ts'

const PIECE_BYTES = 1024 * 1024
const ELSEWHERE = new ModelSealError('ISOLATION_REFUSED', 'Not on this machine.')

/** Ranges of a model that was opened unverified. */
function rangesOf({ path = () => Promise.reject(ELSEWHERE), read = expect.fail }: Partial<OpenedModel<unknown>>) {
  const model = { path: vi.fn(path), read: vi.fn(read) }
  return { ranges: new UnverifiedRanges(model as unknown as OpenedModel<unknown>), model }
}

function onDisk(content: string | Buffer) {
  const path = join(scratch({ rows: content }), 'rows')
  return { ...rangesOf({ path: () => Promise.resolve(path) }), path }
}
const inMemory = (content: string) => rangesOf({ read: () => Promise.resolve(new Uint8Array(Buffer.from(content))) })
const asText = (bytes: ArrayBuffer) => Buffer.from(bytes).toString()

describe.each([
  ['on this machine', onDisk],
  ['in memory', inMemory],
])('ranges of an unverified file %s', (where, of) => {
  test('are those of the file, which is asked for once', async () => {
    const { ranges, model } = of('abcdefghij')
    const both = await Promise.all([ranges.size('rows'), ranges.read('rows', 2, 5)])
    expect([both[0], asText(both[1])]).toEqual([10, 'cde'])
    expect((await ranges.read('rows', 4, 4)).byteLength).toBe(0)
    expect(asText(await ranges.read('rows', 0, 10))).toBe('abcdefghij')
    expect(model.path).toHaveBeenCalledExactlyOnceWith('rows')
    expect(model.read.mock.calls).toEqual(where === 'in memory' ? [['rows']] : [])
    ranges.clear()
    await ranges.size('rows')
    expect(model.path).toHaveBeenCalledTimes(2)
  })

  test('have memory of their own', async () => {
    const { ranges } = of('abc')
    new Uint8Array(await ranges.read('rows', 0, 3)).fill(0)
    expect(asText(await ranges.read('rows', 0, 3))).toBe('abc')
  })

  test('come in pieces', async () => {
    const content = `${'a'.repeat(PIECE_BYTES)}${'b'.repeat(PIECE_BYTES)}c`
    for (const length of [content.length, 2 * PIECE_BYTES, 1, 0]) {
      const pieces: string[] = []
      for await (const piece of of(content.slice(0, length)).ranges.pieces('rows'))
        pieces.push(Buffer.from(piece).toString())
      expect(pieces.map((piece) => piece.length)).toEqual(
        [PIECE_BYTES, PIECE_BYTES, 1].slice(0, Math.ceil(length / PIECE_BYTES)).map((size) => Math.min(size, length)),
      )
      expect(pieces.join('') === content.slice(0, length)).toBe(true)
    }
  })
})

describe('a file on this machine', () => {
  test('that became shorter is refused', async () => {
    const { ranges, path } = onDisk('abcdef')
    truncateSync(path, 3)
    expect(asText(await ranges.read('rows', 0, 3))).toBe('abc')
    await expect(ranges.read('rows', 2, 5)).rejects.toEqual(
      refusal('FILE_CHANGED', { file: 'rows', message: expect.stringContaining('shorter') as string }),
    )
  })

  test('that is gone is refused with its name', async () => {
    const { ranges, path } = onDisk('abc')
    await ranges.size('rows')
    rmSync(path)
    await expect(ranges.read('rows', 0, 1)).rejects.toEqual(refusal('FILE_UNREADABLE', { file: 'rows' }))
    await expect(ranges.size('rows')).rejects.toEqual(
      refusal('FILE_UNREADABLE', { file: 'rows', message: expect.stringContaining('file "rows"') as string }),
    )
    writeFileSync(path, 'abcd')
    expect(await ranges.size('rows')).toBe(4)
  })

  test.runIf(process.platform === 'linux')('is closed, whether or not it could be read', async () => {
    const { ranges, path } = onDisk('abc')
    await ranges.size('rows')
    for (let times = 0; times < 20; times++) await ranges.read('rows', 0, 1)
    truncateSync(path, 0)
    for (let times = 0; times < 20; times++) await ranges.read('rows', 0, 1).catch(() => {})
    expect(openFilesIn(path)).toEqual([])
  })
})

test.each([
  new ModelSealError('FILE_REVOKED', 'No.'),
  Object.assign(new TypeError('a mistake'), { code: 'ISOLATION_REFUSED' }),
])('a failure is passed on, and not remembered: %s', async (error) => {
  const { ranges, model } = rangesOf({ read: () => Promise.resolve(new Uint8Array(3)) })
  model.path.mockRejectedValueOnce(error)
  await expect(ranges.size('rows')).rejects.toBe(error)
  expect(await ranges.size('rows')).toBe(3)
})
