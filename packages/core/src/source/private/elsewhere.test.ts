import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { syncDirectory } from '../../journal/writing/files/files.ts'
import { elsewhere } from '../../testing/elsewhere.ts'
import { scratch } from '../../testing/scratch.ts'
import { makeCacheFolder } from './cache-directory.ts'
import { showLife } from './sign-of-life.ts'

let home: string
beforeEach(() => {
  home = scratch()
  vi.stubEnv('HOME', home)
  for (const name of ['MODELSEAL_CACHE', 'XDG_CACHE_HOME', 'LOCALAPPDATA']) vi.stubEnv(name, undefined)
})
afterEach(() => {
  vi.unstubAllEnvs()
})

test.each([
  ['linux', '.cache/modelseal'],
  ['freebsd', '.cache/modelseal'],
  ['darwin', 'Library/Caches/modelseal'],
  ['win32', 'AppData/Local/modelseal/Cache'],
] as const)('on %s, the cache directory is %s in the home directory', async (platform, place) => {
  elsewhere(platform)
  expect(await makeCacheFolder('kept')).toBe(join(home, place, 'kept'))
})

test.each([
  ['linux', 'XDG_CACHE_HOME', 'modelseal'],
  ['win32', 'LOCALAPPDATA', 'modelseal/Cache'],
] as const)('on %s, %s says where it is', async (platform, variable, place) => {
  elsewhere(platform)
  vi.stubEnv(variable, join(home, 'elsewhere'))
  expect(await makeCacheFolder('kept')).toBe(join(home, 'elsewhere', place, 'kept'))
})

test('on macOS, XDG_CACHE_HOME says nothing', async () => {
  elsewhere('darwin')
  vi.stubEnv('XDG_CACHE_HOME', join(home, 'elsewhere'))
  expect(await makeCacheFolder('kept')).toBe(join(home, 'Library/Caches/modelseal/kept'))
})

test('on Windows, a directory shows no life, since a named pipe is in no directory', async () => {
  elsewhere('win32')
  expect(await showLife(scratch())).toBeUndefined()
})

test('on Windows, which opens no directories, none is synced', () => {
  const missing = join(home, 'missing')
  elsewhere('win32')
  expect([...syncDirectory(missing)]).toEqual([])
})
