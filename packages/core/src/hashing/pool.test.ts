import { randomBytes } from 'node:crypto'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { Piscina } from 'piscina'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { jobsOf, ownPool, sha256 } from '../testing/hash-jobs.ts'
import { refusal, scratch } from '../testing/scratch.ts'
import { hashFiles } from './hash-files.ts'
import { closeHashPool, configureHashing, hashingThreads, hashPool } from './pool.ts'
import type { ThreadPool } from './threads/program-threads.ts'
import { hashBatch, type HashBatch, type ReaderTask } from './threads/worker.ts'

const MIB = 1024 * 1024

beforeEach(() => closeHashPool())
afterEach(() => {
  configureHashing()
  return closeHashPool()
})

test('has no more than the configured number of threads', async () => {
  configureHashing({ maxThreads: 3 })
  const jobs = await jobsOf(
    scratch(Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`${i}`, randomBytes(5 * MIB)]))),
  )
  await hashFiles(jobs, { hashType: 'sha256' })
  const pool = ownPool()
  expect(pool.maxThreads).toBe(3)
  expect(pool.threads.length).toBeLessThanOrEqual(3)
})

test('hashes with one thread, for which no other reads ahead', async () => {
  configureHashing({ maxThreads: 1 })
  const content = randomBytes(40 * MIB + 3)
  const [result] = await hashFiles(await jobsOf(scratch({ content })), { hashType: 'sha256' })
  expect(result?.digests).toEqual([sha256(content)])
  expect(ownPool().completed).toBe(1)
})

test('uses a second thread to read ahead in one file', async () => {
  configureHashing({ maxThreads: 2 })
  const content = randomBytes(40 * MIB + 3)
  const [result] = await hashFiles(await jobsOf(scratch({ content })), { hashType: 'sha256' })
  expect(result?.digests).toEqual([sha256(content)])
  const pool = ownPool()
  for (let tries = 0; pool.completed < 2 && tries < 100; tries++) await setTimeout(20)
  expect(pool.completed).toBe(2)
})

test('refuses the model when the reader that the hashing thread waits for dies', async () => {
  await using pool = new Piscina({ maxThreads: 2 })
  let joined = false
  const mortal: ThreadPool = {
    maxThreads: 2,
    async run(task, options) {
      if (options.name !== 'readAhead') return pool.run(task, options)
      // Joins the piece that is being hashed, as a reader does, and then disappears.
      const piece = new Int32Array((task as ReaderTask).memory.shared, 8, 1)
      while (Atomics.compareExchange(piece, 0, 1, 4 + (task as ReaderTask).lane) !== 1) await setTimeout(5)
      joined = true
      await setTimeout(300)
      throw new Error('the thread ran out of memory')
    },
  }
  configureHashing({ pool: mortal })
  const directory = scratch()
  expect(spawnSync('truncate', ['-s', '1G', join(directory, 'a')]).status).toBe(0)
  const hashing = hashFiles(await jobsOf(directory), { hashType: 'sha256' })
  await expect(hashing).rejects.toEqual(refusal('WORKER_FAILED'))
  expect(joined).toBe(true)
})

test('shares a pool of the program, within the maximum number of threads', { timeout: 20_000 }, async () => {
  await using pool = new Piscina({ maxThreads: 4 })
  configureHashing({ pool, maxThreads: 2 })
  expect(hashingThreads(64 * MIB, '/').limit).toBe(2)
  const contents = [randomBytes(40 * MIB), randomBytes(9 * MIB + 1), randomBytes(5 * MIB)]
  const jobs = await jobsOf(scratch(Object.fromEntries(contents.map((content, i) => [`${i}`, content]))))
  const results = await hashFiles(jobs, { hashType: 'sha256' })
  const digests = new Map(jobs.map(({ file }, index) => [file.name, results[index]?.digests]))
  for (const [index, content] of contents.entries()) expect(digests.get(`${index}`)).toEqual([sha256(content)])
  expect(pool.completed).toBeGreaterThanOrEqual(3)
  await closeHashPool()
  expect(pool.threads.length).toBeGreaterThan(0)
})

test('hashes small files on the calling thread until another has started', async () => {
  const contents = Array.from({ length: 1_500 }, () => randomBytes(20_000))
  const jobs = await jobsOf(scratch(Object.fromEntries(contents.map((content, i) => [`${i}`, content]))))
  let tasks = 0
  const slow: ThreadPool = {
    maxThreads: 1,
    async run(task) {
      tasks++
      await setTimeout(2_000)
      return hashBatch(task as HashBatch)
    },
  }
  configureHashing({ pool: slow })
  const results = await hashFiles(jobs, { hashType: 'sha256' })
  expect(tasks).toBe(1)
  for (const [index, { file }] of jobs.entries())
    expect(results[index]?.digests).toEqual([sha256(contents[Number(file.name)]!)])
})

test('moves kept bytes out of a pool of the program', async () => {
  await using pool = new Piscina({ maxThreads: 1 })
  configureHashing({ pool })
  const content = randomBytes(9 * MIB)
  const [result] = await hashFiles(await jobsOf(scratch({ content }), true), { hashType: 'sha256' })
  expect(sha256(new Uint8Array(result!.bytes!))).toBe(sha256(content))
})

test('keeps using its pool when another is configured in the meantime', async () => {
  const content = randomBytes(60 * MIB)
  const hashing = hashFiles(await jobsOf(scratch({ content })), { hashType: 'sha256' })
  hashPool()
  configureHashing({ maxThreads: 1 })
  expect((await hashing)[0]?.digests).toEqual([sha256(content)])
  expect(hashPool().maxThreads).toBe(1)
})

test('keeps its pool for the whole operation, and gives the next one a pool of the new size', async () => {
  configureHashing({ maxThreads: 2 })
  const contents = Array.from({ length: 12 }, () => randomBytes(9 * MIB))
  const jobs = await jobsOf(scratch(Object.fromEntries(contents.map((content, i) => [`${i}`, content]))))
  const hashing = hashFiles(jobs, { hashType: 'sha256' })
  const used = ownPool()
  configureHashing({ maxThreads: 1 })
  await hashing
  expect(used.completed).toBeGreaterThanOrEqual(12)
  expect(hashPool().maxThreads).toBe(1)
})

test.each([
  ['zero threads', { maxThreads: 0 }],
  ['half a thread', { maxThreads: 1.5 }],
  ['a million threads', { maxThreads: 1_000_000 }],
  ['a value of callingThread that is not a boolean', { callingThread: 'false' as never }],
  ['a pool that is not one', { pool: {} as never }],
])('refuses %s', (_, options) => {
  expect(() => configureHashing(options)).toThrow(refusal('INVALID_ARGUMENT'))
})

test.each([
  ['leaves one descriptor to the hashing thread, which is all it needs', 1, undefined],
  ['says which file it could not open when no descriptor is left', 0, 'FILE_UNREADABLE'],
])('%s', (_, left, code) => {
  const directory = scratch({ weights: randomBytes(40 * MIB) })
  const script = `
    const { digestModel } = await import('@modelseal/core/signing')
    const { closeSync, openSync } = await import('node:fs')
    const model = ${JSON.stringify(join(directory, 'weights'))}
    const { rootDigest } = await digestModel(model)
    await new Promise((resolve) => setTimeout(resolve, 500)) // until the reader has also closed the file
    const taken = []
    try { for (;;) taken.push(openSync(model)) } catch {}
    for (let left = ${left}; left > 0; left--) closeSync(taken.pop())
    const outcome = await digestModel(model).catch(({ code }) => ({ code }))
    console.log(JSON.stringify({ code: outcome.code, same: outcome.rootDigest === rootDigest }))`
  const node = [process.execPath, '--input-type=module', '-e', script]
  const { stdout, stderr } = spawnSync('sh', ['-c', 'ulimit -n 100; exec "$@"', 'sh', ...node], {
    cwd: new URL('../..', import.meta.url),
    encoding: 'utf8',
  })
  expect(stderr).toBe('')
  expect(JSON.parse(stdout)).toEqual({ code, same: code === undefined })
})

test.each([0, -1, 1.5, '2', Infinity])('refuses %j threads', (maxThreads) => {
  expect(() => configureHashing({ maxThreads: maxThreads as number })).toThrow(
    /^Invalid value for option "maxThreads"\. Expected an integer from 1 to \d+, found /,
  )
})
