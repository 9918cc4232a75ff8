import { createHash, randomBytes } from 'node:crypto'
import type * as FileSystem from 'node:fs'
import { readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { jobsOf } from '../testing/hash-jobs.ts'
import { scratch } from '../testing/scratch.ts'
import type { HashType } from './algorithms.ts'
import type { HashJob } from './hash-file.ts'
import { hashFiles } from './hash-files.ts'
import { closeHashPool } from './pool.ts'

const read = vi.hoisted(() => ({ bytes: 0 }))
vi.mock('node:fs', async (original) => {
  const real = await original<typeof FileSystem>()
  const readSync = (...args: Parameters<typeof real.readSync>) => {
    const count = real.readSync(...args)
    read.bytes += count
    return count
  }
  return { ...real, readSync }
})

beforeEach(() => void (read.bytes = 0))
afterAll(() => closeHashPool())

const KIB = 1024
const MIB = 1024 * KIB
const OPENSSL = { sha256: 'sha256', blake2b: 'blake2b512' } as const

function digestOf(content: Uint8Array, type: keyof typeof OPENSSL): string {
  return createHash(OPENSSL[type]).update(content).digest('hex')
}

async function jobFor(content: Uint8Array, also: Partial<HashJob>): Promise<HashJob> {
  const [job] = await jobsOf(scratch({ file: content }))
  return { ...job!, ...also }
}

// The calling thread hashes below 8 MiB, a pool above.
describe.each([0, 1, 128 * KIB, 128 * KIB + 1, 300 * KIB + 7, 9 * MIB])('of a file of %i bytes', (size) => {
  const content = randomBytes(size)

  test('computes additional digests of the whole file along with the first', async () => {
    const job = await jobFor(content, { whole: ['blake2b', 'sha256'] })
    const [result] = await hashFiles([job], { hashType: 'sha256' })
    const [first, second] = [digestOf(content, 'sha256'), digestOf(content, 'blake2b')]
    expect(result).toEqual({ digests: [first], whole: [second, first] })
  })

  test('computes a digest of the whole file along with those of its shards', async () => {
    const step = 100 * KIB
    const ranges = Array.from({ length: Math.ceil(size / step) }, (_, index) => ({
      start: index * step,
      end: Math.min((index + 1) * step, size),
    }))
    const job = await jobFor(content, { ranges, whole: ['sha256'] })
    const [result] = await hashFiles([job], { hashType: 'blake2b' })
    expect(result?.whole).toEqual([digestOf(content, 'sha256')])
    expect(result?.digests).toEqual(ranges.map(({ start, end }) => digestOf(content.subarray(start, end), 'blake2b')))
  })

  test.each([0, 1, 128 * KIB, 200 * KIB, 10 * MIB])(
    'keeps the first %i bytes while hashing all of it',
    async (keepOnly) => {
      const job = await jobFor(content, { keep: true, keepOnly, whole: ['blake2b'] })
      const [result] = await hashFiles([job], { hashType: 'sha256' })
      expect(result?.digests).toEqual([digestOf(content, 'sha256')])
      expect(result?.whole).toEqual([digestOf(content, 'blake2b')])
      expect(Buffer.from(result!.bytes!).equals(content.subarray(0, keepOnly))).toBe(true)
    },
  )
})

test.each([
  ['kept', { keep: true }],
  ['copied', { copyTo: 'copy' }],
  ['only hashed', {}],
])('reads a file that is %s once for all its digests', async (_, also) => {
  const content = randomBytes(300 * KIB)
  const whole: HashType[] = ['sha256', 'blake2b', 'blake3']
  const job = await jobFor(content, { whole, ...also })
  if (job.copyTo !== undefined) job.copyTo = join(scratch(), job.copyTo)
  await hashFiles([job], { hashType: 'sha256' })
  expect(read.bytes).toBe(content.length)
})

test('refuses to compute a digest of the whole file if the ranges do not cover it', async () => {
  const content = randomBytes(300 * KIB)
  const job = await jobFor(content, { ranges: [{ start: 0, end: 200 * KIB }], whole: ['sha256'] })
  await expect(hashFiles([job], { hashType: 'sha256' })).rejects.toThrow()
})

describe('a copy', () => {
  test.each([
    ['that is all zeros', [], 64 * MIB],
    ['that begins with zeros', [[40 * MIB, 'end']], 40 * MIB + 3],
    ['that ends with zeros', [[0, 'begin']], 40 * MIB],
    [
      'with zeros between',
      [
        [0, 'begin'],
        [20 * MIB + 5, 'middle'],
      ],
      40 * MIB,
    ],
  ] as [string, [number, string][], number][])('of a file %s uses no disk space for them', async (_, parts, size) => {
    const directory = scratch({ file: '' })
    const path = join(directory, 'file')
    truncateSync(path, size)
    for (const [position, text] of parts) {
      const bytes = readFileSync(path)
      bytes.write(text, position)
      writeFileSync(path, bytes)
    }
    const [job] = await jobsOf(directory)
    const copyTo = join(directory, 'copy')
    const [result] = await hashFiles([{ ...job!, copyTo }], { hashType: 'sha256' })
    const copied = readFileSync(copyTo)
    expect(copied.equals(readFileSync(path))).toBe(true)
    expect(result?.digests).toEqual([digestOf(copied, 'sha256')])
    // `blocks` counts units of 512 bytes on every file system.
    expect(statSync(copyTo).blocks * 512).toBeLessThan(MIB)
  })
})
