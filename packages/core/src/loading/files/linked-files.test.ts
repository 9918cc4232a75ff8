import { createHash } from 'node:crypto'
import { mkdirSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import type { HashType } from '../../hashing/algorithms.ts'
import { ModelSealError } from '../../errors.ts'
import * as settling from '../../source/local/settling.ts'
import type { SourceFile } from '../../source/local/source-file.ts'
import { SizeLimit } from '../../source/size-limit.ts'
import { refusal, scratch } from '../../testing/scratch.ts'
import { fifo } from '../../testing/special-files.ts'
import { LinkedFiles } from './linked-files.ts'

vi.mock('../../source/local/settling.ts', async (original) => {
  const real = await original<typeof settling>()
  return { ...real, isSettled: vi.fn(real.isSettled) }
})

type Options = Parameters<typeof LinkedFiles.open>[2]

const NONE = { hashTypes: [], check: () => expect.unreachable() }
const text = (bytes: Uint8Array | undefined) => bytes && Buffer.from(bytes).toString()
const digest = (hashType: string, content: string) =>
  createHash(hashType === 'blake2b' ? 'blake2b512' : hashType)
    .update(content)
    .digest('hex')

const MODEL = { 'weights.bin': 'weights', 'sub/config.json': '{}' }

async function files(
  content: Record<string, string> = MODEL,
  {
    judge = NONE,
    names,
    ...options
  }: Options & { judge?: Parameters<typeof LinkedFiles.open>[1]; names?: string[] } = {},
) {
  const root = scratch(content)
  return { root, linked: await LinkedFiles.open({ root, names }, judge, options) }
}

/** Records what it is asked, and refuses one digest. */
function judging(hashTypes: HashType[], refused?: string) {
  const seen: string[] = []
  const check = (name: string, hashType: HashType, found: string) => {
    seen.push(`${name} ${hashType} ${found}`)
    if (found === refused) throw new ModelSealError('FILE_REVOKED', 'No.', { file: name })
  }
  return { seen, judge: { hashTypes, check } }
}

describe('the files of a directory', () => {
  test('are regular files, and links to them', async () => {
    const { root } = await files()
    writeFileSync(join(root, 'other'), 'x')
    symlinkSync('other', join(root, 'link'))
    symlinkSync('sub', join(root, 'linked-directory'))
    symlinkSync('nowhere', join(root, 'broken'))
    fifo(join(root, 'fifo'))
    mkdirSync(join(root, 'empty'))
    const { names } = await LinkedFiles.open({ root, names: undefined }, NONE, {})
    expect([...names].sort()).toEqual(['link', 'other', 'sub/config.json', 'weights.bin'])
  })

  test('are those that are known, whatever else is there', async () => {
    const { root, linked } = await files(MODEL, { names: ['weights.bin'] })
    expect(linked.names).toEqual(['weights.bin'])
    expect(linked.root).toBe(root)
    expect(linked.onDisk).toBe(linked)
    expect(text((await linked.readAll([{ name: 'sub/config.json' }]))[0])).toBe('{}')
  })

  test('cannot be listed if there is no directory, or after an abort', async () => {
    const root = join(scratch(), 'none')
    await expect(LinkedFiles.open({ root, names: undefined }, NONE, {})).rejects.toEqual(
      refusal('FILE_UNREADABLE', { file: root }),
    )
    const signal = AbortSignal.abort()
    await expect(LinkedFiles.open({ root: scratch(), names: undefined }, NONE, { signal })).rejects.toEqual(
      refusal('ABORTED'),
    )
  })
})

describe('a file', () => {
  test('is read as it is, in the order of the requests', async () => {
    const { root, linked } = await files()
    symlinkSync('weights.bin', join(root, 'link'))
    const requests = [{ name: 'sub/config.json' }, { name: 'link' }, { name: 'weights.bin', firstBytes: 3 }]
    expect((await linked.readAll(requests)).map(text)).toEqual(['{}', 'weights', 'wei'])
    writeFileSync(join(root, 'weights.bin'), '')
    expect(await linked.readAll([{ name: 'weights.bin' }])).toEqual([new Uint8Array(0)])
  })

  test('must be within the model, exist and be regular', async () => {
    const { root, linked } = await files()
    const read = (name: string) => linked.readAll([{ name }])
    await expect(read('../x')).rejects.toEqual(refusal('PATH_ESCAPES', { file: '../x' }))
    await expect(read('none')).rejects.toEqual(
      refusal('FILE_NOT_FOUND', { file: 'none', cause: expect.anything() as Error }),
    )
    await expect(read('weights.bin/x')).rejects.toEqual(refusal('FILE_NOT_FOUND', { file: 'weights.bin/x' }))
    await expect(read('sub')).rejects.toEqual(refusal('FILE_SPECIAL', { file: 'sub' }))
    fifo(join(root, 'fifo'))
    await expect(read('fifo')).rejects.toEqual(refusal('FILE_SPECIAL', { file: 'fifo' }))
    symlinkSync('loop', join(root, 'loop'))
    await expect(read('loop')).rejects.toEqual(
      refusal('FILE_UNREADABLE', { file: 'loop', message: expect.stringContaining('Cannot read the file ') as string }),
    )
  })

  test('has the size on disk', async () => {
    const { linked } = await files()
    expect(linked.size('weights.bin')).toBe(7)
    expect(() => linked.size('none')).toThrow(
      refusal('FILE_UNREADABLE', { file: 'none', message: expect.stringContaining('Cannot read the file ') as string }),
    )
  })

  test('may not be larger than requested', async () => {
    const { linked } = await files()
    await linked.readAll([{ name: 'weights.bin', maxBytes: 7 }])
    await expect(linked.readAll([{ name: 'weights.bin', maxBytes: 6 }])).rejects.toEqual(
      refusal('FILE_TOO_LARGE', { file: 'weights.bin', expected: 'at most 6 bytes', found: '7 bytes' }),
    )
    const together = { maxBytes: 8 }
    const both = Object.keys(MODEL).map((name) => ({ name, together }))
    await expect(linked.readAll(both)).rejects.toEqual(refusal('FILE_TOO_LARGE'))
  })

  test('counts towards the limit of the load', async () => {
    const { linked } = await files(MODEL, { limit: new SizeLimit(8) })
    await linked.readAll([{ name: 'weights.bin' }])
    await expect(linked.readAll([{ name: 'sub/config.json' }])).rejects.toEqual(refusal('FILE_TOO_LARGE'))
    expect(() => linked.admit([{ name: 'x', path: 'x', identity: { size: 2 } } as SourceFile])).toThrow(
      refusal('FILE_TOO_LARGE', { file: 'x' }),
    )
  })

  test('is not hashed after an abort', async () => {
    const stop = new AbortController()
    const { linked } = await files(MODEL, { signal: stop.signal })
    stop.abort()
    await expect(linked.readAll([{ name: 'weights.bin' }])).rejects.toEqual(refusal('ABORTED'))
  })

  test('is told before it is handed out, with whether a change could be hidden', async () => {
    const seen = vi.fn()
    const { root, linked } = await files(MODEL, { seen })
    const { size } = statSync(join(root, 'weights.bin'))
    const told = {
      name: 'weights.bin',
      path: join(root, 'weights.bin'),
      identity: expect.objectContaining({ size }) as object,
    }
    const isSettled = vi.mocked(settling.isSettled)
    for (const [isOld, expected] of [
      [true, told],
      [false, { ...told, young: true }],
    ] as const) {
      isSettled.mockReturnValueOnce(isOld)
      await linked.readAll([{ name: 'weights.bin' }])
      expect(seen.mock.lastCall).toEqual([expected])
    }
    const error = new ModelSealError('FILE_CHANGED', 'No.')
    seen.mockImplementation(() => {
      throw error
    })
    await expect(linked.readAll([{ name: 'weights.bin' }])).rejects.toBe(error)
  })
})

describe('a judge of digests', () => {
  test('gets each of them before the bytes are handed out', async () => {
    const { seen, judge } = judging(['blake2b', 'sha256'])
    const { linked } = await files(MODEL, { judge })
    await linked.readAll([{ name: 'weights.bin' }, { name: 'sub/config.json' }])
    expect(seen).toEqual([
      `weights.bin blake2b ${digest('blake2b', 'weights')}`,
      `weights.bin sha256 ${digest('sha256', 'weights')}`,
      `sub/config.json blake2b ${digest('blake2b', '{}')}`,
      `sub/config.json sha256 ${digest('sha256', '{}')}`,
    ])
  })

  test.each(['sha256', 'blake2b'] as const)('refuses a file by %s, read or placed', async (hashType) => {
    const { judge } = judging(['sha256', 'blake2b'], digest(hashType, 'weights'))
    const { root, linked } = await files(MODEL, { judge })
    const revoked = refusal('FILE_REVOKED', { file: 'weights.bin' })
    await linked.readAll([{ name: 'sub/config.json' }])
    await expect(linked.readAll([{ name: 'weights.bin' }])).rejects.toEqual(revoked)
    const [file] = await linked.find(['weights.bin'])
    await expect(linked.check([{ file: file!, copyTo: undefined }])).rejects.toEqual(revoked)
    const copyTo = join(root, 'copied')
    await expect(linked.check([{ file: file!, copyTo }])).rejects.toEqual(revoked)
  })
})

describe('a file that is placed', () => {
  test('is the one that was taken, until it is left or replaced', async () => {
    const { root, linked } = await files()
    expect(() => linked.file('weights.bin')).toThrow(RangeError)
    const [file] = await linked.find(['weights.bin'])
    linked.take([file!])
    expect(linked.file('weights.bin')).toBe(file)
    expect(await linked.find(['weights.bin', 'sub/config.json'])).toMatchObject([{ name: 'sub/config.json' }])
    expect(linked.size('weights.bin')).toBe(7)
    const other = { ...file!, path: join(root, 'sub/config.json'), identity: { ...file!.identity, size: 2 } }
    linked.leave([other])
    expect(linked.file('weights.bin')).toBe(file)
    linked.replace(other)
    expect(linked.size('weights.bin')).toBe(2)
    linked.leave([file!])
    expect(linked.file('weights.bin')).toBe(other)
    linked.leave([other])
    expect(() => linked.file('weights.bin')).toThrow(RangeError)
    expect(linked.isChecked()).toBe(false)
  })

  test('is read from where it is now', async () => {
    const { root, linked } = await files()
    const [file] = await linked.find(['sub/config.json'])
    linked.take([{ ...file!, name: 'weights.bin' }])
    expect(text((await linked.readAll([{ name: 'weights.bin' }]))[0])).toBe('{}')
    utimesSync(join(root, 'sub/config.json'), 1, 1)
    await expect(linked.readAll([{ name: 'weights.bin' }])).rejects.toEqual(refusal('FILE_CHANGED'))
  })

  test('is copied', async () => {
    const { linked } = await files()
    const directory = scratch()
    linked.take(await linked.find(['weights.bin']))
    await linked.copy(['weights.bin'], directory)
    expect(statSync(join(directory, 'weights.bin')).size).toBe(7)
  })
})
