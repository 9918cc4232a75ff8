import { createHash, randomBytes } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import { expect, onTestFinished, test, vi } from 'vitest'
import { CallingThreadHasher, type PieceHasher } from '../../hashing/arriving/piece-hasher.ts'
import { PieceLine } from './piece-line.ts'

const CONTENT = randomBytes(3_000_001)
const WANTED = [{ hashType: 'sha256', partBytes: Infinity }] as const
const DIGESTS = [[createHash('sha256').update(CONTENT).digest('hex')]]

/** A writer that takes its time. */
function writer(until: (count: number) => Promise<unknown> = () => setTimeout(1)) {
  const written: Buffer[] = []
  const state = { now: 0, most: 0 }
  const write = async (piece: Uint8Array) => {
    state.most = Math.max(state.most, ++state.now)
    await until(written.length)
    written.push(Buffer.from(piece))
    state.now -= 1
  }
  return { write, written, state }
}

async function* chunks(bytes: number): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < CONTENT.length; start += bytes) {
    await Promise.resolve()
    yield CONTENT.subarray(start, start + bytes)
  }
}

test.each([
  [1_000, undefined],
  [70_001, CONTENT.length],
  [CONTENT.length, 1],
])('what arrives in chunks of %i bytes is written and hashed in order', async (bytes, announced) => {
  // Each write takes its own time, and begins in order.
  const { write, written } = writer(() => Promise.resolve())
  const line = new PieceLine(new CallingThreadHasher(WANTED), announced)
  for await (const chunk of chunks(bytes)) await line.add(chunk, write)
  expect(await line.end()).toEqual(DIGESTS)
  expect(Buffer.concat(written).equals(CONTENT)).toBe(true)
  await line.settle()
})

test('bytes that are here already are hashed, and not written', async () => {
  const { write, written } = writer(() => Promise.resolve())
  const line = new PieceLine(new CallingThreadHasher(WANTED))
  await line.add(CONTENT.subarray(0, 1_000_001), undefined)
  await line.add(CONTENT.subarray(1_000_001), write)
  expect(await line.end()).toEqual(DIGESTS)
  expect(Buffer.concat(written).equals(CONTENT.subarray(1_000_001))).toBe(true)
})

test.each([1, 100_000, 524_288])(
  'bytes in the memory that is there for them are not copied, %i at a time',
  async (most) => {
    const { write, written } = writer(() => Promise.resolve())
    const line = new PieceLine(new CallingThreadHasher(WANTED))
    const set = vi.spyOn(Uint8Array.prototype, 'set')
    try {
      for (let done = most === 1 ? CONTENT.length - 1000 : 0; done < CONTENT.length;) {
        const room = line.room()
        const length = CONTENT.copy(room, 0, done, done + Math.min(most, room.length))
        await line.add(room.subarray(0, length), write)
        done += length
      }
      expect(set).not.toHaveBeenCalled()
    } finally {
      set.mockRestore()
    }
    const [[digest]] = (await line.end()) as [[string]]
    const all = Buffer.concat(written)
    expect(all.equals(CONTENT.subarray(CONTENT.length - all.length))).toBe(true)
    expect(digest).toBe(createHash('sha256').update(all).digest('hex'))
  },
)

test('bytes that are lent are not copied, come after those that were added, and are in use until they are written', async () => {
  const { write, written, state } = writer()
  const isCopied: boolean[] = []
  const noted = (piece: Uint8Array) => {
    isCopied.push(piece.buffer !== CONTENT.buffer)
    return write(piece)
  }
  const line = new PieceLine(new CallingThreadHasher(WANTED))
  await line.add(CONTENT.subarray(0, 100_000), noted)
  const uses: Promise<unknown>[] = []
  for (let start = 100_000; start < CONTENT.length; start += 200_000)
    await line.lend(CONTENT.subarray(start, start + 200_000), noted, (use) => uses.push(use))
  expect(isCopied).toEqual([true, ...uses.map(() => false)])
  expect(state.most).toBeLessThanOrEqual(4)
  expect(uses).toHaveLength(15)
  expect(await line.end()).toEqual(DIGESTS)
  await Promise.all(uses)
  expect(state.now).toBe(0)
  expect(Buffer.concat(written).equals(CONTENT)).toBe(true)
})

test('a piece that was lent and cannot be written is a failure, and its use ends all the same', async () => {
  const line = new PieceLine(new CallingThreadHasher(WANTED))
  const uses: Promise<unknown>[] = []
  const fails = () => Promise.reject(new RangeError('full'))
  await line.lend(CONTENT, fails, (use) => uses.push(use))
  await expect(Promise.all(uses)).resolves.toHaveLength(1)
  await expect(line.end()).rejects.toThrow('full')
  await line.settle()
})

test('a writer that is slow is waited for, so that little is in memory', async () => {
  const released = Promise.withResolvers<true>()
  const { write, state, written } = writer(() => released.promise)
  const line = new PieceLine(new CallingThreadHasher(WANTED))
  const adding = (async () => {
    for await (const chunk of chunks(100_000)) await line.add(chunk, write)
    return line.end()
  })()
  await setTimeout(20)
  expect(state.now).toBe(3)
  released.resolve(true)
  expect(await adding).toEqual(DIGESTS)
  expect(state.most).toBe(3)
  expect(written.reduce((sum, { length }) => sum + length, 0)).toBe(CONTENT.length)
})

test.each(['writing', 'hashing'])(
  'a failure of %s is reported, and nothing uses the pieces after the line is settled',
  async (what) => {
    const { write, state } = writer(async (count) => {
      await setTimeout(10)
      if (what === 'writing' && count === 1) throw new RangeError('full')
    })
    let isEnded = false
    const hasher = new (class extends CallingThreadHasher {
      override async hash(piece: Uint8Array): Promise<void> {
        if (what === 'hashing' && piece.length < 512 * 1024) throw new RangeError('full')
        await super.hash(piece)
      }
      override end(): void {
        isEnded = true
      }
    })(WANTED) satisfies PieceHasher
    const line = new PieceLine(hasher)
    const adding = (async () => {
      for await (const chunk of chunks(100_000)) await line.add(chunk, write)
      return line.end()
    })()
    await expect(adding).rejects.toThrow('full')
    await line.settle()
    expect(isEnded).toBe(true)
    expect(state.now).toBe(what === 'writing' ? 1 : 0) // the one that failed did not count itself
  },
)

test.each([
  [undefined, 512 * 1024],
  [1, 16 * 1024],
  [100_000, 100_000],
  [2 ** 50, 512 * 1024],
])('if a length of %s bytes is announced, there is room for %i bytes at a time', (announced, bytes) => {
  expect(new PieceLine(new CallingThreadHasher(WANTED), announced).room()).toHaveLength(bytes)
})

test('bytes that are elsewhere in the memory that is there for them count as they are', async () => {
  const { write, written } = writer()
  const line = new PieceLine(new CallingThreadHasher(WANTED))
  const room = line.room()
  room.fill(1, 0, 10).fill(2, 10, 20)
  await line.add(room.subarray(10, 20), write)
  expect(await line.end()).toEqual([[createHash('sha256').update(Buffer.alloc(10, 2)).digest('hex')]])
  expect(written).toEqual([Buffer.alloc(10, 2)])
})

test('few bytes at a time are written together, and nothing after the end', async () => {
  const { write, written } = writer()
  const line = new PieceLine(new CallingThreadHasher(WANTED))
  for (let start = 0; start < 100; start += 10) await line.add(CONTENT.subarray(start, start + 10), write)
  await line.end()
  await line.settle()
  expect(written).toEqual([CONTENT.subarray(0, 100)])
})

test('bytes that were only hashed are not written if the file is given up', async () => {
  const line = new PieceLine(new CallingThreadHasher(WANTED))
  await line.add(CONTENT.subarray(0, 10), undefined)
  await expect(line.settle()).resolves.toBeUndefined()
})

test('a failure that is reported later does not end the process', async () => {
  const unhandled = vi.fn()
  process.on('unhandledRejection', unhandled)
  onTestFinished(() => void process.off('unhandledRejection', unhandled))
  const line = new PieceLine(new CallingThreadHasher(WANTED))
  await line.add(CONTENT.subarray(0, 512 * 1024), () => Promise.reject(new RangeError('full')))
  await setTimeout(5)
  expect(unhandled).not.toHaveBeenCalled()
  await expect(line.end()).rejects.toThrow('full')
})
