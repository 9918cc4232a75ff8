import * as fs from 'node:fs'
import * as promises from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { procFile } from '../../source/proc-file.ts'
import { systemError } from '../../source/file-errors.ts'
import { elsewhere } from '../../testing/elsewhere.ts'
import { scratch } from '../../testing/scratch.ts'
import { staysInPlace } from './stays-in-place.ts'

vi.mock('node:fs', { spy: true })
vi.mock('node:fs/promises', { spy: true })
vi.mock(import('../../source/proc-file.ts'), async (original) => {
  const real = await original()
  return { ...real, procFile: vi.fn(real.procFile) }
})

let path: string
beforeEach(() => {
  path = join(scratch({ 'a b\\c/x': '' }), 'a b\\c')
  elsewhere('linux')
})
afterEach(() => {
  vi.mocked(procFile).mockReset()
  vi.mocked(promises.access).mockReset()
})

/** The table of mounts of this process (proc_pid_mountinfo(5)). */
function mounted(...at: string[]): void {
  const lines = at.map((place, i) => `${30 + i} 1 8:1 / ${place} rw,relatime shared:1 - ext4 /dev/sda1 rw`)
  const proc = scratch({ 'self/mountinfo': [...lines, ''].join('\n') })
  vi.mocked(procFile).mockImplementation((name) => join(proc, name))
}

test('a directory like any other can be renamed', async () => {
  mounted('/', dirname(path), `${path}\\040x`)
  expect(await staysInPlace(path)).toBe(false)
  expect(await staysInPlace(join(path, 'none'))).toBe(false)
  expect(promises.access).toHaveBeenCalledExactlyOnceWith(dirname(path), fs.constants.W_OK | fs.constants.X_OK)
})

test('a mount point cannot, even of the same file system', async () => {
  mounted('/', `${dirname(path)}/a\\040b\\134c`)
  expect(await staysInPlace(path)).toBe(true)
  elsewhere('darwin')
  expect(await staysInPlace(path)).toBe(false)
})

test('the root and the place of another file system cannot', async () => {
  mounted()
  expect(await staysInPlace('/')).toBe(true)
  const elsewhere = fs.lstatSync(path)
  elsewhere.dev += 1
  vi.mocked(fs.lstatSync).mockReturnValueOnce(elsewhere)
  expect(await staysInPlace(path)).toBe(true)
})

test('a directory that this user cannot rename stays where it is', async () => {
  mounted()
  vi.mocked(promises.access).mockRejectedValueOnce(systemError('EACCES'))
  expect(await staysInPlace(path)).toBe(true)
})

test('without a table of mounts, the device must suffice', async () => {
  vi.mocked(procFile).mockImplementation((name) => join(path, 'none', name))
  expect(await staysInPlace(path)).toBe(false)
})
