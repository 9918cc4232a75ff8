import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import type * as WorkerThreads from 'node:worker_threads'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type * as FileSystem from '../../source/local/file-system.ts'
import { jobsOf, ownPool, sha256 } from '../../testing/hash-jobs.ts'
import { refusal, scratch } from '../../testing/scratch.ts'
import { hashFiles } from '../hash-files.ts'
import type { HashJob } from '../hash-file.ts'
import { closeHashPool, configureHashing, reservePool } from '../pool.ts'
import type { HashingWarning } from './without-threads.ts'

// Threads that cannot start, that end, or that return nonsense must not leave an operation pending or yield a wrong digest.

const mocks = vi.hoisted(() => ({
  code: undefined as string | URL | undefined,
  foreign: undefined as string | undefined,
}))
vi.mock('./thread-code.ts', async (original) => {
  const real = await original<{ THREAD_CODE: URL }>()
  return {
    ...real,
    get THREAD_CODE() {
      return mocks.code ?? real.THREAD_CODE
    },
  }
})
// A small heap fills up sooner.
vi.mock('node:worker_threads', async (original) => {
  const real = await original<typeof WorkerThreads>()
  class Worker extends real.Worker {
    constructor(code: string | URL, options: WorkerThreads.WorkerOptions) {
      super(code, { ...options, resourceLimits: { ...options.resourceLimits, maxOldGenerationSizeMb: 16 } })
    }
  }
  return { ...real, Worker }
})
vi.mock('../../source/local/file-system.ts', async (original) => {
  const real = await original<typeof FileSystem>()
  return { foreignFileSystem: (path: string) => mocks.foreign ?? real.foreignFileSystem(path) }
})

const MIB = 1024 * 1024
const GONE = new URL('../gone.cjs', import.meta.url)
const WARNED = Symbol.for('modelseal.hashing.warned')

const setWarned = (warned: boolean) => Object.assign(globalThis, { [WARNED]: warned })

let warnings: HashingWarning[]
beforeEach(async () => {
  setWarned(true)
  await closeHashPool()
  warnings = []
})
afterEach(async () => {
  mocks.code = undefined
  mocks.foreign = undefined
  configureHashing()
  await closeHashPool()
})

const warn = (warning: HashingWarning) => void warnings.push(warning)
const options = { hashType: 'sha256', warn } as const

/** A thread that starts normally and then runs this code for each `task`. */
const thatStarts = (onTask: string) => `
  const { parentPort } = require('node:worker_threads')
  parentPort.on('message', ({ name, task }) => { ${onTask} })
  parentPort.postMessage('ready')`
/** Tells the caller that the task has begun. */
const CLAIM = 'if (task.claim) Atomics.store(new Int32Array(task.claim.words), 0, task.claim.by);'

const EAT_MEMORY = 'const kept = []; for (;;) kept.push(new Array(1e4).fill(kept.length))'

const NO_START: [string, string | URL, RegExp][] = [
  ['whose file is gone', GONE, /MODULE_NOT_FOUND|Cannot find module/],
  ['whose code does not parse', 'const = 1', /Unexpected token/],
  ['whose code throws', 'throw new Error("no such thing here")', /no such thing here/],
  ['whose code throws a value that is not an error', 'throw null', /null/],
  ['that exit at once', 'process.exit(3)', /exit code 3/],
  ['that end at once', '', /exit code 0/],
  [
    'that sends something else first',
    'require("node:worker_threads").parentPort.postMessage("hello")',
    /unexpected message/,
  ],
  [
    'that answer before they were asked',
    'require("node:worker_threads").parentPort.postMessage({ result: 1 })',
    /unexpected message/,
  ],
  ['that run out of memory', EAT_MEMORY, /OUT_OF_MEMORY/],
]

describe('if threads cannot start, the calling thread hashes', () => {
  test.each(NO_START)('instead of threads %s', { timeout: 60_000 }, async (_, code, reason) => {
    mocks.code = code
    const contents = [randomBytes(9 * MIB + 1), randomBytes(5 * MIB), randomBytes(2 * MIB)]
    const jobs = await jobsOf(scratch(Object.fromEntries(contents.map((content, i) => [`${i}`, content]))))
    const results = await hashFiles(jobs, options)
    expect(results.map(({ digests }) => digests)).toEqual(contents.map((content) => [sha256(content)]))
    expect(warnings).toEqual([{ code: 'MODELSEAL_NO_THREADS', message: expect.stringMatching(reason) as string }])
    expect(ownPool().threads).toEqual([])
  })

  test('while keeping bytes, hashing shards separately, copying files and reporting progress', async () => {
    mocks.code = GONE
    const content = randomBytes(20 * MIB)
    const [job] = await jobsOf(scratch({ content }))
    const copyTo = join(scratch(), 'copy')
    const ranges = [
      { start: 0, end: 8 * MIB },
      { start: 8 * MIB, end: content.length },
    ]
    const jobs: HashJob[] = [
      { ...job!, keep: true },
      { ...job!, ranges },
      { ...job!, copyTo },
    ]
    const done: number[] = []
    const [kept, shards, copied] = await hashFiles(jobs, { ...options, onProgress: (bytes) => done.push(bytes) })
    expect(sha256(new Uint8Array(kept!.bytes!))).toBe(sha256(content))
    expect(shards!.digests).toEqual(ranges.map(({ start, end }) => sha256(content.subarray(start, end))))
    expect(copied!.digests).toEqual([sha256(content)])
    const [copy] = await jobsOf(join(copyTo, '..'))
    expect((await hashFiles([copy!], options))[0]!.digests).toEqual([sha256(content)])
    expect(done).toEqual([...done].sort((a, b) => a - b))
    expect(done.at(-1)).toBe(60 * MIB)
  })

  test('on a file system that is not local', async () => {
    mocks.code = GONE
    mocks.foreign = 'a network file system'
    const content = randomBytes(12 * MIB)
    const small = Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`f${i}`, `content ${i}`]))
    const results = await hashFiles(await jobsOf(scratch({ content, ...small })), options)
    expect(results[0]!.digests).toEqual([sha256(content)])
    expect(new Set(results.map(({ digests }) => digests[0])).size).toBe(201)
    expect(warnings).toHaveLength(1)
  })

  test('even if it is also one of the hashing threads', async () => {
    mocks.code = GONE
    configureHashing({ callingThread: true, maxThreads: 3 })
    const contents = Array.from({ length: 4 }, () => randomBytes(20 * MIB))
    const jobs = await jobsOf(scratch(Object.fromEntries(contents.map((content, i) => [`${i}`, content]))))
    const results = await hashFiles(jobs, options)
    expect(results.map(({ digests }) => digests)).toEqual(contents.map((content) => [sha256(content)]))
    expect(warnings).toHaveLength(1)
  })

  test('and can be aborted', async () => {
    mocks.code = GONE
    const stop = new AbortController()
    const jobs = await jobsOf(scratch({ content: randomBytes(64 * MIB) }))
    const hashing = hashFiles(jobs, { ...options, signal: stop.signal, onProgress: (done) => done > 0 && stop.abort() })
    await expect(hashing).rejects.toEqual(refusal('ABORTED'))
  })

  test('and yields to the event loop', async () => {
    mocks.code = GONE
    const jobs = await jobsOf(scratch({ content: Buffer.alloc(100 * MIB) }))
    let turns = 0
    let hashing = true
    const others = async () => {
      for (; hashing; turns++) await new Promise((resolve) => setImmediate(resolve))
    }
    await Promise.all([others(), hashFiles(jobs, options).finally(() => (hashing = false))])
    // The file has 800 pieces of 128 KiB.
    expect(turns).toBeGreaterThan(40)
  })

  test('and the process gets one warning', async () => {
    mocks.code = GONE
    setWarned(false)
    const heard: (Error & { code?: string })[] = []
    const listener = (warning: Error) => void heard.push(warning)
    process.on('warning', listener)
    try {
      for (let i = 0; i < 3; i++) await hashFiles(await jobsOf(scratch({ a: randomBytes(9 * MIB) })), options)
      await new Promise((resolve) => setImmediate(resolve))
    } finally {
      process.off('warning', listener)
    }
    expect(warnings).toHaveLength(3)
    expect(heard.map(({ name, code }) => [name, code])).toEqual([['ModelSealWarning', 'MODELSEAL_NO_THREADS']])
  })

  test('and starting threads is tried again later', async () => {
    mocks.code = GONE
    const jobs = await jobsOf(scratch({ a: randomBytes(9 * MIB) }))
    await hashFiles(jobs, options)
    mocks.code = undefined
    const now = vi.spyOn(process, 'uptime').mockReturnValue(process.uptime() + 11)
    try {
      await hashFiles(jobs, options)
    } finally {
      now.mockRestore()
    }
    expect(ownPool().completed).toBe(1)
    expect(warnings).toHaveLength(1)
  })

  test('but not if some of the threads start', async () => {
    // The first thread that starts prevents the others from starting.
    mocks.code = `const { mkdirSync } = require('node:fs'); mkdirSync(${JSON.stringify(join(scratch(), 'only'))});
      ${thatStarts(`${CLAIM} parentPort.postMessage({ result: { digests: ['${'ab'.repeat(32)}'] } })`)}`
    configureHashing({ maxThreads: 4 })
    const files = Object.fromEntries(Array.from({ length: 4 }, (_, i) => [`${i}`, randomBytes(9 * MIB)]))
    const results = await hashFiles(await jobsOf(scratch(files)), options)
    expect(new Set(results.flatMap(({ digests }) => digests))).toEqual(new Set(['ab'.repeat(32)]))
    expect(warnings).toEqual([])
  })
})

describe('the operation fails if a thread', () => {
  const bytes = "new TextEncoder().encode('x').buffer"
  test.each<[string, string, RegExp]>([
    ['exits', 'process.exit(7)', /exit code 7/],
    ['throws outside its task', 'setImmediate(() => { throw new Error("beside") })', /beside/],
    ['rejects a promise', 'Promise.reject(new Error("rejected"))', /rejected/],
    ['runs out of memory', EAT_MEMORY, /OUT_OF_MEMORY/],
    ['reports an error that is not an error', 'parentPort.postMessage({ error: null })', /null/],
    ['answers with nothing', 'parentPort.postMessage({ result: undefined })', /digests/],
    ['answers with text', 'parentPort.postMessage("done")', /unexpected message/],
    ['answers with no digest', 'parentPort.postMessage({ result: { digests: [] } })', /number of digests/],
    ['answers with malformed digests', 'parentPort.postMessage({ result: { digests: ["X".repeat(64)] } })', /form/],
    ['answers with a digest of the wrong length', 'parentPort.postMessage({ result: { digests: ["ab"] } })', /form/],
    [
      'answers with an unknown error code',
      'parentPort.postMessage({ result: { error: { code: "toString" } } })',
      /digests/,
    ],
    [
      'wrongly says that another thread has its files',
      'parentPort.postMessage({ result: { taken: true } })',
      /another thread/,
    ],
  ])('%s', { timeout: 60_000 }, async (_, code, reason) => {
    mocks.code = thatStarts(CLAIM + code)
    const jobs = await jobsOf(scratch({ a: randomBytes(9 * MIB) }))
    const error = await hashFiles(jobs, options).catch((error: unknown) => error)
    expect(error).toEqual(refusal('WORKER_FAILED'))
    expect((error as Error).message).toMatch(reason)
    expect(warnings).toEqual([])
  })

  test.each<[string, string]>([
    ['sends none', ''],
    ['sends too few', `task.bytes.postMessage([${bytes}]);`],
    ['sends something other than bytes', 'task.bytes.postMessage("bytes");'],
    ['closes the port', 'task.bytes.close();'],
  ])('if bytes are requested, it %s', async (_, code) => {
    mocks.code = thatStarts(`${CLAIM} ${code} parentPort.postMessage({ result: { digests: ['${'ab'.repeat(32)}'] } })`)
    const jobs = await jobsOf(scratch({ a: randomBytes(9 * MIB) }), true)
    const error = await hashFiles(jobs, options).catch((error: unknown) => error)
    expect(error).toEqual(refusal('WORKER_FAILED'))
    expect((error as Error).message).toMatch(/without the bytes/)
  })

  test('says that others have its files before it has begun', async () => {
    mocks.code = thatStarts('parentPort.postMessage({ result: { taken: true } })')
    const jobs = await jobsOf(scratch({ a: randomBytes(9 * MIB) }))
    await expect(hashFiles(jobs, options)).rejects.toEqual(refusal('WORKER_FAILED'))
  })

  test('is ended by closeHashPool()', async () => {
    mocks.code = thatStarts(CLAIM)
    const jobs = await jobsOf(scratch(Object.fromEntries([1, 2, 3, 4].map((i) => [`${i}`, randomBytes(9 * MIB)]))))
    const outcome = hashFiles(jobs, options).catch((error: unknown) => error)
    const pool = ownPool()
    while (pool.busy === 0) await new Promise((resolve) => setImmediate(resolve))
    await closeHashPool()
    expect(await outcome).toEqual(refusal('WORKER_FAILED'))
    await expect(pool.run('hashBatch', {})).rejects.toThrow('closeHashPool')
  })

  test('cannot be sent its task', async () => {
    await expect(reservePool().run('hashBatch', { task: () => {} })).rejects.toThrow('could not be cloned')
    // The thread still works.
    await expect(reservePool().run('readAhead', 1)).rejects.toThrow(TypeError)
  })
})

test('idle threads end and let the process exit', async () => {
  await hashFiles(await jobsOf(scratch({ a: randomBytes(9 * MIB) })), options)
  const [worker] = ownPool().threads
  expect(worker).toBeDefined()
  await closeHashPool()
  expect(worker?.threadId).toBe(-1)
})
