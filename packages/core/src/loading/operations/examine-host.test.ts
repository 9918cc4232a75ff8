import { chmodSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { refusal, scratch } from '../../testing/scratch.ts'
import { examineHost } from './examine-host.ts'

let directory: string

beforeEach(() => {
  directory = scratch({ 'modelseal.policy.yaml': 'version: 1\n' })
  mkdirSync(join(directory, 'tmp'), { mode: 0o700 })
  mkdirSync(join(directory, 'cache'), { mode: 0o700 })
  vi.stubEnv('TMPDIR', join(directory, 'tmp'))
  vi.stubEnv('MODELSEAL_CACHE', join(directory, 'cache'))
  vi.stubEnv('MODELSEAL_POLICY', '')
})

afterEach(() => vi.unstubAllEnvs())

describe('examineHost', () => {
  test('finds private places for copies and links, and leaves nothing there', async () => {
    const { temporary, isolation } = await examineHost()
    expect(temporary).toMatchObject({ path: join(directory, 'tmp'), exists: true, mode: '0700' })
    expect(temporary.room).toBeGreaterThan(0)
    for (const level of [isolation.copy, isolation.inPlace]) {
      expect(level.problem).toBeUndefined()
      expect(level.place).toBe(join(directory, 'tmp'))
    }
    expect(readdirSync(join(directory, 'tmp'))).toEqual([])
  })

  test.skipIf(process.platform !== 'linux')('says why TMPDIR is not used, and what is used instead', async () => {
    vi.stubEnv('TMPDIR', join(directory, 'nowhere'))
    const { isolation, temporary } = await examineHost()
    expect(temporary).toMatchObject({ exists: false })
    expect(isolation.copy.place).toBe(join(directory, 'cache/placed'))
    expect(isolation.copy.notes[0]).toMatch(/^Cannot use TMPDIR for copies: Cannot create a private directory/)
    expect(isolation.inPlace.notes[0]).toMatch(/^Cannot use TMPDIR for links: Cannot create a private directory/)
  })

  test('names the policy, and where it comes from', async () => {
    const path = join(directory, 'modelseal.policy.yaml')
    expect((await examineHost({ policy: path })).policy).toEqual({ path, from: 'option' })
    vi.stubEnv('MODELSEAL_POLICY', path)
    expect((await examineHost()).policy).toEqual({ path, from: 'environment' })
    vi.stubEnv('MODELSEAL_POLICY', '')
    vi.spyOn(process, 'cwd').mockReturnValue(directory)
    expect((await examineHost()).policy).toEqual({ path, from: 'search' })
    vi.restoreAllMocks()
  })

  test('reports that there is no policy', async () => {
    vi.spyOn(process, 'cwd').mockReturnValue(join(scratch({ '.git/HEAD': '' })))
    expect((await examineHost()).policy).toMatchObject({ problem: { code: 'POLICY_NOT_FOUND' } })
    vi.restoreAllMocks()
  })

  test('knows whether the cache directory can be created', async () => {
    expect((await examineHost()).cache).toMatchObject({ exists: true, writable: true })
    vi.stubEnv('MODELSEAL_CACHE', join(directory, 'new/cache'))
    expect((await examineHost()).cache).toMatchObject({ exists: false, writable: true })
    vi.stubEnv('MODELSEAL_CACHE', join(directory, 'modelseal.policy.yaml/cache'))
    expect((await examineHost()).cache).toMatchObject({ exists: false, writable: false })
  })

  test('reports that there is no cache for a user without a home directory', async () => {
    for (const name of ['MODELSEAL_CACHE', 'XDG_CACHE_HOME', 'LOCALAPPDATA', 'HOME']) vi.stubEnv(name, '')
    expect((await examineHost()).cache).toEqual({ exists: false, writable: false })
  })

  test.skipIf(process.platform !== 'linux')('tells no free space where it is unknown', async () => {
    vi.stubEnv('TMPDIR', '/proc')
    const { temporary } = await examineHost()
    expect(temporary).toMatchObject({ path: '/proc', exists: true })
    expect(temporary).not.toHaveProperty('room')
  })

  test('reports a cache directory into which others could put files', async () => {
    chmodSync(join(directory, 'cache'), 0o777)
    const { cache } = await examineHost()
    expect(cache).toMatchObject({ exists: true, mode: '0777', problem: { code: 'CACHE_UNSAFE' } })
  })

  test.each(['receipts', 'placed', 'sigstore', 'advisories'])('or into its folder %s', async (kind) => {
    const folder = join(directory, 'cache', kind)
    mkdirSync(folder)
    expect((await examineHost()).cache).not.toHaveProperty('problem')
    chmodSync(folder, 0o777)
    expect((await examineHost()).cache).toMatchObject({ mode: '0700', problem: { code: 'CACHE_UNSAFE', file: folder } })
  })

  test('refuses options that it does not know', async () => {
    await expect(examineHost({ polcy: 'x' } as never)).rejects.toEqual(
      refusal('INVALID_ARGUMENT', { message: expect.stringContaining('for examineHost') as string }),
    )
  })
})
