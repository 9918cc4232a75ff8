import { chmodSync, chownSync, existsSync, lstatSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { refusal, scratch } from '../../testing/scratch.ts'
import { checkPrivate } from './ownership.ts'
import { makePrivateDirectory } from './private-directory.ts'

const ROOT = process.geteuid?.() === 0
const STRANGER = 65_534
const start = process.cwd()

afterEach(() => {
  process.chdir(start)
  vi.unstubAllEnvs()
})

describe('a private directory', () => {
  test('has the mode 0700 whatever the umask', async () => {
    vi.stubEnv('TMPDIR', scratch())
    const umask = process.umask(0)
    const { files, remove } = await makePrivateDirectory().finally(() => process.umask(umask))
    for (const path of [files, dirname(files)]) expect(lstatSync(path).mode & 0o7777).toBe(0o700)
    await remove()
    expect(existsSync(dirname(files))).toBe(false)
  })

  test('has a path without links, so that nobody can redirect it later', async () => {
    const directory = scratch({ 'real/x': '' })
    symlinkSync('real', join(directory, 'link'))
    vi.stubEnv('TMPDIR', join(directory, 'link'))
    const { files, remove } = await makePrivateDirectory()
    expect(dirname(dirname(files))).toBe(join(directory, 'real'))
    await remove()
  })

  test('stays the same when the process changes its working directory, even if TMPDIR is relative', async () => {
    const directory = scratch({ 'tmp/x': '' })
    process.chdir(directory)
    vi.stubEnv('TMPDIR', 'tmp')
    const { files, remove } = await makePrivateDirectory()
    process.chdir('/')
    expect(dirname(dirname(files))).toBe(join(directory, 'tmp'))
    await remove()
    expect(existsSync(dirname(files))).toBe(false)
  })

  test.runIf(ROOT)('is not created in a directory of another user, sticky or not', async () => {
    const directory = scratch()
    chownSync(directory, STRANGER, STRANGER)
    vi.stubEnv('TMPDIR', directory)
    for (const mode of [0o700, 0o755, 0o1777]) {
      chmodSync(directory, mode)
      await expect(makePrivateDirectory()).rejects.toEqual(
        refusal('ISOLATION_REFUSED', { found: `a file of the user ${STRANGER}` }),
      )
    }
    expect(readdirSync(directory)).toEqual([])
  })
})

describe('a directory is not private if it', () => {
  test.each([
    ['can be entered by others', 0o711],
    ['can be read by others', 0o704],
    ['can be written to by the group', 0o720],
  ])('%s', (_, mode) => {
    const directory = scratch()
    chmodSync(directory, mode)
    expect(() => checkPrivate(directory)).toThrow(
      refusal('ISOLATION_REFUSED', { found: `the mode 0${mode.toString(8)}` }),
    )
    chmodSync(directory, 0o700)
    expect(() => checkPrivate(directory)).not.toThrow()
  })

  test('is now a link', () => {
    const directory = scratch({ 'mine/x': '' })
    symlinkSync('mine', join(directory, 'link'))
    expect(() => checkPrivate(join(directory, 'link'))).toThrow(refusal('ISOLATION_REFUSED'))
  })

  test('is reached through a link', () => {
    const directory = scratch()
    mkdirSync(join(directory, 'above', 'mine'), { recursive: true, mode: 0o700 })
    symlinkSync('above', join(directory, 'link'))
    expect(() => checkPrivate(join(directory, 'link', 'mine'))).toThrow(refusal('ISOLATION_REFUSED'))
  })

  test.runIf(ROOT)('belongs to another user', () => {
    const directory = scratch()
    chownSync(directory, STRANGER, STRANGER)
    expect(() => checkPrivate(directory)).toThrow(refusal('ISOLATION_REFUSED'))
  })

  test('no longer exists', () => {
    expect(() => checkPrivate(join(scratch(), 'gone'))).toThrow(refusal('FILE_UNREADABLE'))
  })
})
