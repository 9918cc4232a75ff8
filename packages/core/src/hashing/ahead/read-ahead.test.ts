import { randomBytes } from 'node:crypto'
import { appendFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { listFiles } from '../../testing/list-files.ts'
import { openLocalSource } from '../../source/local/local-source.ts'
import { sha256 } from '../../testing/hash-jobs.ts'
import { refusal, scratch } from '../../testing/scratch.ts'
import { ALGORITHMS, type HashType } from '../algorithms.ts'
import { hashFile, type HashJob } from '../hash-file.ts'
import type { TaskThreads } from '../threads/own-threads.ts'
import { closeHashPool, hashPool } from '../pool.ts'
import { BytesAhead } from './read-ahead.ts'
import type { HashControl } from '../shared-control.ts'
import { newReadAhead, releaseReaders, type ReadAheadMemory } from './read-ahead-memory.ts'
import { abortShared, newSharedControl, sharedControl } from '../shared-control.ts'
import type { ReaderTask } from '../threads/worker.ts'

const KIB = 1024
const SLOT = 256 * KIB

let pool: TaskThreads
beforeAll(async () => {
  pool = hashPool()
  // Starts the reader's thread here, because the tests block while they hash.
  await read([], newReadAhead(0, 1))
})
afterAll(() => closeHashPool())

async function jobOf(path: string, start = 0, end?: number): Promise<HashJob> {
  const [file] = await listFiles(await openLocalSource(path), { ignored: () => false, followLinks: false })
  return { file: file!, ranges: [{ start, end: end ?? file!.identity.size }], keep: false }
}

/** Reads ahead for jobs in another thread, as idle threads do. */
async function read(jobs: HashJob[], memory: ReadAheadMemory, control = newSharedControl()): Promise<void> {
  const task: ReaderTask = { memory, lane: 0, pieces: new Map(jobs.entries()), control }
  await pool.run('readAhead', task)
}

/** Waits on its first call until a reader has joined, and counts the bytes that the reader gave. */
class Helped extends BytesAhead {
  slots = 0
  readonly #piece: Int32Array

  constructor(memory: ReadAheadMemory, piece: number, control: HashControl) {
    super(memory, piece, control)
    this.#piece = new Int32Array(memory.shared, (2 + piece) * 4, 1)
  }

  override next(offset: number, end: number): ReturnType<BytesAhead['next']> {
    let bytes = super.next(offset, end)
    for (let tries = 0; !bytes && this.#piece[0] === 1 && tries < 100; tries++) {
      Atomics.wait(this.#piece, 0, 1, 50)
      bytes = super.next(offset, end)
    }
    if (bytes instanceof Uint8Array) this.slots++
    return bytes
  }
}

function hashAhead(job: HashJob, hashType: HashType, ahead: BytesAhead, control: HashControl): string[] {
  try {
    return hashFile(job, hashType, control, ahead).digests
  } finally {
    expect(ahead.end()).toBe(true)
  }
}

const free: HashControl = { aborted: () => false, advance: () => {} }

describe('bytes that another thread reads ahead', () => {
  test.each(['sha256', 'blake2b', 'blake3'] as const)(
    'have the right %s digest for every size and range around slot boundaries',
    async (hashType) => {
      const near = fc
        .tuple(fc.integer({ min: 0, max: 9 }), fc.integer({ min: -3, max: 3 }))
        .map(([slots, off]) => Math.max(slots * SLOT + off, 0))
      await fc.assert(
        fc.asyncProperty(near, near, near, async (a, b, c) => {
          const [start, end, size] = [a, b, c].sort((x, y) => x - y) as [number, number, number]
          fc.pre(end - start > 128 * KIB)
          const content = randomBytes(size)
          const job = await jobOf(join(scratch({ file: content }), 'file'), start, end)
          const memory = newReadAhead(1, 1)
          const reading = read([job], memory)
          const ahead = new Helped(memory, 0, free)
          expect(hashAhead(job, hashType, ahead, free)).toEqual([
            ALGORITHMS[hashType].whole(content.subarray(start, end)),
          ])
          expect(ahead.slots).toBe(Math.ceil((end - start) / SLOT))
          await reading
        }),
        { numRuns: 25 },
      )
    },
  )

  test('come from one reader for one file after the other', async () => {
    const contents = [randomBytes(5 * SLOT + 1), randomBytes(4 * SLOT), randomBytes(9 * SLOT - 1)]
    const directory = scratch(Object.fromEntries(contents.map((content, index) => [`${index}`, content])))
    const jobs = await Promise.all(contents.map((_, index) => jobOf(join(directory, `${index}`))))
    const memory = newReadAhead(jobs.length, 1)
    const reading = read(jobs, memory)
    for (const piece of [2, 0, 1]) {
      const ahead = new Helped(memory, piece, free)
      expect(hashAhead(jobs[piece]!, 'sha256', ahead, free)).toEqual([sha256(contents[piece]!)])
      expect(ahead.slots).toBeGreaterThan(0)
    }
    await reading
  })

  test('are read by the hashing thread if no reader joins', async () => {
    const content = randomBytes(5 * SLOT + 7)
    const job = await jobOf(join(scratch({ file: content }), 'file'))
    const ahead = new BytesAhead(newReadAhead(1, 1), 0, free)
    expect(hashAhead(job, 'sha256', ahead, free)).toEqual([sha256(content)])
  })

  test('are read by the hashing thread from where the reader left', async () => {
    const content = randomBytes(40 * SLOT + 7)
    const job = await jobOf(join(scratch({ file: content }), 'file'))
    const memory = newReadAhead(1, 1)
    const reading = read([job], memory)
    const control = { aborted: () => false, advance: () => releaseReaders(memory) }
    const ahead = new Helped(memory, 0, control)
    expect(hashAhead(job, 'sha256', ahead, control)).toEqual([sha256(content)])
    expect(ahead.slots).toBeLessThan(10)
    await reading
  })

  test('are not taken from a reader that finds another file under the name', async () => {
    const path = join(scratch({ file: randomBytes(5 * SLOT) }), 'file')
    const job = await jobOf(path)
    const memory = newReadAhead(1, 1)
    const reading = read([{ ...job, file: { ...job.file, identity: { ...job.file.identity, ino: 1n } } }], memory)
    const next = vi.spyOn(BytesAhead.prototype, 'next')
    hashAhead(job, 'sha256', new BytesAhead(memory, 0, free), free)
    expect(next.mock.results.every(({ value }) => value === undefined)).toBe(true)
    next.mockRestore()
    await reading
  })
})

describe('a file that is read ahead', () => {
  test.each<[string, (path: string) => void]>([
    ['is written to', (path) => writeFileSync(path, randomBytes(40 * SLOT))],
    ['grows', (path) => appendFileSync(path, 'x')],
    ['shrinks', (path) => truncateSync(path, 20 * SLOT + 5)],
    ['loses all its bytes', (path) => truncateSync(path, 0)],
  ])('is refused when it %s in the meantime', async (_, change) => {
    const path = join(scratch({ file: randomBytes(40 * SLOT) }), 'file')
    const job = await jobOf(path)
    const memory = newReadAhead(1, 1)
    const reading = read([job], memory)
    let calls = 0
    const control = { aborted: () => false, advance: () => (calls++ === 3 ? change(path) : undefined) }
    const ahead = new Helped(memory, 0, control)
    expect(() => hashAhead(job, 'sha256', ahead, control)).toThrow(refusal('FILE_CHANGED', { file: 'file' }))
    expect(ahead.slots).toBeGreaterThan(0)
    await reading
  })

  test('is released by both threads when the operation is aborted', async () => {
    const job = await jobOf(join(scratch({ file: randomBytes(40 * SLOT) }), 'file'))
    const memory = newReadAhead(1, 1)
    const shared = newSharedControl()
    const reading = read([job], memory, shared)
    const control = sharedControl(shared)
    let calls = 0
    const aborting = { ...control, advance: () => (calls++ === 3 ? abortShared(shared) : undefined) }
    const ahead = new Helped(memory, 0, aborting)
    expect(() => hashAhead(job, 'sha256', ahead, aborting)).toThrow(refusal('ABORTED'))
    expect(calls).toBe(4)
    await reading
  })

  test('keeps no reader waiting when the thread that hashed it is gone', async () => {
    const job = await jobOf(join(scratch({ file: randomBytes(40 * SLOT) }), 'file'))
    const memory = newReadAhead(1, 1)
    const shared = newSharedControl()
    const reading = read([job], memory, shared)
    const ahead = new Helped(memory, 0, free)
    expect(ahead.next(0, 40 * SLOT)).toHaveLength(SLOT)
    // No end(): a thread that dies does not call it. Its operation is then aborted.
    abortShared(shared)
    await reading
  })
})
