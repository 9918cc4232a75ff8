import { randomBytes } from 'node:crypto'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { jobsOf, sha256 } from '../../testing/hash-jobs.ts'
import { openFilesIn } from '../../testing/open-files.ts'
import { refusal, scratch } from '../../testing/scratch.ts'
import { hashFile, type HashJob } from '../hash-file.ts'
import { closeHashPool, hashPool } from '../pool.ts'
import { abortShared, newSharedControl, sharedControl, type HashControl } from '../shared-control.ts'
import type { TaskThreads } from '../threads/own-threads.ts'
import { BytesAhead } from './read-ahead.ts'
import {
  BEGUN,
  COPY,
  DONE,
  endReader,
  FILLED,
  GOING,
  HELPED,
  JOINED,
  LEFT,
  newReadAhead,
  OPEN,
  PHASE,
  releaseReaders,
  SLOT_BYTES as SLOT,
  TAKEN,
  Views,
  type ReadAheadMemory,
} from './read-ahead-memory.ts'
import { readFilesAhead } from './read-file-ahead.ts'

// A thread that reads ahead also writes the copy. In these tests, only calls of this thread can be replaced.
vi.mock('node:fs', { spy: true })
afterEach(() => void vi.mocked(fs.writeSync).mockReset())

let pool: TaskThreads
beforeAll(async () => {
  pool = hashPool()
  await read(newReadAhead(0, 1)) // starts the thread, because the tests block while they hash
})
afterAll(() => closeHashPool())

const free: HashControl = { aborted: () => false, advance: () => {} }

/** Has another thread read and copy the file. */
async function read(memory: ReadAheadMemory, jobs: HashJob[] = [], control = newSharedControl()): Promise<void> {
  await pool.run('readAhead', { memory, lane: 0, pieces: new Map(jobs.entries()), control })
}

/** A file with this content, and a job that copies it. */
async function copying(content: Uint8Array): Promise<{ job: HashJob; copyTo: string; path: string; places: string }> {
  const directory = scratch({ file: content })
  const [job] = await jobsOf(directory)
  const places = scratch()
  const copyTo = join(places, 'copy')
  return { job: { ...job!, copyTo }, copyTo, path: join(directory, 'file'), places }
}

/** Begins only when another thread has joined, but does not wait for it for ever. */
class Helped extends BytesAhead {
  slots = 0
  readonly #views: Views

  constructor(memory: ReadAheadMemory, control: HashControl) {
    super(memory, 0, control)
    this.#views = new Views(memory)
  }

  override next(offset: number, end: number): ReturnType<BytesAhead['next']> {
    let bytes = super.next(offset, end)
    for (let tries = 0; !bytes && this.#views.piece(0) === BEGUN && tries < 100; tries++) {
      this.#views.awaitChange(this.#views.changes())
      bytes = super.next(offset, end)
    }
    if (bytes instanceof Uint8Array) this.slots++
    return bytes
  }
}

function hashed(job: HashJob, ahead: BytesAhead, control: HashControl): string[] {
  try {
    return hashFile(job, 'sha256', control, ahead).digests
  } finally {
    for (let tries = 0; !ahead.end() && tries < 100;) tries++
  }
}

describe('a copy that another thread writes', () => {
  test.each([
    ['one byte more than a chunk', SLOT / 2 + 1],
    ['one byte less than a slot', SLOT - 1],
    ['one slot', SLOT],
    ['one byte more than a slot', SLOT + 1],
    ['as many slots as there are', 4 * SLOT],
    ['one byte more', 4 * SLOT + 1],
    ['many slots', 33 * SLOT - 7],
  ])('has the hashed bytes of %s', async (_, size) => {
    const content = randomBytes(size)
    const { job, copyTo } = await copying(content)
    vi.mocked(fs.writeSync).mockClear()
    const memory = newReadAhead(1, 1)
    const reading = read(memory, [job])
    const ahead = new Helped(memory, free)
    expect(hashed(job, ahead, free)).toEqual([sha256(content)])
    expect(ahead.slots).toBe(Math.ceil(size / SLOT))
    expect(fs.writeSync).not.toHaveBeenCalled()
    expect(fs.readFileSync(copyTo).equals(content)).toBe(true)
    expect(fs.statSync(copyTo).mode & 0o777).toBe(0o600)
    await reading
  })

  test('has holes for zeros, also at its end', async () => {
    const content = new Uint8Array(40 * SLOT)
    content.set(randomBytes(SLOT), 20 * SLOT)
    const { job, copyTo } = await copying(content)
    const memory = newReadAhead(1, 1)
    const reading = read(memory, [job])
    expect(hashed(job, new Helped(memory, free), free)).toEqual([sha256(content)])
    expect(fs.readFileSync(copyTo).equals(content)).toBe(true)
    expect(fs.statSync(copyTo).blocks * 512).toBeLessThan(4 * SLOT)
    await reading
  })

  test('is continued by the thread that hashes when the other one is called away', async () => {
    const content = randomBytes(40 * SLOT + 7)
    const { job, copyTo } = await copying(content)
    const memory = newReadAhead(1, 1)
    const reading = read(memory, [job])
    const control = { aborted: () => false, advance: () => releaseReaders(memory) }
    const ahead = new Helped(memory, control)
    expect(hashed(job, ahead, control)).toEqual([sha256(content)])
    expect(ahead.slots).toBeLessThan(10)
    expect(fs.readFileSync(copyTo).equals(content)).toBe(true)
    await reading
  })

  test.each<[string, (path: string) => void]>([
    ['is written to', (path) => fs.writeFileSync(path, randomBytes(40 * SLOT))],
    ['grows', (path) => fs.appendFileSync(path, 'x')],
    ['shrinks', (path) => fs.truncateSync(path, 20 * SLOT + 5)],
  ])('does not count if the original %s in the meantime', async (_, change) => {
    const { job, path } = await copying(randomBytes(40 * SLOT))
    const memory = newReadAhead(1, 1)
    const reading = read(memory, [job])
    let calls = 0
    const control = { aborted: () => false, advance: () => (calls++ === 3 ? change(path) : undefined) }
    expect(() => hashed(job, new Helped(memory, control), control)).toThrow(refusal('FILE_CHANGED', { file: 'file' }))
    await reading
  })

  test.runIf(process.platform === 'linux')('is closed by both threads when the operation is aborted', async () => {
    const { job, places } = await copying(randomBytes(40 * SLOT))
    const memory = newReadAhead(1, 1)
    const shared = newSharedControl()
    const reading = read(memory, [job], shared)
    const control = sharedControl(shared)
    let calls = 0
    const aborting = { ...control, advance: () => (calls++ === 3 ? abortShared(shared) : undefined) }
    expect(() => hashed(job, new Helped(memory, aborting), aborting)).toThrow(refusal('ABORTED'))
    expect(openFilesIn(places)).toEqual([])
    await reading
  })
})

describe('the thread that hashes', () => {
  /** A reader that has handed over `slots` slots and then did this. */
  function left(content: Uint8Array, slots: number, then: (views: Views, memory: ReadAheadMemory) => void) {
    const memory = newReadAhead(1, 1)
    const views = new Views(memory)
    const { words, slot } = views.lane(0)
    const control = {
      aborted: () => {
        // Called after each wait, on behalf of the reader.
        if (words[PHASE] === GOING && words[FILLED] === words[TAKEN]) {
          if (words[TAKEN] === slots) then(views, memory)
          else slot(words[TAKEN]!).set(content.subarray(words[FILLED]! * SLOT, ++words[FILLED]! * SLOT))
        }
        return false
      },
      advance: () => {},
    }
    const ahead = new BytesAhead(memory, 0, control)
    ahead.next(0, content.length) // begins
    words[COPY] = OPEN
    views.setPiece(0, HELPED)
    return { ahead, control, words }
  }

  test.each([0, 1, 3])(
    'discards what the other one wrote after %i slots, even where the file has zeros',
    async (slots) => {
      const content = new Uint8Array(4 * SLOT)
      content.set(randomBytes(slots * SLOT))
      const { job, copyTo } = await copying(content)
      const { ahead, control, words } = left(content, slots, (views) => {
        const fd = fs.openSync(copyTo, 'r+')
        fs.writeSync(fd, content, 0, slots * SLOT, 0)
        fs.writeSync(fd, randomBytes(SLOT), 0, SLOT, slots * SLOT)
        fs.closeSync(fd)
        words[COPY] = 0
        views.leave(views.lane(0))
      })
      expect(hashed(job, ahead, control)).toEqual([sha256(content)])
      expect(fs.readFileSync(copyTo).equals(content)).toBe(true)
    },
  )

  test('does not wait for one that left before it was told where to begin', async () => {
    const content = randomBytes(3 * SLOT)
    const { job, copyTo } = await copying(content)
    const memory = newReadAhead(1, 1)
    const views = new Views(memory)
    let waits = 0
    const control = { aborted: () => ++waits > 20, advance: () => {} }
    const ahead = new BytesAhead(memory, 0, control)
    ahead.next(0, content.length) // begins
    views.leave(views.lane(0))
    views.setPiece(0, HELPED)
    expect(hashed(job, ahead, control)).toEqual([sha256(content)])
    expect(fs.readFileSync(copyTo).equals(content)).toBe(true)
  })

  test('reports that the other one could not close the copy', async () => {
    const content = randomBytes(3 * SLOT)
    const { job } = await copying(content)
    const { ahead, control, words } = left(content, 1, (views) => {
      words[COPY] = -28
      views.leave(views.lane(0))
    })
    expect(() => hashed(job, ahead, control)).toThrow(
      refusal('COPY_FAILED', { file: 'file', hint: expect.stringContaining('Free disk space') as string }),
    )
  })

  test('refuses a copy to which a thread that is gone may still write', async () => {
    const content = randomBytes(3 * SLOT)
    const { job } = await copying(content)
    const { ahead, control } = left(content, 1, (_, memory) => expect(endReader(memory, 0)).toBe(true))
    expect(() => hashed(job, ahead, control)).toThrow(refusal('WORKER_FAILED'))
  })
})

describe('the thread that reads', () => {
  /** Reads and copies on this thread. The other side takes each slot at once. */
  function readHere(job: HashJob, memory = newReadAhead(1, 1)): { slots: number; copy: number | undefined } {
    const views = new Views(memory)
    const { words, start } = views.lane(0)
    views.setPiece(0, BEGUN)
    const aborted = () => {
      const isHelped = views.piece(0) === HELPED
      if (isHelped && words[PHASE] === JOINED) {
        start[0] = 0
        words[PHASE] = GOING
      }
      words[TAKEN] = words[FILLED]!
      if (isHelped && words[PHASE] === LEFT) views.setPiece(0, DONE)
      return false
    }
    readFilesAhead(memory, 0, new Map([[0, job]]), { aborted, advance: () => {} })
    return { slots: words[FILLED]!, copy: views.piece(0) === DONE ? words[COPY] : undefined }
  }

  test('hands over only what it has written completely', async () => {
    const content = randomBytes(8 * SLOT)
    const { job, copyTo } = await copying(content)
    fs.writeFileSync(copyTo, '')
    const { writeSync } = await vi.importActual<typeof fs>('node:fs')
    let room = 3 * SLOT + 1000
    vi.mocked(fs.writeSync).mockImplementation(((fd: number, chunk: Uint8Array, at: number, _: number, to: number) => {
      if (room === 0) throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' })
      const length = Math.min(chunk.length - at, room)
      room -= length
      return writeSync(fd, chunk, at, length, to)
    }) as typeof fs.writeSync)
    expect(readHere(job)).toEqual({ slots: 3, copy: 0 })
  })

  test('passes on that it could not close the copy', async () => {
    const { job, copyTo } = await copying(randomBytes(2 * SLOT))
    fs.writeFileSync(copyTo, '')
    const { closeSync } = await vi.importActual<typeof fs>('node:fs')
    vi.mocked(fs.closeSync).mockImplementationOnce((fd) => {
      closeSync(fd)
      throw Object.assign(new Error('ENOSPC: no space left on device, close'), { code: 'ENOSPC', errno: -28 })
    })
    expect(readHere(job)).toEqual({ slots: 2, copy: -28 })
  })

  test('does not join if it is thought to be gone', async () => {
    const { job, copyTo } = await copying(randomBytes(2 * SLOT))
    fs.writeFileSync(copyTo, '')
    const memory = newReadAhead(1, 1)
    expect(endReader(memory, 0)).toBe(false)
    expect(readHere(job, memory)).toEqual({ slots: 0, copy: undefined })
    expect(fs.statSync(copyTo).size).toBe(0)
  })

  test.each<[string, (path: string) => void]>([
    ['does not exist', () => {}],
    ['is a link', (path) => fs.symlinkSync(join(path, '..', 'other'), path)],
  ])('does not join if the copy %s', async (_, make) => {
    const { job, copyTo, places } = await copying(randomBytes(2 * SLOT))
    fs.writeFileSync(join(places, 'other'), 'precious')
    make(copyTo)
    expect(readHere(job)).toEqual({ slots: 0, copy: undefined })
    expect(fs.readFileSync(join(places, 'other'), 'utf8')).toBe('precious')
  })
})
