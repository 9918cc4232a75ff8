import { randomBytes } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { jobsOf, sha256 } from '../../testing/hash-jobs.ts'
import { refusal, scratch } from '../../testing/scratch.ts'
import { hashFiles } from '../hash-files.ts'
import { configureHashing } from '../pool.ts'
import type { ThreadPool } from './program-threads.ts'
import type { HashingWarning } from './without-threads.ts'
import { hashBatch, type HashBatch } from './worker.ts'

const mocks = vi.hoisted(() => ({ file: undefined as URL | undefined }))
vi.mock('./thread-code.ts', async (original) => {
  const real = await original<{ workerFile: () => URL }>()
  return { ...real, workerFile: () => mocks.file ?? real.workerFile() }
})

const MIB = 1024 * 1024

let warnings: HashingWarning[] = []
beforeEach(() => Object.assign(globalThis, { [Symbol.for('modelseal.hashing.warned')]: true }))
afterEach(() => {
  warnings = []
  mocks.file = undefined
  configureHashing()
  vi.restoreAllMocks()
})
const options = { hashType: 'sha256', warn: (warning: HashingWarning) => void warnings.push(warning) } as const

/** A pool of the program's that does this with each task. */
function brought(run: (task: HashBatch, options: { name: string; filename: string }) => unknown): void {
  const pool: ThreadPool = { maxThreads: 2, run: run as ThreadPool['run'] }
  configureHashing({ pool })
}

test.each<[string, () => unknown]>([
  ['may not', () => Promise.reject(Object.assign(new Error('restricted'), { code: 'ERR_ACCESS_DENIED' }))],
  [
    'cannot, and says so at once,',
    () => {
      throw Object.assign(new Error('EAGAIN'), { code: 'ERR_WORKER_INIT_FAILED' })
    },
  ],
])('where the pool of the program %s start threads, the calling thread hashes', async (_, run) => {
  brought(run)
  const content = randomBytes(9 * MIB)
  const [result] = await hashFiles(await jobsOf(scratch({ content })), options)
  expect(result?.digests).toEqual([sha256(content)])
  expect(warnings.map(({ code }) => code)).toEqual(['MODELSEAL_NO_THREADS'])
})

test('where the module of the tasks is gone, the calling thread hashes', async () => {
  mocks.file = new URL('../gone.cjs', import.meta.url)
  let asked = 0
  brought(() => asked++)
  const content = randomBytes(9 * MIB)
  const [result] = await hashFiles(await jobsOf(scratch({ content })), options)
  expect(result?.digests).toEqual([sha256(content)])
  expect(warnings[0]?.message).toContain('gone.cjs')
  expect(asked).toBe(0)
})

test('where the pool of the program never comes to a task, the calling thread hashes in the end', async () => {
  const start = process.uptime()
  vi.spyOn(process, 'uptime').mockImplementation(() => (asked > 0 ? start + 60 : start))
  let asked = 0
  brought(() => {
    asked++
    return new Promise(() => {})
  })
  const content = randomBytes(9 * MIB)
  const [result] = await hashFiles(await jobsOf(scratch({ content })), options)
  expect(result?.digests).toEqual([sha256(content)])
  expect(asked).toBe(1)
})

test.each<[string, () => unknown]>([
  ['an error', () => Promise.reject(new Error('The pool was destroyed'))],
  ['no promise', () => 42],
  ['nothing', () => undefined],
  ['a batch that another thread is said to have', () => ({ taken: true })],
])('a pool of the program that answers with %s ends the operation', async (_, answer) => {
  brought(answer)
  const jobs = await jobsOf(scratch({ content: randomBytes(9 * MIB) }))
  const hint = expect.stringContaining('check that it runs tasks as Piscina does')
  await expect(hashFiles(jobs, options)).rejects.toEqual(refusal('WORKER_FAILED', { hint }))
  expect(warnings).toEqual([])
})

test.each([
  ['a missing module', { code: 'MODULE_NOT_FOUND' }, 'docs/bundlers.md'],
  ['too little memory', { code: 'ERR_WORKER_OUT_OF_MEMORY' }, 'memory limits'],
])('%s is what the hint is about', async (_, details, words) => {
  brought(() => Promise.reject(Object.assign(new Error('Failed.'), details)))
  const jobs = await jobsOf(scratch({ content: randomBytes(9 * MIB) }))
  const hint = expect.stringContaining(words)
  await expect(hashFiles(jobs, options)).rejects.toEqual(refusal('WORKER_FAILED', { hint }))
})

test('a pool of the program that takes nobody who only reads ahead does not end the operation', async () => {
  let refused = 0
  brought(async (task, { name }) => {
    if (name === 'readAhead') {
      refused++
      throw new Error('The queue is full')
    }
    await setTimeout(50)
    return hashBatch(task)
  })
  const content = randomBytes(40 * MIB)
  const [result] = await hashFiles(await jobsOf(scratch({ content })), options)
  expect(result?.digests).toEqual([sha256(content)])
  expect(refused).toBe(1)
})

test.each([0, -1, NaN])('a pool of %d threads is refused', (maxThreads) => {
  expect(() => configureHashing({ pool: { maxThreads, run: () => Promise.resolve() } })).toThrow(
    refusal('INVALID_ARGUMENT'),
  )
})
