import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { appendFileSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { afterAll, describe, expect, test } from 'vitest'
import { jobsOf, ownPool, sha256 } from '../testing/hash-jobs.ts'
import { openFilesIn } from '../testing/open-files.ts'
import { refusal, scratch } from '../testing/scratch.ts'
import { hashFiles } from './hash-files.ts'
import { closeHashPool, configureHashing } from './pool.ts'

const KIB = 1024
const MIB = 1024 * KIB
/** Values of `modelWork` that force hashing on the calling thread, or in the pool, whatever the size. */
const INLINE = 0
const POOL = 64 * MIB

afterAll(() => closeHashPool())

const SIZES = [
  0,
  1,
  128 * KIB - 1,
  128 * KIB,
  128 * KIB + 1,
  4 * MIB - 1,
  4 * MIB,
  4 * MIB + 1,
  8 * MIB - 1,
  8 * MIB,
  8 * MIB + 1,
]

describe('the calling thread and the pool', () => {
  const contents = Object.fromEntries(SIZES.map((size) => [`${size}`, randomBytes(size)]))
  const right = new Map(Object.entries(contents).map(([name, content]) => [name, sha256(content)]))

  test.each([
    ['calling thread', INLINE, false],
    ['calling thread, bytes kept', INLINE, true],
    ['pool', POOL, false],
    ['pool, bytes kept', POOL, true],
  ])('give the digest of node:crypto at every size boundary (%s)', async (_, modelWork, keep) => {
    const jobs = await jobsOf(scratch(contents), keep)
    const results = await hashFiles(jobs, { hashType: 'sha256', modelWork })
    for (const [index, { file }] of jobs.entries()) {
      expect(results[index]?.digests).toEqual([right.get(file.name)])
      expect(results[index]?.bytes && sha256(new Uint8Array(results[index].bytes))).toBe(
        keep ? right.get(file.name) : undefined,
      )
    }
  })

  test('return results in the order of the jobs, whatever the sizes and batches', async () => {
    const files = Object.fromEntries(Array.from({ length: 2_300 }, (_, i) => [`f${i}`, `content ${i}`]))
    const jobs = await jobsOf(scratch({ ...files, large: randomBytes(5 * MIB) }))
    const inline = await hashFiles(jobs, { hashType: 'sha256', modelWork: INLINE })
    expect(await hashFiles(jobs, { hashType: 'sha256', modelWork: POOL })).toEqual(inline)
    expect(new Set(inline.map(({ digests }) => digests[0])).size).toBe(jobs.length)
  })

  test('return no results for no files', async () => {
    expect(await hashFiles([], { hashType: 'sha256' })).toEqual([])
  })
})

describe.each([
  ['calling thread', INLINE],
  ['pool', POOL],
])('hashing in the %s', (_, modelWork) => {
  const options = { hashType: 'sha256', modelWork } as const

  test('reports progress that only grows, and ends at the total', async () => {
    const jobs = await jobsOf(scratch({ a: randomBytes(30 * MIB), b: randomBytes(9 * MIB), c: 'c' }))
    const total = 39 * MIB + 1
    const calls: [number, number][] = []
    await hashFiles(jobs, { ...options, onProgress: (done, of) => calls.push([done, of]) })
    const done = calls.map(([bytes]) => bytes)
    expect(done).toEqual([...done].sort((a, b) => a - b))
    expect(calls.at(-1)).toEqual([total, total])
    expect(new Set(calls.map(([, of]) => of))).toEqual(new Set([total]))
  })

  test('does not begin if it is already aborted', async () => {
    const jobs = await jobsOf(scratch({ a: 'a' }))
    const reason = new Error('enough')
    const hashing = hashFiles(jobs, { ...options, signal: AbortSignal.abort(reason) })
    await expect(hashing).rejects.toEqual(refusal('ABORTED', { cause: reason }))
  })

  test('stops when aborted in the turn before many files are handed to threads', async () => {
    const [job] = await jobsOf(scratch({ a: 'a' }))
    // Enough for preparing them to take longer than a turn.
    const jobs = Array.from({ length: 300_000 }, () => job!)
    const controller = new AbortController()
    const unhandled: unknown[] = []
    const notice = (reason: unknown) => void unhandled.push(reason)
    process.on('unhandledRejection', notice)
    try {
      globalThis.setImmediate(() => controller.abort())
      const hashing = hashFiles(jobs, { hashType: 'sha256', modelWork: POOL, signal: controller.signal })
      await expect(hashing).rejects.toEqual(refusal('ABORTED'))
      await setImmediate()
      expect(unhandled).toEqual([])
    } finally {
      process.off('unhandledRejection', notice)
    }
  })

  test('stops when aborted midway', async () => {
    const jobs = await jobsOf(scratch({ a: randomBytes(20 * MIB), b: randomBytes(20 * MIB) }))
    const controller = new AbortController()
    const hashing = hashFiles(jobs, { ...options, signal: controller.signal })
    await setImmediate()
    controller.abort()
    await expect(hashing).rejects.toEqual(refusal('ABORTED'))
  })

  test.each([
    ['nothing at all', null],
    ['an object without text', Object.create(null)],
    [
      'an object whose conversion to text throws',
      {
        toString() {
          throw new Error('no text')
        },
      },
    ],
  ])('can be aborted with a reason that is %s', async (__, reason: unknown) => {
    const jobs = await jobsOf(scratch({ a: randomBytes(2 * MIB), b: 'b' }))
    const controller = new AbortController()
    const hashing = hashFiles(jobs, { ...options, signal: controller.signal })
    controller.abort(reason)
    await expect(hashing).rejects.toEqual(refusal('ABORTED'))
  })

  test.each([
    ['an error', new Error('the caller’s own')],
    ['an object without text', Object.create(null)],
  ])('rejects when the progress callback throws %s', async (__, thrown: unknown) => {
    const directory = scratch({ a: '', b: 'b' })
    truncateSync(join(directory, 'a'), 500 * MIB) // long enough that the callback is called midway
    const hashing = hashFiles(await jobsOf(directory), {
      ...options,
      onProgress() {
        throw thrown
      },
    })
    await expect(hashing).rejects.toEqual(refusal('INVALID_ARGUMENT', { cause: thrown }))
  })

  test('reports a file that changed, and stops the other jobs', async () => {
    const directory = scratch({ a: randomBytes(5 * MIB), b: 'b', c: randomBytes(5 * MIB) })
    const jobs = await jobsOf(directory)
    appendFileSync(join(directory, 'b'), 'x')
    await expect(hashFiles(jobs, options)).rejects.toEqual(refusal('FILE_CHANGED', { file: 'b' }))
  })
})

test('an error in one job leaves no thread at work', async () => {
  const files = Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`f${i}`, randomBytes(6 * MIB)]))
  const directory = scratch({ ...files, 'f-largest': randomBytes(7 * MIB) })
  const jobs = await jobsOf(directory)
  appendFileSync(join(directory, 'f-largest'), 'x') // the largest file is hashed first
  await expect(hashFiles(jobs, { hashType: 'sha256' })).rejects.toEqual(refusal('FILE_CHANGED'))
  const pool = ownPool()
  expect(pool.queueSize).toBe(0)
  expect(pool.busy).toBe(0)
  expect(pool.completed).toBeGreaterThan(0)
})

test('refuses the model when a worker dies, and uses a new pool for the next call', async () => {
  const jobs = await jobsOf(scratch({ a: randomBytes(60 * MIB), b: randomBytes(60 * MIB) }))
  const hashing = hashFiles(jobs, { hashType: 'sha256' })
  await setImmediate()
  const closed = closeHashPool()
  await expect(hashing).rejects.toEqual(refusal('WORKER_FAILED'))
  await closed
  expect(await hashFiles(jobs, { hashType: 'sha256' })).toHaveLength(2)
})

test.each(['esm', 'cjs'])('lets a program exit after it used the pool (%s)', (format) => {
  const directory = scratch({ weights: randomBytes(10 * MIB) })
  const load =
    format === 'esm'
      ? `const { digestModel } = await import('@modelseal/core/signing')`
      : `const { digestModel } = require('@modelseal/core/signing')`
  const script = `${load}
    ;(async () => {
      console.log((await digestModel(${JSON.stringify(directory)})).rootDigest)
      console.log(process.getActiveResourcesInfo().filter((name) => name === 'Worker').length)
    })()`
  const input = format === 'esm' ? ['--input-type=module'] : ['--input-type=commonjs']
  const { stdout, stderr, status, signal } = spawnSync(process.execPath, [...input, '-e', script], {
    cwd: new URL('../..', import.meta.url),
    encoding: 'utf8',
    timeout: 50_000,
  })
  expect({ stderr, status, signal }).toEqual({ stderr: '', status: 0, signal: null })
  expect(stdout).toMatch(/^[0-9a-f]{64}\n/)
})

test('yields between tiny shards, too', async () => {
  const [job] = await jobsOf(scratch({ a: randomBytes(100_000) }))
  const ranges = Array.from({ length: 100_000 }, (_, start) => ({ start, end: start + 1 }))
  let turns = 0
  const onProgress = () => {
    turns++
  }
  const [result] = await hashFiles([{ ...job!, ranges }], { hashType: 'sha256', modelWork: INLINE, onProgress })
  expect(result?.digests).toHaveLength(100_000)
  expect(turns).toBeGreaterThan(20)
})

test.runIf(process.platform === 'linux')('leaves nothing open if a turn ends the hashing', async () => {
  const directory = scratch({ a: randomBytes(6 * MIB) })
  const jobs = await jobsOf(directory)
  let calls = 0
  const onProgress = () => {
    if (++calls === 2) throw new Error('enough')
  }
  const hashing = hashFiles(jobs, { hashType: 'sha256', modelWork: INLINE, onProgress })
  await expect(hashing).rejects.toEqual(refusal('INVALID_ARGUMENT'))
  expect(openFilesIn(directory)).toEqual([])
})

test('a tiny model starts no worker', async () => {
  await closeHashPool()
  await hashFiles(await jobsOf(scratch({ a: randomBytes(7 * MIB) })), { hashType: 'sha256' })
  expect(ownPool().completed).toBe(0)
  await hashFiles(await jobsOf(scratch({ a: randomBytes(8 * MIB) })), { hashType: 'sha256' })
  expect(ownPool().completed).toBe(1)
})

test('does not wait for other operations that keep all threads busy to end', async () => {
  configureHashing({ maxThreads: 2 })
  const hostile = scratch()
  expect(spawnSync('truncate', ['-s', '300G', join(hostile, 'a')]).status).toBe(0)
  const stop = new AbortController()
  const endless = [1, 2, 3, 4].map(async () =>
    hashFiles(await jobsOf(hostile), { hashType: 'sha256', signal: stop.signal }).catch((error: unknown) => error),
  )
  try {
    while (ownPool().queueSize === 0) await setImmediate()
    const content = randomBytes(12 * MIB)
    // An operation with one batch, one with several, and one that keeps bytes.
    const [whole] = await hashFiles(await jobsOf(scratch({ content }), true), { hashType: 'sha256' })
    expect([whole?.digests, sha256(new Uint8Array(whole!.bytes!))]).toEqual([[sha256(content)], sha256(content)])
    const small = Object.fromEntries(Array.from({ length: 3_000 }, (_, i) => [`f${i}`, `content ${i}`]))
    const results = await hashFiles(await jobsOf(scratch(small)), { hashType: 'sha256' })
    expect(new Set(results.map(({ digests }) => digests[0])).size).toBe(3_000)
  } finally {
    stop.abort()
    await Promise.all(endless)
    configureHashing()
    await closeHashPool()
  }
})
