import { chmod, lstat, mkdir, readdir, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { refusal, scratch } from '../../../testing/scratch.ts'
import { MAX_FEED_BYTES } from '../feed-statement.ts'
import { keepCopy, keptState, readKeptCopy, readPrivate, writePrivate } from './kept-copy.ts'

const ID = 'ab'.repeat(32)
const BYTES = Buffer.from('{"a":1}\n{"b":2}\n')

let cache: string
let path: string

beforeEach(async () => {
  cache = join(scratch({ 'cache/.keep': '' }), 'cache')
  await chmod(cache, 0o700)
  vi.stubEnv('MODELSEAL_CACHE', cache)
  path = join(cache, 'advisories', `${ID}.jsonl`)
})
afterEach(() => void vi.unstubAllEnvs())

const keep = async (copy: object = {}, state = 'absent') =>
  keepCopy(ID, { bytes: BYTES, confirmedAt: 5, etag: '"1"', ...copy }, state)
/** Writes a kept copy as somebody else might. */
async function put(content: string | Buffer, mode = 0o600) {
  await keep()
  await writeFile(path, content)
  await chmod(path, mode)
}
const header = (more: object = {}) =>
  `${JSON.stringify({ format: 'modelseal-advisory-1', confirmedAt: 5, etag: '"1"', ...more })}\n`

describe('a kept copy', () => {
  test('is read as it was written, by this user only', async () => {
    expect(await readKeptCopy(ID)).toBeUndefined()
    expect(await keptState(ID)).toBe('absent')
    const state = await keep()
    expect(await readKeptCopy(ID)).toEqual({ bytes: BYTES, confirmedAt: 5, etag: '"1"' })
    expect((await lstat(path)).mode & 0o777).toBe(0o600)
    expect(await keptState(ID)).toBe(state)
    expect(await readKeptCopy('cd'.repeat(32))).toBeUndefined()
    expect(await readdir(join(cache, 'advisories'))).toEqual([`${ID}.jsonl`])
  })

  test('replaces only the copy whose content is known', async () => {
    const state = await keep()
    expect(await keep({ confirmedAt: 6 })).toBeUndefined()
    expect(await keep({ confirmedAt: 7 }, 'other')).toBeUndefined()
    expect(await readKeptCopy(ID)).toMatchObject({ confirmedAt: 5 })
    const next = await keep({ confirmedAt: 8 }, state)
    expect(next).not.toBe(state)
    expect(await keptState(ID)).toBe(next)
    expect(await readKeptCopy(ID)).toMatchObject({ confirmedAt: 8 })
    await rm(path)
    expect(await keep({}, next)).toBeUndefined()
    expect(await keptState(ID)).toBe('absent')
  })

  test('has another state once it is another file, or has other content', async () => {
    const states = [await keep()]
    await writeFile(path, 'x')
    states.push(await keptState(ID))
    await writeFile(`${path}2`, 'x')
    await rename(`${path}2`, path)
    states.push(await keptState(ID))
    await utimes(path, 1, 1)
    states.push(await keptState(ID))
    expect(new Set(states).size).toBe(4)
    for (const state of states) expect(state).toMatch(/^\d+:\d+:\d+:\d+$/)
  })

  test('may have no entity tag, and has none that cannot be sent', async () => {
    await keep({ etag: undefined })
    expect(await readKeptCopy(ID)).toEqual({ bytes: BYTES, confirmedAt: 5, etag: undefined })
    await put(header({ etag: 'no tag' }))
    expect(await readKeptCopy(ID)).toEqual({ bytes: Buffer.alloc(0), confirmedAt: 5, etag: undefined })
  })

  test.each([0, 8.64e15])('may have been confirmed at %d', async (confirmedAt) => {
    await put(header({ confirmedAt }))
    expect(await readKeptCopy(ID)).toMatchObject({ confirmedAt })
  })

  test.each<[string, string]>([
    ['is of another format', header({ format: 'modelseal-advisory-2' })],
    ['has no format', header({ format: undefined })],
    ['has no time', header({ confirmedAt: undefined })],
    ['has a time before all times', header({ confirmedAt: -1 })],
    ['has a time after all times', header({ confirmedAt: 8.64e15 + 1 })],
    ['has text for a time', header({ confirmedAt: '5' })],
    ['has a time that is none', header({ confirmedAt: null })],
    ['has no line', header().trim()],
    ['has an empty line', `\n${header()}`],
    ['has null for a header', 'null\n'],
    ['has no JSON for a header', '{\n'],
    ['has a header that is too long', header({ x: 'x'.repeat(4_096) })],
    ['is empty', ''],
  ])('counts as absent if it %s', async (_, content) => {
    await put(content)
    expect(await readKeptCopy(ID)).toBeUndefined()
  })

  test('may have a header of a certain length', async () => {
    const padded = (length: number) => header({ x: 'x'.repeat(length - header({ x: '' }).length + 1) })
    await put(padded(4_096))
    expect(await readKeptCopy(ID)).toBeDefined()
    await put(padded(4_097))
    expect(await readKeptCopy(ID)).toBeUndefined()
  })

  test.each([0o640, 0o604, 0o610, 0o601, 0o620, 0o602])(
    'counts as absent if others have rights to it: %o',
    async (mode) => {
      await put(header(), mode)
      expect(await readKeptCopy(ID)).toBeUndefined()
      await chmod(path, 0o600)
      expect(await readKeptCopy(ID)).toBeDefined()
    },
  )

  test('counts as absent if it is too large, a directory or a link', async () => {
    const largest = Buffer.concat([Buffer.from(header()), Buffer.alloc(MAX_FEED_BYTES + 4_096)])
    await put(largest.subarray(0, -4_096))
    expect((await readKeptCopy(ID))?.bytes).toHaveLength(MAX_FEED_BYTES)
    await put(largest)
    expect(await readKeptCopy(ID)).toBeUndefined()
    await put(header())
    await rename(path, `${path}2`)
    await symlink(`${path}2`, path)
    await chmod(`${path}2`, 0o644)
    expect(await readKeptCopy(ID)).toBeUndefined()
    await rm(path)
    await mkdir(path)
    expect(await readKeptCopy(ID)).toBeUndefined()
  })
})

describe('without a cache that only this user can write to', () => {
  test('nothing is read or written', async () => {
    await keep()
    await chmod(cache, 0o777)
    expect(await readKeptCopy(ID)).toBeUndefined()
    await expect(keep()).rejects.toEqual(refusal('CACHE_UNSAFE'))
    await expect(writePrivate('x', BYTES, { what: 'x' })).rejects.toEqual(refusal('CACHE_UNSAFE'))
  })

  test('though nobody else may remove files from it, nothing is read', async () => {
    await keep()
    await chmod(join(cache, 'advisories'), 0o1777)
    expect(await readKeptCopy(ID)).toBeUndefined()
    await chmod(join(cache, 'advisories'), 0o700)
    expect(await readKeptCopy(ID)).toBeDefined()
  })

  test('because it has a relative path, there is no kept copy', async () => {
    vi.stubEnv('MODELSEAL_CACHE', 'relative')
    expect(await readKeptCopy(ID)).toBeUndefined()
  })
})

test('for a user without a home directory, nothing is read or written', async () => {
  for (const [name, value] of Object.entries({ MODELSEAL_CACHE: '', XDG_CACHE_HOME: '', HOME: 'relative' }))
    vi.stubEnv(name, value)
  expect(await readKeptCopy(ID)).toBeUndefined()
  expect(await keptState(ID)).toBe('absent')
  await expect(keep()).rejects.toEqual(refusal('FILE_WRITE_FAILED'))
})

describe('a private file of the cache', () => {
  test('is read as it was written, within its limit', async () => {
    await writePrivate('a.json', BYTES, { what: 'x' })
    expect((await lstat(join(cache, 'advisories/a.json'))).mode & 0o777).toBe(0o600)
    expect(await readPrivate('a.json', { what: 'x', maxBytes: BYTES.length })).toEqual(BYTES)
    expect(await readPrivate('a.json', { what: 'x', maxBytes: BYTES.length - 1 })).toBeUndefined()
    expect(await readPrivate('b.json', { what: 'x', maxBytes: 1 })).toBeUndefined()
  })

  test('is not written over a directory', async () => {
    await keep()
    await mkdir(join(cache, 'advisories/a.json'))
    await expect(writePrivate('a.json', BYTES, { what: 'x' })).rejects.toEqual(refusal('FILE_WRITE_FAILED'))
    await rm(path)
    await mkdir(path)
    await expect(keep({}, await keptState(ID))).rejects.toEqual(refusal('FILE_WRITE_FAILED'))
  })
})
