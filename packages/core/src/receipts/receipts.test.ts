import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { openLocalSource } from '../source/local/local-source.ts'
import { refusal, scratch } from '../testing/scratch.ts'
import { dropReceipts, listReceipts } from './receipts.ts'
import { ReceiptStore } from './store.ts'

beforeEach(() => {
  vi.stubEnv('MODELSEAL_CACHE', scratch())
  return () => vi.unstubAllEnvs()
})

/** Leaves a receipt of a model, as a load of this path would. */
async function leave(path: string, ...files: string[]): Promise<void> {
  const { path: model } = await openLocalSource(path)
  const identity = { dev: 1n, ino: 2n, size: 3, mtimeNs: 4n, ctimeNs: 5n }
  await ReceiptStore.open().keep({
    model,
    rootDigest: 'a'.repeat(64),
    bundleDigest: 'b'.repeat(64),
    hashedAt: 1_000,
    files: new Map(files.map((name) => [name, identity])),
  })
}

test.skipIf(process.platform === 'win32')('listReceipts() says what each receipt is about', async () => {
  const site = scratch({ 'vad/weights.bin': '', 'vad/config.json': '' })
  await leave(join(site, 'vad'), 'weights.bin', 'config.json')
  expect(await listReceipts()).toEqual([
    {
      model: join(site, 'vad'),
      rootDigest: 'a'.repeat(64),
      bundleDigest: 'b'.repeat(64),
      hashedAt: '1970-01-01T00:00:01.000Z',
      files: 2,
    },
  ])
})

describe.skipIf(process.platform === 'win32')('dropReceipts() deletes the receipts of a model', () => {
  test('by any path that leads to it, even if it no longer exists', async () => {
    const site = scratch({ 'real/vad/weights.bin': '' })
    symlinkSync('real', join(site, 'models'))
    symlinkSync('real/vad', join(site, 'latest'))
    for (const path of ['real/vad', 'models/vad', 'latest']) {
      await leave(join(site, 'real/vad'), 'weights.bin')
      expect(await dropReceipts(join(site, path))).toBe(1)
    }
    const { rmSync } = await import('node:fs')
    await leave(join(site, 'real/vad'), 'weights.bin')
    rmSync(join(site, 'real/vad'), { recursive: true })
    expect(await dropReceipts(join(site, 'models/vad'))).toBe(1)
  })

  test('by a file in it, but not by another file', async () => {
    const site = scratch({ 'vad/sub/weights.bin': '', 'vad/other': '', 'vad2/sub/weights.bin': '' })
    await leave(join(site, 'vad'), 'sub/weights.bin')
    for (const other of ['vad/other', 'vad/sub', 'vad2/sub/weights.bin', 'dav/sub/weights.bin', 'va', '.'])
      expect(await dropReceipts(join(site, other))).toBe(0)
    expect(await dropReceipts(join(site, 'vad/sub/weights.bin'))).toBe(1)
    expect(await listReceipts()).toEqual([])
  })

  test('if it is a single file of a Hugging Face cache, which is a link', async () => {
    const blob = 'a'.repeat(64)
    const site = scratch({ [`models--o--m/blobs/${blob}`]: '', 'models--o--m/snapshots/1/README': '' })
    const link = join(site, 'models--o--m/snapshots/1/model.onnx')
    symlinkSync(`../../blobs/${blob}`, link)
    await leave(link, 'model.onnx')
    expect(await dropReceipts(link)).toBe(1)
    await leave(join(link, '..'), 'model.onnx')
    expect(await dropReceipts(link)).toBe(1)
  })

  test('or of all models without a path', async () => {
    const site = scratch({ 'vad/weights.bin': '', 'asr/weights.bin': '' })
    for (const name of ['vad', 'asr']) await leave(join(site, name), 'weights.bin')
    expect(await dropReceipts()).toBe(2)
    expect(await listReceipts()).toEqual([])
  })

  test('but not if the path is invalid', async () => {
    await expect(dropReceipts('')).rejects.toThrow(refusal('INVALID_ARGUMENT'))
  })
})
