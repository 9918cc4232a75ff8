import { chmodSync, chownSync, linkSync, mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { refusal, scratch } from '../../testing/scratch.ts'
import { fifo } from '../../testing/special-files.ts'
import { readTrustedFile } from './trusted-file.ts'
import type { Trust } from './untrusted.ts'

const ROOT = process.geteuid?.() === 0
const STRANGER = 54_321
const POLICY = { what: 'trust policy', maxBytes: 10, notFound: 'POLICY_NOT_FOUND' } as const
const TRUST: Trust = { code: 'POLICY_UNTRUSTED' }

const read = async (path: string, trust = TRUST) => (await readTrustedFile(path, POLICY, trust)).toString()

describe('follows a path as the kernel does:', () => {
  test('links, relative and absolute, to files and to directories, and ".." behind them', async () => {
    const directory = scratch({ 'a/b/file': 'found', 'a/other': 'other' })
    symlinkSync('a/b', join(directory, 'relative'))
    symlinkSync(`${directory}/relative/../other`, join(directory, 'absolute'))
    symlinkSync('relative/./file', join(directory, 'two'))
    expect(await read(join(directory, 'two'))).toBe('found')
    expect(await read(join(directory, 'relative/file'))).toBe('found')
    // Not "other" beside the link, which is the result of simplifying the path before following it.
    expect(await read(`${directory}/relative/../other`)).toBe('other')
    expect(await read(join(directory, 'absolute'))).toBe('other')
  })

  test.each([
    ['a missing file', 'gone', 'POLICY_NOT_FOUND'],
    ['a path below a file', 'file/inner', 'POLICY_NOT_FOUND'],
    ['a path with ".." behind a file', 'file/../file', 'POLICY_NOT_FOUND'],
    ['a cycle of links', 'loop', 'FILE_UNREADABLE'],
    ['a directory', 'directory', 'FILE_SPECIAL'],
    ['a FIFO', 'fifo', 'FILE_SPECIAL'],
    ['too large a file', 'large', 'FILE_TOO_LARGE'],
  ] as const)('%s is refused', async (_, name, code) => {
    const directory = scratch({ file: 'x', large: 'x'.repeat(11) })
    symlinkSync('loop', join(directory, 'loop'))
    mkdirSync(join(directory, 'directory'))
    fifo(join(directory, 'fifo'))
    await expect(read(`${directory}/${name}`)).rejects.toEqual(refusal(code))
  })
})

test('refuses files and directories that others can write to', async () => {
  const directory = scratch({ 'inner/file': 'x' })
  const file = join(directory, 'inner/file')
  chmodSync(join(directory, 'inner'), 0o777)
  await expect(read(file)).rejects.toEqual(refusal('POLICY_UNTRUSTED', { file }))
  chmodSync(join(directory, 'inner'), 0o755)
  for (const mode of [0o646, 0o602, 0o666]) {
    chmodSync(file, mode)
    await expect(read(file)).rejects.toEqual(refusal('POLICY_UNTRUSTED', { file }))
  }
})

test('accepts a file in a private directory below a sticky one, but not in the sticky one itself', async () => {
  const directory = scratch({ 'own/file': 'x', file: 'x' })
  symlinkSync('own', join(directory, 'link'))
  chmodSync(directory, 0o1777)
  expect(await read(join(directory, 'own/file'))).toBe('x')
  for (const file of ['file', 'link/file'].map((name) => join(directory, name)))
    await expect(read(file)).rejects.toEqual(refusal('POLICY_UNTRUSTED', { file }))
  chmodSync(directory, 0o700)
  expect(await read(join(directory, 'link/file'))).toBe('x')
})

test('accepts a hard link that only this user can have made', async () => {
  const directory = scratch({ 'inner/file': 'x' })
  linkSync(join(directory, 'inner/file'), join(directory, 'linked'))
  expect(await read(join(directory, 'linked'))).toBe('x')
})

test.runIf(ROOT)('trusts one further owner, if one is named', async () => {
  const directory = scratch({ file: 'x' })
  const file = join(directory, 'file')
  chownSync(file, STRANGER, STRANGER)
  await expect(read(file)).rejects.toEqual(refusal('POLICY_UNTRUSTED'))
  await expect(read(file, { ...TRUST, furtherOwner: 1n })).rejects.toEqual(refusal('POLICY_UNTRUSTED'))
  expect(await read(file, { ...TRUST, furtherOwner: BigInt(STRANGER) })).toBe('x')
})
