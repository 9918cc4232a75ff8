import { parquetWriteBuffer } from 'hyparquet-writer'
import { describe, expect, test, vi } from 'vitest'
import { refusal } from '../../testing/scratch.ts'
import type { UnverifiedModel, VerifiedModel } from '../verified-model.ts'
import type { Ranges } from './ranges.ts'
import { UnverifiedDataset, VerifiedDataset } from './verified-dataset.ts'

const CLOSED = new Error('closed')

/** A dataset over bytes in memory, in pieces of two bytes. With `closesOnRead`, it is closed while something is read. */
function datasetOf(content: string | Buffer = '1\n2\n3\n') {
  const bytes = Uint8Array.from(Buffer.from(content as string))
  const state = { isClosed: false, closesOnRead: false, pulled: 0, isLeft: false }
  const reading = <T>(value: T): T => {
    if (state.closesOnRead) state.isClosed = true
    return value
  }
  const ranges = {
    size: vi.fn(() => Promise.resolve(bytes.length)),
    read: vi.fn((_: string, start: number, end: number) => Promise.resolve(reading(bytes.slice(start, end).buffer))),
    async *pieces() {
      try {
        for (let start = 0; start < bytes.length; start += 2) {
          state.pulled++
          yield await Promise.resolve(reading(bytes.slice(start, start + 2)))
        }
      } finally {
        state.isLeft = true
      }
    },
    clear: vi.fn(),
  }
  const model = {
    decision: 'accepted',
    revoked: new AbortController().signal,
    files: ['rows.jsonl'],
    verdict: {},
    manifest: {},
    attestations: {},
    read: vi.fn(() => Promise.resolve(reading(bytes))),
    checkOpen() {
      if (state.isClosed) throw CLOSED
    },
    close: vi.fn(() => Promise.resolve()),
  }
  const dataset = new VerifiedDataset(model as unknown as VerifiedModel<unknown>, ranges)
  return { dataset, model, ranges, state, bytes }
}

async function all(items: AsyncIterable<unknown>): Promise<unknown[]> {
  const found: unknown[] = []
  for await (const item of items) found.push(item)
  return found
}

test('a dataset says what its model says', () => {
  const { dataset, model } = datasetOf()
  for (const name of ['revoked', 'files', 'verdict', 'manifest', 'attestations', 'decision'] as const)
    expect(dataset[name]).toBe(model[name])
  const tolerated = { ...model, decision: 'tolerated' } as unknown as UnverifiedModel<unknown>
  const unverified = new UnverifiedDataset(tolerated, {} as Ranges)
  expect([unverified.decision, unverified.manifest, unverified.verdict]).toEqual([
    'tolerated',
    undefined,
    model.verdict,
  ])
})

test.each([1, undefined])('a file has a name, which %j is not', async (given) => {
  const { dataset } = datasetOf()
  const name = given as unknown as string
  const reads = [
    () => dataset.stream(name),
    () => dataset.asyncBuffer(name),
    () => dataset.records(name),
    () => dataset.rows(name),
    () => dataset.members(name),
  ]
  for (const read of reads)
    await expect(read()).rejects.toEqual(
      refusal('INVALID_ARGUMENT', { message: expect.stringContaining('the name of a file') as string }),
    )
  await expect(dataset.member('a.tar', name)).rejects.toEqual(
    refusal('INVALID_ARGUMENT', { message: expect.stringContaining('the name of a member') as string }),
  )
})

describe('a stream', () => {
  test('reads nothing before it is asked for, and ends', async () => {
    const { dataset, state } = datasetOf()
    const stream = await dataset.stream('rows.jsonl')
    await new Promise(setImmediate)
    expect(state.pulled).toBe(0)
    expect(Buffer.concat((await all(stream)) as Uint8Array[]).toString()).toBe('1\n2\n3\n')
    expect(state.isLeft).toBe(true)
  })

  test('ends reading when it is cancelled', async () => {
    const { dataset, state } = datasetOf()
    const reader = (await dataset.stream('rows.jsonl')).getReader()
    await reader.read()
    await reader.cancel()
    expect(state).toMatchObject({ pulled: 1, isLeft: true })
  })

  test('fails at once if the file cannot be read', async () => {
    const { dataset, ranges } = datasetOf()
    const failure = new Error('not there')
    ranges.size.mockRejectedValue(failure)
    await expect(dataset.stream('rows.jsonl')).rejects.toBe(failure)
    await expect(dataset.records('rows.jsonl')).rejects.toBe(failure)
  })
})

describe('a dataset that is closed', () => {
  test('while something is read hands out none of it', async () => {
    const reads = {
      read: (dataset: VerifiedDataset) => dataset.read('rows.jsonl'),
      piece: async (dataset: VerifiedDataset) => (await dataset.stream('rows.jsonl')).getReader().read(),
      record: async (dataset: VerifiedDataset) => (await dataset.records('rows.jsonl')).next(),
      range: async (dataset: VerifiedDataset) => (await dataset.asyncBuffer('rows.jsonl')).slice(0, 1),
      rows: (dataset: VerifiedDataset) => dataset.rows('rows.jsonl'),
      members: (dataset: VerifiedDataset) => dataset.members('rows.jsonl'),
    }
    for (const [what, read] of Object.entries(reads)) {
      const { dataset, state } = datasetOf('\0'.repeat(1_024))
      state.closesOnRead = true
      await expect(read(dataset), what).rejects.toBe(CLOSED)
    }
  })

  test('while rows are decoded hands out none of them', async () => {
    const columnData = [{ name: 'id', data: [1, 2], type: 'INT32' as const }]
    const asItIs = (input: Uint8Array) => input
    const file = parquetWriteBuffer({ columnData, codec: 'ZSTD', compressors: { ZSTD: asItIs } })
    const { dataset, state } = datasetOf(Buffer.from(file))
    expect(await dataset.rows('a.parquet', { compressors: { ZSTD: asItIs } })).toEqual([{ id: 1 }, { id: 2 }])
    const closing = (input: Uint8Array) => {
      state.isClosed = true
      return input
    }
    await expect(dataset.rows('a.parquet', { compressors: { ZSTD: closing } })).rejects.toBe(CLOSED)
  })

  test('hands out no list that it has kept', async () => {
    const { dataset, model, state } = datasetOf('\0'.repeat(1_024))
    await dataset.members('a.tar')
    let checks = 0
    model.checkOpen = () => {
      if (state.isClosed) throw CLOSED
      // It is closed once the file was found.
      state.isClosed = ++checks === 2
    }
    await expect(dataset.members('a.tar')).rejects.toBe(CLOSED)
  })

  test('is asked for nothing more', async () => {
    const { dataset, state, ranges } = datasetOf()
    const stream = await dataset.stream('rows.jsonl')
    const records = await dataset.records('rows.jsonl')
    state.isClosed = true
    await expect(all(stream)).rejects.toBe(CLOSED)
    await expect(all(records)).rejects.toBe(CLOSED)
    expect(state.pulled).toBe(0)
    ranges.size.mockClear()
    await expect(dataset.stream('rows.jsonl')).rejects.toBe(CLOSED)
    await expect(dataset.asyncBuffer('rows.jsonl')).rejects.toBe(CLOSED)
    expect(ranges.size).not.toHaveBeenCalled()
  })

  test('between two records gives no second one', async () => {
    const { dataset, state } = datasetOf('1\n2\n3\n4\n')
    for (const read of [dataset.records('a.jsonl'), dataset.stream('a.jsonl')]) {
      state.isClosed = false
      const items = (await read)[Symbol.asyncIterator]()
      expect((await items.next()).done).toBe(false)
      state.isClosed = true
      await expect(items.next()).rejects.toBe(CLOSED)
    }
    expect(state.pulled).toBeLessThanOrEqual(2)
  })
})

test('closing closes the model, and forgets what was read', async () => {
  // An archive with nothing in it.
  const { dataset, model, ranges } = datasetOf('\0'.repeat(1_024))
  await dataset.members('a.tar')
  const reads = ranges.read.mock.calls.length
  await dataset.members('a.tar')
  expect(ranges.read).toHaveBeenCalledTimes(reads)
  await dataset.close()
  expect(model.close).toHaveBeenCalledOnce()
  expect(ranges.clear).toHaveBeenCalledOnce()
  await dataset.members('a.tar')
  expect(ranges.read).toHaveBeenCalledTimes(2 * reads)
  await dataset[Symbol.asyncDispose]()
  expect(model.close).toHaveBeenCalledTimes(2)
  const compiled: unknown = Reflect.get(dataset, Symbol.for('Symbol.asyncDispose'))
  expect(compiled).toBe(dataset[Symbol.asyncDispose])
})

test('a member that an archive does not have is refused', async () => {
  const { dataset } = datasetOf('\0'.repeat(1_024))
  await expect(dataset.member('a.tar', 'b')).rejects.toEqual(
    refusal('INVALID_ARGUMENT', {
      message: expect.stringContaining('memberName') as string,
      expected: 'the name of a member of the archive',
      found: '"b"',
    }),
  )
})

test('options are checked before a file is looked at', async () => {
  const { dataset, ranges } = datasetOf()
  await expect(dataset.rows('a.parquet', { rowStart: -1 })).rejects.toEqual(refusal('INVALID_ARGUMENT'))
  await expect(dataset.records('a.csv', { delimiter: '' })).rejects.toEqual(refusal('INVALID_ARGUMENT'))
  expect(ranges.size).not.toHaveBeenCalled()
})
