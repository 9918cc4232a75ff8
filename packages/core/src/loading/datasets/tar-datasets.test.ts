import { readFileSync, writeFileSync } from 'node:fs'
import { pack } from 'tar-stream'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { memorySource } from '../../testing/memory-source.ts'
import { refusal } from '../../testing/scratch.ts'
import { TestSite } from '../../testing/site.ts'
import type { ReadRequest, Receive } from '../../source/model-source.ts'
import { openVerifiedDataset } from './open-verified-dataset.ts'

const SHARD = 64 * 1024
const LARGE = Buffer.alloc(1_000_000, 'abc')
/** Where the content of each is after 512 bytes of headers. */
const CONTENT = { '1.txt': 'one', '1.bin': LARGE, '2.txt': 'two', '2.bin': LARGE }

let site: TestSite
let policy: string
let tar: Buffer
let count = 0

beforeAll(async () => {
  site = await TestSite.make()
  await site.key('a')
  policy = await site.policy({
    version: 1,
    trustRoots: { a: { publicKey: 'a.pub' } },
    rules: [
      { name: 'lax', match: { path: 'lax' }, mode: 'skip', reason: 'x' },
      { name: 'disk', match: { path: '**' }, signers: [{ key: 'a' }] },
      { name: 'net', match: { url: '**' }, signers: [{ key: 'a' }] },
    ],
  })
  const packed = pack()
  for (const [name, content] of Object.entries(CONTENT)) packed.entry({ name }, content)
  packed.finalize()
  const parts: Uint8Array[] = []
  for await (const part of packed) parts.push(part as Uint8Array)
  tar = Buffer.concat(parts)
})
afterAll(() => site.remove())

async function signed(options: object, content: Buffer = tar): Promise<string> {
  const name = `d${++count}`
  await site.model(name, { 'README.md': '# data' })
  writeFileSync(site.file(name, 'a.tar'), content)
  await site.sign(name, 'a', `${name}/model.sig`, options)
  return site.file(name)
}

const opened = (path: string) => openVerifiedDataset(path, { policy })

test.each([
  ['in shards whose borders are in headers', { shardSize: 700 }],
  ['in shards', { shardSize: SHARD }],
  ['whole', {}],
])('a tar that was signed %s has members', async (_, options) => {
  await using dataset = await opened(await signed(options))
  const members = await dataset.members('a.tar')
  expect(members.map(({ name, size }) => [name, size])).toEqual(
    Object.entries(CONTENT).map(([name, { length }]) => [name, length]),
  )
  for (const { name, size, offset } of members) {
    const content = await dataset.member('a.tar', name)
    // Comparing a megabyte by `toEqual` takes a second.
    expect(tar.compare(content, 0, size, offset, offset + size)).toBe(0)
    expect(content).toHaveLength(size)
  }
  expect(Buffer.from(await dataset.member('a.tar', '2.txt')).toString()).toBe('two')
})

test('a long name across the border of two shards is read', async () => {
  const name = `${'d'.repeat(150)}/${'n'.repeat(700)}`
  const packed = pack()
  packed.entry({ name }, 'content')
  packed.finalize()
  const parts: Uint8Array[] = []
  for await (const part of packed) parts.push(part as Uint8Array)
  await using dataset = await opened(await signed({ shardSize: 600 }, Buffer.concat(parts)))
  expect((await dataset.members('a.tar')).map((member) => member.name)).toEqual([name])
  expect(Buffer.from(await dataset.member('a.tar', name)).toString()).toBe('content')
})

test('only shards with headers are read to list members, and once', async () => {
  const path = await signed({ shardSize: SHARD })
  const read: (number | undefined)[] = []
  const content = new Map(
    ['README.md', 'a.tar', 'model.sig'].map((name) => [name, readFileSync(`${path}/${name}`)] as const),
  )
  const files = {
    list: () => [{ name: 'README.md' }, { name: 'a.tar' }],
    read: ({ name, range }: ReadRequest, receive: Receive) => {
      if (name === 'a.tar') read.push(range && range.start / SHARD)
      return receive({ chunks: [content.get(name)!.subarray(range?.start, range?.end)] })
    },
  }
  await using dataset = await openVerifiedDataset(memorySource('mem://d', content, { files }), { policy })
  await dataset.members('a.tar')
  // The headers are at 0, 1 and 2 KB, and after 1 and 2 MB.
  expect(new Set(read)).toEqual(new Set([0, 15, 16, 30]))
  expect(read).toHaveLength(4)
  await dataset.members('a.tar')
  await dataset.member('a.tar', '1.txt')
  expect(read).toHaveLength(4)
})

describe('a tar that was changed', () => {
  test('in content is listed, and that member is refused', async () => {
    const path = await signed({ shardSize: SHARD })
    await using dataset = await opened(path)
    const changed = Buffer.from(tar)
    changed.write('X', 500_000)
    writeFileSync(`${path}/a.tar`, changed)
    expect(await dataset.members('a.tar')).toHaveLength(4)
    expect(Buffer.from(await dataset.member('a.tar', '1.txt')).toString()).toBe('one')
    const start = Math.floor(500_000 / SHARD) * SHARD
    await expect(dataset.member('a.tar', '1.bin')).rejects.toEqual(
      refusal('FILE_MISMATCH', {
        file: 'a.tar',
        expected: expect.stringMatching(`^sha256:[0-9a-f]{64} from byte ${start} to ${start + SHARD}$`) as string,
        found: expect.stringMatching(/^sha256:[0-9a-f]{64}$/) as string,
      }),
    )
  })

  test('in a header is not listed, and is listed when it is as it was', async () => {
    const path = await signed({ shardSize: SHARD })
    await using dataset = await opened(path)
    const changed = Buffer.from(tar)
    changed.write('9', 0)
    writeFileSync(`${path}/a.tar`, changed)
    await expect(dataset.members('a.tar')).rejects.toEqual(refusal('FILE_MISMATCH', { file: 'a.tar' }))
    writeFileSync(`${path}/a.tar`, tar)
    expect(await dataset.members('a.tar')).toHaveLength(4)
  })
})

test('a file that is no tar is refused as it was signed', async () => {
  await using dataset = await opened(await signed({ shardSize: SHARD }, Buffer.alloc(2_000, 'x')))
  await expect(dataset.members('a.tar')).rejects.toEqual(
    refusal('DATASET_MALFORMED', { file: 'a.tar', expected: 'valid headers' }),
  )
})

test('a member or file that is not there is refused', async () => {
  await using dataset = await opened(await signed({ shardSize: SHARD }))
  await expect(dataset.member('a.tar', 'no.txt')).rejects.toEqual(
    refusal('INVALID_ARGUMENT', { expected: 'the name of a member of the archive', found: '"no.txt"' }),
  )
  await expect(dataset.member('a.tar', 1 as unknown as string)).rejects.toEqual(refusal('INVALID_ARGUMENT'))
  await expect(dataset.members('b.tar')).rejects.toEqual(refusal('FILE_NOT_SIGNED', { file: 'b.tar' }))
})

test('nothing is listed or read once the dataset is closed', async () => {
  const dataset = await opened(await signed({ shardSize: SHARD }))
  await dataset.members('a.tar')
  const listing = dataset.members('a.tar')
  await dataset.close()
  const closed = refusal('INVALID_ARGUMENT', { message: expect.stringContaining('it was closed') as string })
  await expect(listing).rejects.toEqual(closed)
  await expect(dataset.members('a.tar')).rejects.toEqual(closed)
  await expect(dataset.member('a.tar', '1.txt')).rejects.toEqual(closed)
})

test('an unverified dataset has members, too', async () => {
  await site.model('lax', { 'README.md': '# data' })
  writeFileSync(site.file('lax', 'a.tar'), tar)
  await using dataset = await opened(site.file('lax'))
  expect(dataset.decision).toBe('skipped')
  expect(Buffer.from(await dataset.member('a.tar', '1.txt')).toString()).toBe('one')
})
