import { createHash, randomBytes } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { refusal } from '../../testing/scratch.ts'
import { closeHashPool, configureHashing, pieceThread } from '../pool.ts'
import { SeveralDigests, type WantedDigests } from './piece-hasher.ts'
import { ThreadHasher } from './thread-hasher.ts'

const mocks = vi.hoisted(() => ({ code: undefined as string | URL | undefined }))
vi.mock('../threads/thread-code.ts', async (original) => {
  const real = await original<{ THREAD_CODE: URL }>()
  return {
    ...real,
    get THREAD_CODE() {
      return mocks.code ?? real.THREAD_CODE
    },
  }
})

const WARNED = Symbol.for('modelseal.hashing.warned')
const SHARD = 100_000
const WANTED: readonly WantedDigests[] = [
  { hashType: 'sha256', partBytes: SHARD },
  { hashType: 'sha256', partBytes: Infinity },
  { hashType: 'blake2b', partBytes: Infinity },
]

beforeEach(async () => {
  Object.assign(globalThis, { [WARNED]: true })
  await closeHashPool()
})
afterEach(async () => {
  mocks.code = undefined
  configureHashing()
  await closeHashPool()
})

const begin = () => new ThreadHasher(pieceThread()!, WANTED)

/** Hashes a file in pieces of this size. */
async function hashed(content: Buffer, pieceBytes: number): Promise<string[][]> {
  const hasher = begin()
  try {
    const memory = hasher.memory(pieceBytes)
    for (let start = 0; start < content.length; start += pieceBytes) {
      const bytes = content.subarray(start, start + pieceBytes)
      memory.set(bytes)
      await hasher.hash(memory.subarray(0, bytes.length))
    }
    return await hasher.digests()
  } finally {
    hasher.end()
  }
}

function expected(content: Buffer): string[][] {
  const digests = new SeveralDigests(WANTED)
  digests.update(content)
  return digests.digests()
}

/** A thread that starts normally, and runs this code for each message about a file. */
const thatAnswers = (onMessage: string) => `
  const { parentPort } = require('node:worker_threads')
  parentPort.on('message', ({ task: { port } }) => port.on('message', (message) => { ${onMessage} }))
  parentPort.postMessage('ready')`

test('files that arrive at the same time have the right digests, of all kinds', async () => {
  const contents = [randomBytes(350_001), randomBytes(1_000_000), randomBytes(1), Buffer.alloc(0)]
  const all = await Promise.all(contents.map((content, index) => hashed(content, 70_000 + index)))
  expect(all).toEqual(contents.map(expected))
  expect(all[1]?.[1]).toEqual([createHash('sha256').update(contents[1]!).digest('hex')])
  // The thread is used again.
  expect(await hashed(contents[0]!, 1_000)).toEqual(expected(contents[0]!))
})

test.each<[string, string | URL]>([
  ['whose file is gone', new URL('../gone.cjs', import.meta.url)],
  ['whose code throws', 'throw new Error("no such thing here")'],
  ['that end at once', ''],
])('without threads, for example %s, the calling thread hashes', async (_, code) => {
  mocks.code = code
  const contents = [randomBytes(350_001), randomBytes(1_000_000)]
  expect(await Promise.all(contents.map((content) => hashed(content, 65_536)))).toEqual(contents.map(expected))
})

describe('a thread', () => {
  test.each<[string, string]>([
    ['that ends', 'process.exit(3)'],
    ['that throws', 'throw new Error("out of order")'],
    ['that returns too few digests', 'port.postMessage({ file: message.file, digests: [] })'],
    ['that ends its task', 'parentPort.postMessage({ result: undefined })'],
  ])('%s fails all files that it hashes', async (_, code) => {
    mocks.code = thatAnswers(code)
    const failed = [hashed(randomBytes(100_000), 1_000), hashed(randomBytes(100_000), 1_000)]
    for (const each of failed) await expect(each).rejects.toEqual(refusal('WORKER_FAILED'))
    mocks.code = undefined
    await closeHashPool()
    const content = randomBytes(100_000)
    expect(await hashed(content, 1_000)).toEqual(expected(content))
  })

  test('that ends while a file is complete except for its digests fails it', async () => {
    mocks.code = thatAnswers(
      '"piece" in message ? port.postMessage({ file: message.file, hashed: true }) : "end" in message && process.exit(0)',
    )
    await expect(hashed(randomBytes(100_000), 1_000)).rejects.toEqual(refusal('WORKER_FAILED'))
  })

  test('that closeHashPool() ends fails the file, and the next file has another one', async () => {
    const hasher = begin()
    const piece = hasher.memory(1_000)
    await hasher.hash(piece)
    await closeHashPool()
    await expect(hasher.hash(piece)).rejects.toMatchObject({
      code: 'WORKER_FAILED',
      hint: expect.stringMatching(/closeHashPool/) as string,
    })
    await expect(hasher.digests()).rejects.toEqual(refusal('WORKER_FAILED'))
    hasher.end()
    const content = randomBytes(100_000)
    expect(await hashed(content, 1_000)).toEqual(expected(content))
  })

  test('forgets a file that is given up', async () => {
    const given = begin()
    await given.hash(given.memory(1_000))
    given.end()
    const content = randomBytes(100_000)
    expect(await hashed(content, 1_000)).toEqual(expected(content))
  })
})

test('beside a pool of the program, no thread is started', () => {
  configureHashing({ pool: { maxThreads: 2, run: () => Promise.reject(new Error('not used')) } })
  expect(pieceThread()).toBeUndefined()
})
