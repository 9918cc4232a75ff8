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

/** Configures a pool of the program that does this with each task. */
function brought(run: (task: HashBatch, options: { name: string; filename: string }) => unknown): void {
  const pool: ThreadPool = { maxThreads: 2, run: run as ThreadPool['run'] }
  configureHashing({ pool })
}

test.each<[string, () => unknown]>([
  ['is not permitted to', () => Promise.reject(Object.assign(new Error('restricted'), { code: 'ERR_ACCESS_DENIED' }))],
  [
    'cannot (and throws at once)',
    () => {
      throw Object.assign(new Error('EAGAIN'), { code: 'ERR_WORKER_INIT_FAILED' })
    },
  ],
])('if the program’s pool %s start threads, the calling thread hashes', async (_, run) => {
  brought(run)
  const content = randomBytes(9 * MIB)
  const [result] = await hashFiles(await jobsOf(scratch({ content })), options)
  expect(result?.digests).toEqual([sha256(content)])
  expect(warnings.map(({ code }) => code)).toEqual(['MODELSEAL_NO_THREADS'])
})

test('if the module of the tasks is missing, the calling thread hashes', async () => {
  mocks.file = new URL('../gone.cjs', import.meta.url)
  let asked = 0
  brought(() => asked++)
  const content = randomBytes(9 * MIB)
  const [result] = await hashFiles(await jobsOf(scratch({ content })), options)
  expect(result?.digests).toEqual([sha256(content)])
  expect(warnings[0]?.message).toContain('gone.cjs')
  expect(asked).toBe(0)
})

test('if the program’s pool never starts a task, the calling thread eventually hashes', async () => {
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
  ['something that is not a promise', () => 42],
  ['nothing', () => undefined],
  ['the claim that another thread has the batch', () => ({ taken: true })],
])('the operation fails if the program’s pool answers with %s', async (_, answer) => {
  brought(answer)
  const jobs = await jobsOf(scratch({ content: randomBytes(9 * MIB) }))
  const hint = expect.stringContaining('check that it runs tasks as Piscina does')
  await expect(hashFiles(jobs, options)).rejects.toEqual(refusal('WORKER_FAILED', { hint }))
  expect(warnings).toEqual([])
})

test.each([
  ['a missing module', { code: 'MODULE_NOT_FOUND' }, 'docs/how-to/bundlers.md'],
  ['too little memory', { code: 'ERR_WORKER_OUT_OF_MEMORY' }, 'memory limits'],
])('the hint is about %s', async (_, details, words) => {
  brought(() => Promise.reject(Object.assign(new Error('Failed.'), details)))
  const jobs = await jobsOf(scratch({ content: randomBytes(9 * MIB) }))
  const hint = expect.stringContaining(words)
  await expect(hashFiles(jobs, options)).rejects.toEqual(refusal('WORKER_FAILED', { hint }))
})

test('the operation succeeds if the program’s pool refuses tasks that only read ahead', async () => {
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

test.each([0, -1, NaN])('refuses a pool of %d threads', (maxThreads) => {
  expect(() => configureHashing({ pool: { maxThreads, run: () => Promise.resolve() } })).toThrow(
    refusal('INVALID_ARGUMENT'),
  )
})
