import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { jobsOf, sha256 } from '../testing/hash-jobs.ts'
import { scratch } from '../testing/scratch.ts'
import { hashFiles } from './hash-files.ts'
import { closeHashPool } from './pool.ts'

const KIB = 1024
const MIB = 1024 * KIB

afterAll(() => closeHashPool())

// Around a chunk, the work of the calling thread, and the size from which another thread reads ahead and copies.
const sizes = [128 * KIB, 8 * MIB, 32 * MIB].flatMap((size) => [size - 1, size, size + 1])

test.each([0, 1, ...sizes])('a copy of %i bytes has the content that was hashed', async (size) => {
  const content = randomBytes(size)
  const [job] = await jobsOf(scratch({ content }))
  const copyTo = join(scratch(), 'copy')
  const [result] = await hashFiles([{ ...job!, copyTo }], { hashType: 'sha256' })
  expect(result!.digests).toEqual([sha256(content)])
  expect(readFileSync(copyTo).equals(content)).toBe(true)
})

test('several large files are copied at once', async () => {
  const contents = [33 * MIB, 32 * MIB + 5, 40 * MIB, 1000].map((size) => randomBytes(size))
  const jobs = await jobsOf(scratch(Object.fromEntries(contents.map((content, index) => [`${index}`, content]))))
  const copies = scratch()
  const copying = jobs.map((job) => ({ ...job, copyTo: join(copies, job.file.name) }))
  const results = await hashFiles(copying, { hashType: 'sha256' })
  expect(results.map(({ digests }) => digests)).toEqual(contents.map((content) => [sha256(content)]))
  expect(readdirSync(copies).sort()).toEqual(['0', '1', '2', '3'])
  for (const [index, content] of contents.entries())
    expect(readFileSync(join(copies, `${index}`)).equals(content)).toBe(true)
})
