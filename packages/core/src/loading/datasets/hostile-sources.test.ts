import { createHash, randomBytes } from 'node:crypto'
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { serve, type Answer } from '../../testing/http-server.ts'
import { memorySource } from '../../testing/memory-source.ts'
import { refusal } from '../../testing/scratch.ts'
import { TestSite } from '../../testing/site.ts'
import type { ModelFiles } from '../../source/model-source.ts'
import type { OpenDatasetOptions } from './dataset-options.ts'
import { openVerifiedDataset } from './open-verified-dataset.ts'

type Read = ModelFiles['read']

const SHARD = 10
const ROWS = Buffer.from('abcdefghijklmnopqrstuvwxyz')

let site: TestSite
let policy: string
const sharded = new Map<string, Uint8Array>()
const whole = new Map<string, Uint8Array>()

beforeAll(async () => {
  site = await TestSite.make()
  await site.key('a')
  policy = await site.policy({
    version: 1,
    trustRoots: { a: { publicKey: 'a.pub' } },
    rules: [
      { name: 'net', match: { url: '**' }, signers: [{ key: 'a' }] },
      { name: 'disk', match: { path: '**' }, signers: [{ key: 'a' }] },
    ],
  })
  for (const [content, name, options] of [
    [sharded, 'sharded', { shardSize: SHARD }],
    [whole, 'whole', {}],
  ] as const) {
    await site.model(name, { 'rows.csv': ROWS.toString() })
    await site.sign(name, 'a', `${name}/model.sig`, options)
    content.set('rows.csv', ROWS)
    content.set('model.sig', readFileSync(site.file(name, 'model.sig')))
  }
})
afterAll(() => site.remove())

/** A dataset whose file is read as given. */
function from(content: ReadonlyMap<string, Uint8Array>, read: Read, options: OpenDatasetOptions = {}) {
  const files = { read, list: () => [{ name: 'rows.csv' }] }
  const source = memorySource('mem://d', content, { files })
  return openVerifiedDataset(source, { policy, ...options })
}

async function firstRange(content: ReadonlyMap<string, Uint8Array>, read: Read): Promise<string> {
  await using dataset = await from(content, read)
  return Buffer.from(await (await dataset.asyncBuffer('rows.csv')).slice(12, 15)).toString()
}

const chunked = (...chunks: Uint8Array[]): Read => {
  return (_, receive) => receive({ chunks })
}
const MISMATCH = { code: 'FILE_MISMATCH', file: 'rows.csv' } as const

describe('a source that does not answer what it was asked for', () => {
  test.each<[string, Read, string, string]>([
    ['another range', chunked(ROWS.subarray(0, 10)), 'sha256:', 'sha256:'],
    ['one byte more', chunked(ROWS.subarray(10, 21)), '10 bytes from byte 10 to 20', '11 bytes or more'],
    ['the whole file', chunked(ROWS), '10 bytes from byte 10 to 20', '26 bytes or more'],
    ['one byte less', chunked(ROWS.subarray(10, 19)), '10 bytes from byte 10 to 20', '9 bytes'],
    ['nothing', chunked(), '10 bytes from byte 10 to 20', '0 bytes'],
    ['a web page', chunked(Buffer.from('<!doctype ')), 'sha256:', 'sha256:'],
  ])('is refused: %s', async (_, read, expected, found) => {
    await expect(firstRange(sharded, read)).rejects.toEqual(
      refusal(MISMATCH.code, {
        file: MISMATCH.file,
        expected: expect.stringContaining(expected) as string,
        found: expect.stringContaining(found) as string,
      }),
    )
  })

  test('is refused if it has no such file, or says that it failed', async () => {
    await expect(firstRange(sharded, async () => {})).rejects.toEqual(refusal('FILE_MISSING', { file: 'rows.csv' }))
    const failing: Read = () => Promise.reject(new Error('disk on fire'))
    await expect(firstRange(sharded, failing)).rejects.toEqual(refusal('SOURCE_FAILED'))
  })

  test('may send pieces of any size, and reuse their memory', async () => {
    const memory = Buffer.alloc(1)
    const read: Read = async ({ range }, receive) => {
      await receive({
        chunks: (async function* () {
          for (const byte of ROWS.subarray(range?.start, range?.end)) {
            memory[0] = byte
            yield memory
            await setImmediate()
          }
        })(),
      })
    }
    expect(await firstRange(sharded, read)).toBe('mno')
    expect(await firstRange(whole, read)).toBe('mno')
  })

  test('is not kept waiting for: an endless answer ends after one shard', async () => {
    let pulled = 0
    const endless: Read = (_, receive) =>
      receive({
        chunks: (function* () {
          for (;;) yield (pulled++, ROWS)
        })(),
      })
    await expect(firstRange(sharded, endless)).rejects.toEqual(refusal('FILE_MISMATCH'))
    expect(pulled).toBeLessThan(3)
  })
})

test('a source with a damaged cache is asked once more, without it', async () => {
  const asked: (boolean | undefined)[] = []
  const read: Read = ({ range, again }, receive) => {
    asked.push(again)
    const bytes = again ? ROWS : Buffer.from(ROWS.toString().toUpperCase())
    return receive({ cached: !again, chunks: [bytes.subarray(range?.start, range?.end)] })
  }
  expect(await firstRange(sharded, read)).toBe('mno')
  expect(asked).toEqual([undefined, true])
  const damaged: Read = (request, receive) => receive({ cached: true, chunks: [Buffer.alloc(request.range ? 10 : 26)] })
  await expect(firstRange(sharded, damaged)).rejects.toEqual(refusal('FILE_MISMATCH'))
})

test('an object that changes after it was hashed whole is refused', async () => {
  let reads = 0
  const read: Read = ({ range }, receive) => {
    const bytes = reads++ === 0 ? ROWS : Buffer.from(ROWS.toString().toUpperCase())
    return receive({ chunks: [bytes.subarray(range?.start, range?.end)] })
  }
  await using dataset = await from(whole, read, { cacheBytes: 0 })
  const buffer = await dataset.asyncBuffer('rows.csv')
  await expect(buffer.slice(0, 1)).rejects.toEqual(
    refusal(MISMATCH.code, {
      expected: `sha256:${createHash('sha256').update(ROWS).digest('hex')} from byte 0 to 26`,
      hint: expect.stringContaining('changed after') as string,
    }),
  )
})

test('a listing with another size than was signed is refused when the dataset is opened', async () => {
  const list = () => [{ name: 'rows.csv', size: 27 }]
  const source = memorySource('mem://d', sharded, { files: { list } })
  await expect(openVerifiedDataset(source, { policy })).rejects.toEqual(
    refusal('FILE_MISMATCH', { expected: '26 bytes', found: '27 bytes, as its source states' }),
  )
})

test('closing ends reads that are running', async () => {
  let started = () => {}
  const isStarted = new Promise<void>((resolve) => (started = resolve))
  const hanging: Read = () => (started(), new Promise(() => {}))
  const dataset = await from(sharded, hanging)
  const buffer = await dataset.asyncBuffer('rows.csv')
  const all = Promise.allSettled([buffer.slice(0, 5), buffer.slice(10), dataset.read('rows.csv')])
  await isStarted
  await dataset.close()
  for (const outcome of await all) expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'ABORTED' } })
})

describe('a web server', () => {
  const opened = async (answer: Answer) => {
    const { origin } = await serve({
      '/d/model.sig': (_, response) => void response.writeHead(200).end(sharded.get('model.sig')),
      '/d/rows.csv': answer,
    })
    return openVerifiedDataset(`${origin}/d/`, { policy })
  }
  const sent =
    (status: number, body: Uint8Array | string, headers = {}): Answer =>
    (_, response) =>
      void response.writeHead(status, headers).end(body)

  test.each<[string, Answer, object]>([
    ['another range', sent(206, ROWS.subarray(0, 10), { 'content-range': 'bytes 0-9/26' }), MISMATCH],
    ['fewer bytes', sent(206, 'klm'), { ...MISMATCH, found: '3 bytes' }],
    ['more bytes', sent(206, ROWS), { ...MISMATCH, found: '26 bytes or more' }],
    ['a page of HTML', sent(200, '<html>'), { code: 'HTTP_RESPONSE', found: 'status 200' }],
    [
      'the whole file',
      sent(200, ROWS),
      { code: 'HTTP_RESPONSE', hint: expect.stringContaining('range requests') as string },
    ],
    ['nothing', sent(404, ''), { ...MISMATCH, code: 'FILE_MISSING' }],
    ['an error', sent(500, ''), { code: 'HTTP_RESPONSE', found: 'status 500' }],
  ])('that answers %s is refused', async (_, answer, details) => {
    await using dataset = await opened(answer)
    const buffer = await dataset.asyncBuffer('rows.csv')
    await expect(buffer.slice(12, 15)).rejects.toMatchObject(details)
  })

  test('may leave out Content-Range if the bytes are the signed ones', async () => {
    await using dataset = await opened(sent(206, ROWS.subarray(10, 20)))
    expect(Buffer.from(await (await dataset.asyncBuffer('rows.csv')).slice(12, 15)).toString()).toBe('mno')
  })
})

describe('while the file is swapped', () => {
  test.each([
    ['in shards', { shardSize: 4096 }],
    ['whole', {}],
  ])('no reader of a dataset that was signed %s gets a byte that was not signed', async (name, signing) => {
    const good = randomBytes(20_000)
    const bad = randomBytes(20_000)
    const path = await site.write(`swapped-${name}/rows.bin`, good)
    await site.sign(`swapped-${name}`, 'a', `swapped-${name}.sig`, signing)
    await using dataset = await openVerifiedDataset(site.file(`swapped-${name}`), { policy, cacheBytes: 0 })
    const buffer = await dataset.asyncBuffer('rows.bin')
    let isDone = false
    const swapping = (async () => {
      for (let turn = 0; !isDone; turn++) {
        const content = turn % 2 === 0 ? bad : good
        if (turn % 3 === 0) writeFileSync(path, content)
        else {
          writeFileSync(site.file('other'), content)
          renameSync(site.file('other'), path)
        }
        await setImmediate()
      }
    })()
    const outcomes = { read: 0, refused: 0 }
    for (let turn = 0; turn < 300; turn++) {
      const start = (turn * 7_919) % 19_000
      try {
        const bytes = Buffer.from(await buffer.slice(start, start + 1_000))
        expect(bytes.equals(good.subarray(start, start + 1_000))).toBe(true)
        outcomes.read++
      } catch (error) {
        expect(error).toMatchObject({ code: 'FILE_MISMATCH' })
        outcomes.refused++
      }
    }
    isDone = true
    await swapping
    expect(outcomes.read).toBeGreaterThan(0)
    expect(outcomes.refused).toBeGreaterThan(0)
  })
})

test('memory stays bounded: of many files that were signed whole, few are hashed at the same time', async () => {
  const names = Array.from({ length: 20 }, (_, index) => `${index}.csv`)
  await site.model('many', Object.fromEntries(names.map((name) => [name, name])))
  await site.sign('many', 'a', 'many.sig')
  let live = 0
  let most = 0
  const read: Read = async ({ name }, receive) => {
    most = Math.max(most, ++live)
    await setImmediate()
    live--
    if (name === '7.csv') throw new Error('disk on fire')
    await receive({ chunks: [Buffer.from(name)] })
  }
  const files = { read, list: () => names.map((name) => ({ name })) }
  const source = memorySource('mem://d', new Map([['model.sig', readFileSync(site.file('many.sig'))]]), { files })
  await using dataset = await openVerifiedDataset(source, { policy })
  const buffers = await Promise.allSettled(names.map((name) => dataset.asyncBuffer(name)))
  const refused = buffers.flatMap((one): unknown => (one.status === 'rejected' ? [one.reason] : []))
  expect(refused).toEqual([refusal('SOURCE_FAILED')])
  expect(most).toBe(4)
})

test('memory stays bounded: many ranges of a large file at the same time keep few shards', async () => {
  const shardSize = 1024 * 1024
  const shards = 200
  const shard = Buffer.alloc(shardSize, 7)
  let live = 0
  let most = 0
  const read: Read = async ({ range }, receive) => {
    most = Math.max(most, ++live)
    await setImmediate()
    await receive({ chunks: [shard.subarray(0, (range?.end ?? 0) - (range?.start ?? 0))] })
    live--
  }
  await site.write('large/rows.csv', Buffer.alloc(shards * shardSize, 7))
  await site.sign('large', 'a', 'large.sig', { shardSize })
  const content = new Map([['model.sig', readFileSync(site.file('large.sig'))]])
  await using dataset = await from(content, read, { cacheBytes: 8 * shardSize })
  const buffer = await dataset.asyncBuffer('rows.csv')
  const before = process.memoryUsage().arrayBuffers
  let peak = 0
  await Promise.all(
    Array.from({ length: shards }, async (_, index) => {
      await buffer.slice(index * shardSize, index * shardSize + 10)
      peak = Math.max(peak, process.memoryUsage().arrayBuffers - before)
    }),
  )
  expect(most).toBeLessThanOrEqual(4)
  // The cache, what is read, and garbage that is not collected yet.
  expect(peak).toBeLessThan(150 * shardSize)
})
