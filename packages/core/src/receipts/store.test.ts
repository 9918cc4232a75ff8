import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { spawnSync } from 'node:child_process'
import { lstat, open } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { openFilesIn } from '../testing/open-files.ts'
import { refusal, scratch } from '../testing/scratch.ts'
import type { Receipt } from './receipt.ts'
import { ReceiptStore } from './store.ts'

vi.mock('node:fs/promises', { spy: true })

const ROOT = process.geteuid?.() === 0
const identity = { dev: 1n, ino: 2n, size: 3, mtimeNs: 4n, ctimeNs: 5n }

function receipt(model: string, bundleDigest = 'b'.repeat(64), hashedAt = 1_000): Receipt {
  return { model, rootDigest: 'a'.repeat(64), bundleDigest, hashedAt, files: new Map([['f', identity]]) }
}

/** As receipts are named, and files that are not yet receipts. */
const [NAME, HALF] = [receiptName(0xa), `.${'a'.repeat(16)}.tmp`]

function receiptName(number: number): string {
  return `${number.toString(16).padStart(64, '0')}.json`
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
        refusal('RECEIPTS_UNUSABLE', {
          file: '~/.cache/modelseal/receipts',
          expected: 'a directory that belongs to this user, has mode 0700, and cannot be replaced by anybody else',
          found: 'a user without a home directory',
          hint: expect.stringContaining('MODELSEAL_CACHE'),
        }),
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
    const unread = refusal('RECEIPTS_UNUSABLE', { file: directory, found: 'a read error (ENOENT)' })
    await expect(store.list()).rejects.toThrow(unread)
    await expect(store.drop()).rejects.toThrow(unread)
    await expect(store.keep(receipt('/m'))).rejects.toThrow(
      refusal('RECEIPTS_UNUSABLE', { file: directory, found: 'a write error (ENOENT)' }),
    )
    expect(await store.find('/m', 'b'.repeat(64))).toBeUndefined()
  })

  test.each(['0770', '0707', '0750', '0701'])('is refused with the mode %s', (mode) => {
    mkdirSync(directory, { recursive: true })
    chmodSync(directory, mode)
    expect(() => ReceiptStore.open()).toThrow(
      refusal('RECEIPTS_UNUSABLE', { file: directory, found: `the mode ${mode}` }),
    )
  })

  test('is refused on an operating system without owners', () => {
    const { geteuid } = process
    onTestFinished(() => void Object.assign(process, { geteuid }))
    Object.assign(process, { geteuid: undefined })
    expect(() => ReceiptStore.open()).toThrow(
      refusal('RECEIPTS_UNUSABLE', { found: 'an operating system without file owners and modes' }),
    )
  })

  test('is refused if it is a link or not a directory', () => {
    mkdirSync(join(directory, '..'), { recursive: true })
    symlinkSync(scratch(), directory)
    const other = refusal('RECEIPTS_UNUSABLE', { found: 'something that is not a directory' })
    expect(() => ReceiptStore.open()).toThrow(other)
    vi.stubEnv('MODELSEAL_CACHE', scratch({ receipts: '' }))
    expect(() => ReceiptStore.open()).toThrow(other)
    expect(() => ReceiptStore.open()).toThrow(expect.not.objectContaining({ cause: expect.anything() }))
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
    expect(() => ReceiptStore.open()).toThrow(refusal('RECEIPTS_UNUSABLE', { found: 'the mode 0777' }))
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
    await store.keep(receipt('/m', 'c'.repeat(64)))
    const ofOtherBundle = readdirSync(directory).find((name) => join(directory, name) !== path) ?? ''
    renameSync(join(directory, ofOtherBundle), path)
    expect(await store.find('/m', 'b'.repeat(64))).toBeUndefined()
    expect(await store.find('/m', 'c'.repeat(64))).toBeUndefined()
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

  test('deletes all receipts, even those that cannot be read, but no other files', async () => {
    const store = ReceiptStore.open()
    await store.keep(receipt('/m'))
    writeFileSync(join(directory, NAME), 'not a receipt')
    const others = ['README', `${NAME}.orig`, `old-${NAME}`]
    for (const name of others) writeFileSync(join(directory, name), '')
    expect((await store.list()).map(({ model }) => model)).toEqual(['/m'])
    expect(await store.drop()).toBe(2)
    expect(readdirSync(directory).sort()).toEqual(others.sort())
  })

  test('does not fail if another process deletes a receipt first', async () => {
    const store = ReceiptStore.open()
    await store.keep(receipt('/m'))
    const isMeant = () => {
      rmSync(join(directory, readdirSync(directory)[0] ?? ''))
      return true
    }
    expect(await store.drop(isMeant)).toBe(1)
  })

  test('reports a receipt that cannot be deleted', async () => {
    const store = ReceiptStore.open()
    mkdirSync(join(directory, NAME))
    await expect(store.drop()).rejects.toThrow(
      refusal('RECEIPTS_UNUSABLE', { file: directory, found: 'a deletion error (ERR_FS_EISDIR)' }),
    )
  })

  test('does not use a receipt of more than 256 MiB', async () => {
    const store = ReceiptStore.open()
    await store.keep(receipt('/m'))
    const withSize = (size: bigint) =>
      vi.mocked(open).mockImplementationOnce(async (...args) => {
        const handle = await open(...args)
        const stat = await handle.stat({ bigint: true })
        return Object.assign(handle, { stat: () => Promise.resolve(Object.assign(stat, { size })) })
      })
    withSize(2n ** 28n)
    expect(await store.find('/m', 'b'.repeat(64))).toEqual(receipt('/m'))
    withSize(2n ** 28n + 1n)
    expect(await store.find('/m', 'b'.repeat(64))).toBeUndefined()
  })

  test.runIf(process.platform === 'linux')('leaves no file open', async () => {
    const store = ReceiptStore.open()
    await store.keep(receipt('/m'))
    await store.list()
    expect(openFilesIn(directory)).toEqual([])
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

  test('keeps receipts for 30 days, and half-written ones for an hour', async () => {
    const store = ReceiptStore.open()
    const day = 86_400
    const now = Math.floor(Date.now() / 1_000)
    vi.setSystemTime(now * 1_000)
    onTestFinished(() => void vi.useRealTimers())
    const ages = { [NAME]: 30 * day, [`b${NAME.slice(1)}`]: 30 * day + 1, [HALF]: 3_600, [`.b${HALF.slice(2)}`]: 3_601 }
    for (const [name, age] of Object.entries(ages)) {
      writeFileSync(join(directory, name), '')
      utimesSync(join(directory, name), now - age, now - age)
    }
    await store.keep(receipt('/new'))
    expect(readdirSync(directory).filter((name) => name in ages)).toEqual([HALF, NAME])
  })

  test('keeps the thousand newest receipts', async () => {
    const store = ReceiptStore.open()
    const now = Math.floor(Date.now() / 1_000)
    // Neither in the order of their ages nor in the reverse.
    const names = Array.from({ length: 1_002 }, (_, index) => ({
      name: receiptName(index),
      age: 2 + ((index * 5) % 1_002),
    }))
    for (const { name, age } of names) {
      writeFileSync(join(directory, name), '')
      utimesSync(join(directory, name), now - age, now - age)
    }
    writeFileSync(join(directory, HALF), '')
    const oldest = names.find(({ age }) => age === 1_003)?.name ?? ''
    // Another process deletes it before this one does.
    vi.mocked(lstat).mockImplementation((path) => {
      const stat = lstatSync(path)
      if (path === join(directory, oldest)) rmSync(path)
      return Promise.resolve(stat)
    })
    onTestFinished(() => {
      vi.mocked(lstat).mockRestore()
    })
    await store.keep(receipt('/new'))
    const kept = new Set(readdirSync(directory))
    const deleted = names.filter(({ name }) => !kept.has(name)).map(({ age }) => age)
    expect(deleted.toSorted((a, b) => a - b)).toEqual([1_001, 1_002, 1_003])
    expect(kept.has(HALF)).toBe(true)
    expect(await store.find('/new', 'b'.repeat(64))).toBeDefined()
  })

  test.each(['before it is examined', 'before it is deleted'])(
    'stores a receipt even if another process deletes an old one %s',
    async (when) => {
      const store = ReceiptStore.open()
      for (const name of [NAME, HALF]) writeFileSync(join(directory, name), '')
      for (const name of [NAME, HALF]) utimesSync(join(directory, name), 0, 0)
      vi.mocked(lstat).mockImplementation((async (path: string) => {
        const isOld = path.endsWith(NAME) || path.endsWith(HALF)
        if (isOld && when === 'before it is examined') rmSync(path)
        const stat = lstatSync(path)
        if (isOld) rmSync(path, { force: true })
        return Promise.resolve(stat)
      }) as typeof lstat)
      onTestFinished(() => {
        vi.mocked(lstat).mockRestore()
      })
      await store.keep(receipt('/new'))
      expect((await store.list()).map(({ model }) => model)).toEqual(['/new'])
    },
  )

  test('leaves alone directories and files whose names only resemble those of receipts', async () => {
    const store = ReceiptStore.open()
    const others = [`a${NAME}`, `${NAME}.orig`, `a${HALF}`, `${HALF}.orig`]
    for (const name of others) writeFileSync(join(directory, name), '')
    mkdirSync(join(directory, NAME))
    for (const name of [NAME, ...others]) utimesSync(join(directory, name), 0, 0)
    await store.keep(receipt('/new'))
    expect(readdirSync(directory)).toEqual(expect.arrayContaining([NAME, ...others]))
  })
})
