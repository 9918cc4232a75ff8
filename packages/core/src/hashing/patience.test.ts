import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { jobsOf, sha256 } from '../testing/hash-jobs.ts'
import { refusal, scratch } from '../testing/scratch.ts'
import { foreignFileSystem } from '../source/local/file-system.ts'
import { hashFiles } from './hash-files.ts'
import { closeHashPool, configureHashing } from './pool.ts'
import type { ThreadPool } from './threads/program-threads.ts'
import { claim } from './shared-control.ts'
import { hashBatch, type HashBatch } from './threads/worker.ts'

vi.mock('../source/local/file-system.ts', { spy: true })

const MIB = 1024 ** 2

/** A pool whose threads are busy until the test runs a task. */
class BusyPool implements ThreadPool {
  readonly maxThreads = 2
  readonly tasks: { begin: () => void; run: () => unknown; fail: (error: Error) => void }[] = []

  run(task: unknown, { name }: { name: string }): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const run = () => {
        const answer = name === 'hashBatch' ? hashBatch(task as HashBatch) : undefined
        resolve(answer)
        return answer
      }
      const begin = () => {
        const taken = (task as HashBatch).claim
        if (taken) claim(taken.words, taken.by)
      }
      this.tasks.push({ begin, run, fail: reject })
    })
  }

  /** Runs all waiting tasks and returns the answers of the threads. */
  runAll(): unknown[] {
    return this.tasks.splice(0).map(({ run }) => run())
  }
}

let pool: BusyPool
let stopOther: () => Promise<unknown>
beforeEach(async () => {
  pool = new BusyPool()
  configureHashing({ pool })
  stopOther = await another()
})
afterEach(async () => {
  await stopOther()
  configureHashing()
  await closeHashPool()
  vi.mocked(foreignFileSystem).mockReset()
})

function sparse(size: string): string {
  const directory = scratch()
  expect(spawnSync('truncate', ['-s', size, join(directory, 'a')]).status).toBe(0)
  return directory
}

/** An operation that got threads and keeps them even after an abort, as if a read never ended. */
async function another(): Promise<() => Promise<unknown>> {
  const jobs = await jobsOf(sparse('300G'))
  const stop = new AbortController()
  const ended = hashFiles(jobs, { hashType: 'sha256', signal: stop.signal }).catch((error: unknown) => error)
  const held = pool.tasks.splice(0)
  expect(held).not.toEqual([])
  return async () => {
    stop.abort()
    for (const { run } of held) run()
    pool.runAll()
    await ended
  }
}

/** Hashes files in an operation and reports when the calling thread has begun. */
function hashing(directory: string, keep = false) {
  let begun: () => void = () => {}
  const started = new Promise<void>((resolve) => (begun = resolve))
  const onProgress = (done: number) => {
    if (done > 0) begun()
  }
  const result = jobsOf(directory, keep).then((jobs) => hashFiles(jobs, { hashType: 'sha256', onProgress }))
  return { started: Promise.race([started, result]), result }
}

test.each([false, true])(
  'a thread does not answer for a batch that was already claimed (kept bytes: %s)',
  async (keep) => {
    const content = Buffer.alloc(48 * MIB, 'weights')
    const { started, result } = hashing(scratch({ content }), keep)
    await started
    expect(pool.runAll()).toContainEqual({ taken: true })
    const [hashed] = await result
    expect(hashed?.digests).toEqual([sha256(content)])
    expect(hashed?.bytes && sha256(new Uint8Array(hashed.bytes))).toBe(keep ? sha256(content) : undefined)
  },
)

test('the calling thread finishes its batch even if a thread dies', async () => {
  const content = Buffer.alloc(48 * MIB, 'weights')
  const { started, result } = hashing(scratch({ content }))
  await started
  pool.tasks[0]?.fail(new Error('The worker died'))
  expect((await result)[0]?.digests).toEqual([sha256(content)])
})

test('the calling thread does not take a batch that the pool rejected', async () => {
  const jobs = await jobsOf(scratch({ content: randomBytes(12 * MIB) }))
  const result = hashFiles(jobs, { hashType: 'sha256' })
  const [task] = pool.tasks
  task?.fail(new Error('The queue is full'))
  await expect(result).rejects.toEqual(refusal('WORKER_FAILED'))
  expect(task?.run()).toEqual({ taken: true })
})

test('an aborted operation takes its batches back, so that no thread reads through its descriptors', async () => {
  const [job] = await jobsOf(sparse('300G'))
  const stop = new AbortController()
  const copyTo = join(scratch(), 'copy')
  const result = hashFiles([{ ...job!, copyTo }], { hashType: 'sha256', signal: stop.signal })
  stop.abort()
  await expect(result).rejects.toEqual(refusal('ABORTED'))
  expect(pool.runAll()[0]).toEqual({ taken: true })
})

test('threads that an aborted operation still keeps count as busy', async () => {
  const jobs = await jobsOf(sparse('300G'))
  const stop = new AbortController()
  const stuck = hashFiles(jobs, { hashType: 'sha256', signal: stop.signal })
  for (const { begin } of pool.tasks.splice(0)) begin() // and never ends
  await stopOther()
  stop.abort()
  await expect(stuck).rejects.toEqual(refusal('ABORTED'))
  const content = randomBytes(12 * MIB)
  const [hashed] = await hashFiles(await jobsOf(scratch({ content })), { hashType: 'sha256' })
  expect(hashed?.digests).toEqual([sha256(content)])
})

test('if reads may take arbitrarily long, a reserve thread hashes instead of the calling thread', async () => {
  vi.mocked(foreignFileSystem).mockReturnValue('a network file system')
  const content = randomBytes(12 * MIB)
  const small = Object.fromEntries(Array.from({ length: 1_500 }, (_, i) => [`f${i}`, `content ${i}`]))
  const directory = scratch({ content, ...small })
  for (const keep of [false, true]) {
    const results = await hashFiles(await jobsOf(directory, keep), { hashType: 'sha256' })
    expect(results[0]?.digests).toEqual([sha256(content)])
    expect(new Set(results.map(({ digests }) => digests[0])).size).toBe(1_501)
    expect(results[0]?.bytes?.byteLength).toBe(keep ? content.length : undefined)
  }
  // The calling thread hashed none of them.
  expect(new Set(pool.runAll().map((answer) => JSON.stringify(answer)))).toEqual(new Set(['{"taken":true}']))
})
