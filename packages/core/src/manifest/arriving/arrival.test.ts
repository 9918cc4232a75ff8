import { setTimeout } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { Landing } from '../../source/answers/pieces.ts'
import { ownParts } from '../../source/answers/part-memory.ts'
import { sha256 } from '../../testing/bundles.ts'
import { streamed } from '../../testing/streamed.ts'
import { ArrivalDigests } from './arrival-digests.ts'
import { hashedArrival } from './arrival.ts'

const DIGESTS = new ArrivalDigests({ hashType: 'sha256', shardSize: Infinity }, { hashTypes: [], check: () => {} })

/** A sink that takes its time. */
function slowly() {
  const written: Buffer[] = []
  const memory: ArrayBufferLike[] = []
  const write = async (piece: Uint8Array) => {
    memory.push(piece.buffer)
    await setTimeout(5)
    written.push(Buffer.from(piece))
  }
  return { sink: { write }, memory, text: () => Buffer.concat(written).toString() }
}

/** What is passed on of a file. */
const arrivalOf = (chunks: AsyncIterable<Uint8Array>, landing: Landing) => ({
  begun: undefined,
  chunks,
  landing,
  announced: undefined,
  arrived: () => {},
})

test('what arrives may be put where it is hashed and written', async () => {
  const landing = new Landing()
  const { sink, memory, text } = slowly()
  const rooms: (ArrayBufferLike | undefined)[] = []
  async function* landed() {
    for (const part of ['al', 'pha']) {
      const room = landing.room?.() ?? Buffer.alloc(5)
      rooms.push(room.buffer)
      room.set(Buffer.from(part))
      yield await Promise.resolve(room.subarray(0, part.length))
    }
  }
  expect(await hashedArrival(arrivalOf(landed(), landing), DIGESTS, sink)).toEqual([[sha256('alpha')]])
  expect([text(), memory]).toEqual(['alpha', [rooms[0]]])
  expect(memory[0]).toBe(rooms[1])
})

test('what is lent is written from where it is', async () => {
  const landing = new Landing()
  landing.isLent = true
  const { sink, memory, text } = slowly()
  const lent = Uint8Array.from(Buffer.from('alpha'))
  async function* chunks() {
    yield await Promise.resolve(lent)
  }
  expect(await hashedArrival(arrivalOf(chunks(), landing), DIGESTS, sink)).toEqual([[sha256('alpha')]])
  expect(text()).toBe('alpha')
  expect(memory[0]).toBe(lent.buffer)
})

test('what is lent is not free for something else before it was written', async () => {
  const landing = new Landing()
  landing.isLent = true
  const { sink, text } = slowly()
  async function* chunks() {
    for (const part of ['alpha', 'beta']) {
      const lent = Uint8Array.from(Buffer.from(part))
      const before = landing.use
      yield lent
      expect(landing.use).not.toBe(before)
      void landing.use.then(() => lent.fill(0))
      await setTimeout(1)
    }
  }
  expect(await hashedArrival(arrivalOf(chunks(), landing), DIGESTS, sink)).toEqual([[sha256('alphabeta')]])
  expect(text()).toBe('alphabeta')
})

test('memory that a download has lent is freed once it was hashed', async () => {
  const order: string[] = []
  const { streams } = streamed({
    read: async (_, receive) => {
      const bytes = Uint8Array.from(Buffer.from('alpha'))
      const free = () => {
        order.push('freed')
        bytes.fill(0)
      }
      async function* parts() {
        yield await Promise.resolve({ bytes, free })
      }
      await receive({ size: 5, chunks: ownParts(parts) })
    },
  })
  await streams.checkRest(['a'])
  expect(order).toEqual(['freed'])
  expect(streams.checked).toEqual({ files: 1, bytes: 5 })
})
