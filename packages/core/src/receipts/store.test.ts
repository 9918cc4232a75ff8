import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { refusal, scratch } from '../testing/scratch.ts'
import type { Receipt } from './receipt.ts'
import { ReceiptStore } from './store.ts'

const ROOT = process.geteuid?.() === 0
const identity = { dev: 1n, ino: 2n, size: 3, mtimeNs: 4n, ctimeNs: 5n }

function receipt(model: string, bundleDigest = 'b'.repeat(64), hashedAt = 1_000): Receipt {
  return { model, rootDigest: 'a'.repeat(64), bundleDigest, hashedAt, files: new Map([['f', identity]]) }
}

let directory: string
beforeEach(() => {
  directory = join(scratch(), 'cache', 'receipts')
  vi.stubEnv('MODELSEAL_CACHE', join(directory, '..'))
})
afterEach(() => vi.unstubAllEnvs())

describe.skipIf(process.platform === 'win32')('the store of receipts', () => {
  test('keeps a receipt for a model and its bundle', async () => {
    const store = ReceiptStore.open()
    await store.keep(receipt('/m'))
    expect(await ReceiptStore.open().find('/m', 'b'.repeat(64))).toEqual(receipt('/m'))
    expect(await store.find('/m', 'c'.repeat(64))).toBeUndefined()
    expect(await store.find('/n', 'b'.repeat(64))).toBeUndefined()
    expect(readdirSync(directory)).toHaveLength(1)
  })

  test('is private to this user, and so are the receipts', async () => {
    await ReceiptStore.open().keep(receipt('/m'))
    expect(statSync(directory).mode & 0o777).toBe(0o700)
    expect(statSync(join(directory, readdirSync(directory)[0] ?? '')).mode & 0o777).toBe(0o600)
  })

  test('is in XDG_CACHE_HOME unless that is relative', () => {
    const cache = scratch()
    vi.stubEnv('MODELSEAL_CACHE', '')
    vi.stubEnv('XDG_CACHE_HOME', cache)
    expect(ReceiptStore.open().directory).toBe(join(cache, 'modelseal', 'receipts'))
    vi.stubEnv('XDG_CACHE_HOME', 'relative')
    vi.stubEnv('HOME', cache)
    expect(ReceiptStore.open().directory).toBe(join(cache, '.cache', 'modelseal', 'receipts'))
  })

  test.each(['', 'relative'])(
    'is refused if the home directory is "%s", which depends on the working directory',
    (home) => {
      vi.stubEnv('MODELSEAL_CACHE', '')
      vi.stubEnv('XDG_CACHE_HOME', '')
      vi.stubEnv('HOME', home)
      expect(() => ReceiptStore.open()).toThrow(
        refusal('RECEIPTS_UNUSABLE', { found: 'a user without a home directory' }),
      )
      expect(existsSync('.cache/modelseal')).toBe(false)
      expect(existsSync('relative')).toBe(false)
    },
  )

  test.skipIf(!ROOT)('is refused for a user unknown to the system and without HOME', () => {
    const script = `const { listReceipts } = await import(${JSON.stringify(join(import.meta.dirname, 'receipts.ts'))})
      process.seteuid(54321)
      await listReceipts().catch(({ code, found }) => console.log(code, found))`
    const { status, stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      env: { PATH: process.env['PATH'] },
      encoding: 'utf8',
    })
    expect([status, stdout]).toEqual([0, 'RECEIPTS_UNUSABLE a user without a home directory\n'])
  })

  test.runIf(process.platform === 'linux')('is refused if it cannot be created, without trying forever', () => {
    for (const place of ['/proc/nowhere', join(scratch({ file: '' }), 'file')]) {
      vi.stubEnv('MODELSEAL_CACHE', place)
      expect(() => ReceiptStore.open()).toThrow(refusal('RECEIPTS_UNUSABLE'))
    }
    const site = scratch()
    symlinkSync('unmounted', join(site, '.cache'))
    vi.stubEnv('MODELSEAL_CACHE', join(site, '.cache'))
    expect(() => ReceiptStore.open()).toThrow(refusal('RECEIPTS_UNUSABLE', { found: 'ENOENT' }))
  })

  test('stays the directory that a link above it led to when it was checked', () => {
    const [first, second] = [scratch(), scratch()]
    const link = join(scratch(), 'cache')
    symlinkSync(first, link)
    vi.stubEnv('MODELSEAL_CACHE', link)
    const store = ReceiptStore.open()
    rmSync(link)
    symlinkSync(second, link)
    expect(store.directory).toBe(join(first, 'receipts'))
  })

  test('is reported missing by every operation if it was deleted', async () => {
    const store = ReceiptStore.open()
    rmSync(directory, { recursive: true })
    await expect(store.list()).rejects.toThrow(refusal('RECEIPTS_UNUSABLE'))
    await expect(store.drop()).rejects.toThrow(refusal('RECEIPTS_UNUSABLE'))
    await expect(store.keep(receipt('/m'))).rejects.toThrow(refusal('RECEIPTS_UNUSABLE'))
    expect(await store.find('/m', 'b'.repeat(64))).toBeUndefined()
  })

  test.each([0o770, 0o707, 0o750, 0o701])('is refused with the mode 0%s', (mode) => {
    mkdirSync(directory, { recursive: true })
    chmodSync(directory, mode)
    expect(() => ReceiptStore.open()).toThrow(refusal('RECEIPTS_UNUSABLE'))
  })

  test('is refused if it is a link or not a directory', () => {
    mkdirSync(join(directory, '..'), { recursive: true })
    symlinkSync(scratch(), directory)
    expect(() => ReceiptStore.open()).toThrow(refusal('RECEIPTS_UNUSABLE'))
    vi.stubEnv('MODELSEAL_CACHE', scratch({ receipts: '' }))
    expect(() => ReceiptStore.open()).toThrow(refusal('RECEIPTS_UNUSABLE'))
  })

  test('uses its path without links, so that nobody can redirect it later', () => {
    const place = scratch({ 'real/x': '' })
    symlinkSync('real', join(place, 'link'))
    vi.stubEnv('MODELSEAL_CACHE', join(place, 'link'))
    expect(ReceiptStore.open().directory).toBe(join(place, 'real', 'receipts'))
  })

  test('is refused if somebody else can replace it', () => {
    ReceiptStore.open()
    chmodSync(join(directory, '..'), 0o777)
    expect(() => ReceiptStore.open()).toThrow(refusal('RECEIPTS_UNUSABLE'))
  })

  test.skipIf(!ROOT)('is refused if it belongs to another user, and so is a receipt', async () => {
    const store = ReceiptStore.open()
    await store.keep(receipt('/m'))
    chownSync(join(directory, readdirSync(directory)[0] ?? ''), 65_534, 65_534)
    expect(await store.find('/m', 'b'.repeat(64))).toBeUndefined()
    chownSync(directory, 65_534, 65_534)
    expect(() => ReceiptStore.open()).toThrow(refusal('RECEIPTS_UNUSABLE'))
  })

  test('ignores receipts that are half-written, links, or of another model', async () => {
    const store = ReceiptStore.open()
    await store.keep(receipt('/m'))
    const path = join(directory, readdirSync(directory)[0] ?? '')
    writeFileSync(path, '{"version":1,')
    expect(await store.find('/m', 'b'.repeat(64))).toBeUndefined()
    await store.keep(receipt('/n'))
    const other = readdirSync(directory)
      .map((name) => join(directory, name))
      .find((name) => name !== path)
    const { renameSync, rmSync } = await import('node:fs')
    renameSync(other ?? '', path)
    expect(await store.find('/m', 'b'.repeat(64))).toBeUndefined()
    renameSync(path, join(directory, 'moved'))
    symlinkSync('moved', path)
    expect(await store.find('/m', 'b'.repeat(64))).toBeUndefined()
    rmSync(path)
  })

  test('lists the newest first, and deletes those of one model or all', async () => {
    const store = ReceiptStore.open()
    await store.keep(receipt('/m', '1'.repeat(64), 1))
    await store.keep(receipt('/m', '2'.repeat(64), 3))
    await store.keep(receipt('/n', '1'.repeat(64), 2))
    expect((await store.list()).map(({ model, hashedAt }) => [model, hashedAt])).toEqual([
      ['/m', 3],
      ['/n', 2],
      ['/m', 1],
    ])
    expect(await store.drop(({ model }) => model === '/m')).toBe(2)
    expect((await store.list()).map(({ model }) => model)).toEqual(['/n'])
    expect(await store.drop()).toBe(1)
    expect(await store.list()).toEqual([])
  })

  test('deletes old receipts when it stores a new one, and leaves other files alone', async () => {
    const store = ReceiptStore.open()
    await store.keep(receipt('/old'))
    writeFileSync(join(directory, `.${'a'.repeat(16)}.tmp`), '')
    for (const name of readdirSync(directory)) utimesSync(join(directory, name), 0, 0)
    // The user may have other files in the directory.
    const others = ['.bashrc', 'README', 'sub', 'work.tmp']
    mkdirSync(join(directory, 'sub'))
    for (const name of others) {
      if (name !== 'sub') writeFileSync(join(directory, name), '')
      utimesSync(join(directory, name), 0, 0)
    }
    await store.keep(receipt('/new'))
    expect((await store.list()).map(({ model }) => model)).toEqual(['/new'])
    expect(
      readdirSync(directory)
        .filter((name) => !name.endsWith('.json'))
        .sort(),
    ).toEqual(others)
  })
})
