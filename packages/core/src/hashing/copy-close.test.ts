import { randomBytes } from 'node:crypto'
import type * as FileSystem from 'node:fs'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { jobsOf } from '../testing/hash-jobs.ts'
import { openFilesIn } from '../testing/open-files.ts'
import { refusal, scratch } from '../testing/scratch.ts'
import { hashFiles } from './hash-files.ts'

// Some file systems report only on close that there was no space for the last bytes. This simulates one.
const copies = vi.hoisted(() => new Set<number>())
vi.mock('node:fs', async (original) => {
  const real = await original<typeof FileSystem>()
  return {
    ...real,
    openSync: (path: string, flags: string | number, mode?: number) => {
      const fd = real.openSync(path, flags, mode)
      if (flags === 'wx') copies.add(fd)
      return fd
    },
    closeSync: (fd: number) => {
      real.closeSync(fd)
      if (copies.delete(fd)) throw Object.assign(new Error('EDQUOT: disk quota exceeded, close'), { code: 'EDQUOT' })
    },
  }
})

test.each([
  ['small', 1_000],
  ['large', 500_000],
])('refuses a copy of a %s file that cannot be closed, and leaves nothing open', async (_, size) => {
  const directory = scratch({ a: randomBytes(size) })
  const [job] = await jobsOf(directory)
  const hashing = hashFiles([{ ...job!, copyTo: join(directory, 'copy') }], { hashType: 'sha256' })
  await expect(hashing).rejects.toEqual(refusal('COPY_FAILED', { file: 'a' }))
  if (process.platform === 'linux') expect(openFilesIn(directory)).toEqual([])
})
