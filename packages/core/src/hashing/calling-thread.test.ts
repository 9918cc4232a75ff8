import { randomBytes } from 'node:crypto'
import { appendFileSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate, setTimeout } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type * as FileSystem from '../source/local/file-system.ts'
import { foreignFileSystem } from '../source/local/file-system.ts'
import { jobsOf, ownPool, sha256 } from '../testing/hash-jobs.ts'
import { openFilesIn } from '../testing/open-files.ts'
import { refusal, scratch } from '../testing/scratch.ts'
import { hashFiles } from './hash-files.ts'
import { closeHashPool, configureHashing } from './pool.ts'
import type { ThreadPool } from './threads/program-threads.ts'
import type { ReaderTask } from './threads/worker.ts'

// Hashing on the calling thread: configureHashing({ callingThread: true }).

const place = vi.hoisted(() => ({ found: undefined as string | undefined }))
vi.mock('../source/local/file-system.ts', async (original) => {
  const real = await original<typeof FileSystem>()
  return { foreignFileSystem: (path: string) => place.found ?? real.foreignFileSystem(path) }
})

const MIB = 1024 * 1024
const options = { hashType: 'sha256' } as const

beforeEach(() => closeHashPool())
afterEach(() => {
  configureHashing()
  return closeHashPool()
})

/** Waits until the pool's threads have done all tasks, and returns their number. */
async function completed(tasks: number): Promise<number> {
  const pool = ownPool()
  for (let tries = 0; pool.completed < tasks && tries < 100; tries++) await setTimeout(20)
  return pool.completed
}

/** A sparse file of this size, which uses no disk space. */
function sparse(mebibytes: number): string {
  const directory = scratch({ a: '' })
  truncateSync(join(directory, 'a'), mebibytes * MIB)
  return directory
}

// On other file systems the calling thread does not hash.
describe.runIf(foreignFileSystem(tmpdir()) === undefined)('a calling thread', () => {
  test('hashes one large file, and another thread reads ahead for it', async () => {
    configureHashing({ callingThread: true, maxThreads: 2 })
    const content = randomBytes(200 * MIB + 3)
    const [result] = await hashFiles(await jobsOf(scratch({ content })), options)
    expect(result?.digests).toEqual([sha256(content)])
    expect(await completed(1)).toBe(1)
  })

  test('hashes together with the threads of the pool', async () => {
    configureHashing({ callingThread: true, maxThreads: 3 })
    const contents = Array.from({ length: 12 }, (_, i) => randomBytes(20 * MIB + i))
    const jobs = await jobsOf(scratch(Object.fromEntries(contents.map((content, i) => [`${i}`, content]))))
    const results = await hashFiles(jobs, options)
    for (const [index, { file }] of jobs.entries())
      expect(results[index]?.digests).toEqual([sha256(contents[Number(file.name)]!)])
    expect(ownPool().completed).toBeGreaterThan(0)
    expect(ownPool().threads.length).toBeLessThanOrEqual(2)
  })

  test('keeps the bytes that it hashes, like other threads', async () => {
    configureHashing({ callingThread: true, maxThreads: 2 })
    const contents = [randomBytes(40 * MIB), randomBytes(30 * MIB)]
    const jobs = await jobsOf(scratch({ 0: contents[0]!, 1: contents[1]! }), true)
    const results = await hashFiles(jobs, options)
    for (const [index, { file }] of jobs.entries()) {
      const content = sha256(contents[Number(file.name)]!)
      expect(results[index]?.digests).toEqual([content])
      expect(sha256(new Uint8Array(results[index]!.bytes!))).toBe(content)
    }
  })

  test.each<[string, number, number, number]>([
    ['hashes alone if no more threads are allowed', 1, 1, 80 * MIB],
    ['hashes less than 64 MiB alone', 2, 1, 60 * MIB],
    ['hashes small files alone', 2, 9_000, 4_096],
  ])('%s', { timeout: 30_000 }, async (_, maxThreads, count, size) => {
    configureHashing({ callingThread: true, maxThreads })
    const content = randomBytes(size)
    const jobs = await jobsOf(scratch(Object.fromEntries(Array.from({ length: count }, (__, i) => [`${i}`, content]))))
    const results = await hashFiles(jobs, options)
    expect(new Set(results.map(({ digests }) => digests[0]))).toEqual(new Set([sha256(content)]))
    expect(ownPool().completed).toBe(0)
  })

  test('leaves the work to other threads if reads may take arbitrarily long', async () => {
    configureHashing({ callingThread: true, maxThreads: 2 })
    place.found = 'a network file system'
    try {
      const content = randomBytes(20 * MIB)
      const [result] = await hashFiles(await jobsOf(scratch({ content })), options)
      expect(result?.digests).toEqual([sha256(content)])
      expect(await completed(1)).toBeGreaterThanOrEqual(1)
    } finally {
      place.found = undefined
    }
  })

  test('yields to the event loop between turns', async () => {
    configureHashing({ callingThread: true, maxThreads: 1 })
    let hashing = true
    let turns = 0
    const others = async () => {
      for (; hashing; turns++) await setImmediate()
    }
    const jobs = await jobsOf(sparse(80))
    await Promise.all([others(), hashFiles(jobs, options).finally(() => (hashing = false))])
    expect(turns).toBeGreaterThan(40)
  })

  test('reports progress that only grows, and ends at the total', async () => {
    configureHashing({ callingThread: true, maxThreads: 2 })
    const done: number[] = []
    await hashFiles(await jobsOf(sparse(500)), { ...options, onProgress: (bytes) => done.push(bytes) })
    expect(done).toEqual([...done].sort((a, b) => a - b))
    expect(done.length).toBeGreaterThan(2)
    expect(done.at(-1)).toBe(500 * MIB)
  })

  test.each([1, 2])('releases everything when it is aborted midway (%i threads)', async (maxThreads) => {
    configureHashing({ callingThread: true, maxThreads })
    const directory = sparse(2_000)
    const jobs = await jobsOf(directory)
    const controller = new AbortController()
    const hashing = hashFiles(jobs, { ...options, signal: controller.signal })
    await Promise.race([hashing, setTimeout(200)])
    controller.abort()
    await expect(hashing).rejects.toEqual(refusal('ABORTED'))
    if (process.platform === 'linux' && maxThreads === 1) expect(openFilesIn(directory)).toEqual([])
  })

  test('reports a file that changed', async () => {
    configureHashing({ callingThread: true, maxThreads: 2 })
    const directory = scratch({ a: randomBytes(50 * MIB), b: randomBytes(50 * MIB) })
    const jobs = await jobsOf(directory)
    appendFileSync(join(directory, 'b'), 'x')
    await expect(hashFiles(jobs, options)).rejects.toEqual(refusal('FILE_CHANGED', { file: 'b' }))
  })

  test('reports a file that changes while another thread reads ahead', async () => {
    configureHashing({ callingThread: true, maxThreads: 2 })
    const directory = sparse(1_000)
    const hashing = hashFiles(await jobsOf(directory), options)
    await Promise.race([hashing, setTimeout(400)])
    writeFileSync(join(directory, 'a'), 'x')
    await expect(hashing).rejects.toEqual(refusal('FILE_CHANGED', { file: 'a' }))
  })

  test('refuses the model when the reader that it waits for dies', async () => {
    let joined = false
    const mortal: ThreadPool = {
      maxThreads: 1,
      async run(task, { name }) {
        expect(name).toBe('readAhead')
        // Joins the piece that is being hashed, as a reader does, and then disappears.
        const piece = new Int32Array((task as ReaderTask).memory.shared, 8, 1)
        while (Atomics.compareExchange(piece, 0, 1, 4 + (task as ReaderTask).lane) !== 1) await setTimeout(5)
        joined = true
        await setTimeout(300)
        throw new Error('the thread ran out of memory')
      },
    }
    configureHashing({ callingThread: true, pool: mortal })
    await expect(hashFiles(await jobsOf(sparse(1_000)), options)).rejects.toEqual(refusal('WORKER_FAILED'))
    expect(joined).toBe(true)
  })

  test('refuses the model when another hashing thread dies', async () => {
    const mortal: ThreadPool = {
      maxThreads: 1,
      run: () => Promise.reject(new Error('the thread ran out of memory')),
    }
    configureHashing({ callingThread: true, pool: mortal })
    const jobs = await jobsOf(scratch({ a: randomBytes(50 * MIB), b: randomBytes(50 * MIB) }))
    await expect(hashFiles(jobs, options)).rejects.toEqual(refusal('WORKER_FAILED'))
  })
})
