import { onTestFinished, expect, test, vi } from 'vitest'
import { ownParts, type OwnPart } from './part-memory.ts'
import { Landing, pieces } from './pieces.ts'
import { Watch } from './watch.ts'

const MIB = 1024 * 1024
const PART = new Uint8Array(2 * MIB + 1).fill(7)

function begin(chunks: AsyncIterable<Uint8Array>, landing?: Landing) {
  const watch = new Watch({ idle: Infinity, total: Infinity }, [])
  onTestFinished(() => watch.end())
  return pieces('file', chunks, { watch, landing })
}

async function* read(parts: OwnPart[]): AsyncGenerator<OwnPart> {
  await Promise.resolve()
  yield* parts
}

async function* wrapped(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield* chunks
}

test('what a source never had is lent, and is freed once its last use has ended', async () => {
  const free = vi.fn()
  const landing = new Landing()
  const uses: PromiseWithResolvers<undefined>[] = []
  let bytes = 0
  for await (const piece of begin(
    ownParts(() => read([{ bytes: PART, free }])),
    landing,
  )) {
    expect(landing.isLent).toBe(true)
    expect(piece.buffer).toBe(PART.buffer)
    bytes += piece.length
    const use = Promise.withResolvers<undefined>()
    landing.use = use.promise
    uses.push(use)
  }
  expect(bytes).toBe(PART.length)
  expect(uses).toHaveLength(3)
  for (const use of uses) {
    await new Promise(setImmediate)
    expect(free).not.toHaveBeenCalled()
    use.resolve(undefined)
  }
  await new Promise(setImmediate)
  expect(free).toHaveBeenCalledTimes(1)
})

test('a part is freed if its receiver gives up, but not before it stops using it', async () => {
  const free = vi.fn()
  const landing = new Landing()
  const use = Promise.withResolvers<undefined>()
  for await (const piece of begin(
    ownParts(() => read([{ bytes: PART, free }])),
    landing,
  )) {
    expect(piece).toHaveLength(MIB)
    landing.use = use.promise
    break
  }
  await new Promise(setImmediate)
  expect(free).not.toHaveBeenCalled()
  use.resolve(undefined)
  await new Promise(setImmediate)
  expect(free).toHaveBeenCalledTimes(1)
})

test.each([
  ['a source has had in its hands', true, new Landing()],
  ['is kept by its receiver', false, undefined],
])('what %s is copied', async (_, isWrapped, landing) => {
  const parts = ownParts(() => read([{ bytes: PART, free: () => {} }]))
  let bytes = 0
  for await (const piece of begin(isWrapped ? wrapped(parts) : parts, landing)) {
    expect(piece.buffer).not.toBe(PART.buffer)
    expect(landing?.isLent ?? false).toBe(false)
    bytes += piece.length
  }
  expect(bytes).toBe(PART.length)
})

test('parts that the source has begun to read are refused', async () => {
  const parts = ownParts(() => read([{ bytes: PART, free: () => {} }]))
  await parts[Symbol.asyncIterator]().next()
  await expect(begin(parts, new Landing()).next()).rejects.toMatchObject({ code: 'SOURCE_FAILED' })
})
