import { readFileSync, statSync, truncateSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { foreignFileSystem } from '../../source/local/file-system.ts'
import { jobsOf, sha256 } from '../../testing/hash-jobs.ts'
import { refusal, scratch } from '../../testing/scratch.ts'
import { hashFiles } from '../hash-files.ts'
import type { HashJob } from '../hash-file.ts'
import { configureHashing } from '../pool.ts'
import type { ReaderTask } from '../threads/worker.ts'
import {
  BEGUN,
  CLOSED,
  COPY,
  DONE,
  FILLED,
  GOING,
  HELPED,
  LEFT,
  OPEN,
  PHASE,
  SLOT_BYTES,
  Views,
} from './read-ahead-memory.ts'

// The calling thread hashes, and another thread reads ahead for it and writes the copy. Only the event loop of the
// calling thread learns that the other thread is gone, so the calling thread must not wait without yielding to it.

const SIZE = 100 * 1024 * 1024
/** More waits than this in one turn of the event loop are a wait for ever. */
const MANY = 10

let waits = 0
let most = 0
let turns: NodeJS.Timeout
beforeEach(() => {
  waits = most = 0
  turns = setInterval(() => (waits = 0), 1)
  const wait = Atomics.wait.bind(Atomics) as (...given: unknown[]) => ReturnType<typeof Atomics.wait>
  vi.spyOn(Atomics, 'wait').mockImplementation((...given) => {
    most = Math.max(most, ++waits)
    if (waits > MANY) throw new Error('The event loop is blocked.')
    return wait(...given)
  })
})
afterEach(() => {
  vi.restoreAllMocks()
  clearInterval(turns)
  configureHashing()
})

/** A sparse file of zeros, and a job that copies it. */
async function copying(): Promise<HashJob & { copyTo: string }> {
  const directory = scratch({ zeros: '' })
  truncateSync(join(directory, 'zeros'), SIZE)
  const [job] = await jobsOf(directory)
  return { ...job!, copyTo: join(scratch(), 'copy') }
}

/** Has a reader join that has the copy open, and then does this. It runs on the calling thread, between its turns. */
function reading(then: (words: Int32Array, start: number, views: Views) => Promise<void>): void {
  const run = async (given: unknown, { name }: { name: string }) => {
    expect(name).toBe('readAhead')
    const { memory, lane } = given as ReaderTask
    const views = new Views(memory)
    const { words, start } = views.lane(lane)
    words[COPY] = OPEN
    while (views.swapPiece(0, BEGUN, HELPED + lane) !== BEGUN) await setTimeout(1)
    while (words[PHASE] !== GOING) await setTimeout(1)
    await then(words, start[0]!, views)
  }
  configureHashing({ callingThread: true, pool: { maxThreads: 1, run } })
}

/** Hands over all slots at once, since the file and the slots contain only zeros. Returns when the copy must be closed. */
async function handOverAll(words: Int32Array, start: number): Promise<void> {
  words[FILLED] = Math.ceil((SIZE - start) / SLOT_BYTES)
  while (words[PHASE] !== LEFT) await setTimeout(1)
}

function failed(found: string): unknown {
  return refusal('WORKER_FAILED', { found: expect.stringContaining(found) as string })
}

// On other file systems the calling thread does not hash.
describe.runIf(foreignFileSystem(tmpdir()) === undefined)('a calling thread that hashes while another copies', () => {
  test('gets the copy when the other one has closed it', async () => {
    reading(async (words, start, views) => {
      await handOverAll(words, start)
      await setTimeout(100)
      words[COPY] = CLOSED
      while (views.piece(0) !== DONE) await setTimeout(1)
    })
    const job = await copying()
    const [result] = await hashFiles([job], { hashType: 'sha256' })
    expect(result?.digests).toEqual([sha256(readFileSync(job.file.path))])
    expect(statSync(job.copyTo).size).toBe(SIZE)
    expect(most).toBeLessThan(MANY)
  })

  test.each<[string, (words: Int32Array, start: number) => Promise<void>]>([
    ['before it has handed over a byte', () => Promise.resolve()],
    ['after it has handed over everything', handOverAll],
  ])('refuses the model when the other one dies %s', async (_, before) => {
    reading(async (words, start) => {
      await before(words, start)
      await setTimeout(100)
      throw new Error('the thread ran out of memory')
    })
    await expect(hashFiles([await copying()], { hashType: 'sha256' })).rejects.toEqual(failed('ran out of memory'))
    expect(most).toBeLessThan(MANY)
  })

  test('refuses the model when the other one says that it is done before it has closed the copy', async () => {
    reading(async (words, start) => {
      await handOverAll(words, start)
      await setTimeout(100)
    })
    await expect(hashFiles([await copying()], { hashType: 'sha256' })).rejects.toEqual(failed('answered before'))
    expect(most).toBeLessThan(MANY)
  })

  test('can be aborted when the other one dies while it writes', async () => {
    const controller = new AbortController()
    reading(async () => {
      controller.abort()
      await setTimeout(100)
      throw new Error('the thread ran out of memory')
    })
    const hashing = hashFiles([await copying()], { hashType: 'sha256', signal: controller.signal })
    await expect(hashing).rejects.toEqual(refusal('ABORTED'))
    expect(most).toBeLessThan(MANY)
  })
})
