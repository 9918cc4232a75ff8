import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { file, serve } from '../../testing/http-server.ts'
import { memorySource } from '../../testing/memory-source.ts'
import { refusal } from '../../testing/scratch.ts'
import { TestSite } from '../../testing/site.ts'
import { watchPolicy } from '../../policy/watching/watch-policy.ts'
import type { OpenDatasetOptions } from './dataset-options.ts'
import { openVerifiedDataset } from './open-verified-dataset.ts'

let site: TestSite
let policy: string
let count = 0

const SHARD = 10
const CONTENT = { 'rows.jsonl': 'abcdefghijklmnopqrstuvwxyz', 'README.md': '# data' }
const ANY = { url: '**' }

beforeAll(async () => {
  site = await TestSite.make()
  await site.key('a')
  policy = await policyOf([{ name: 'data', match: { format: 'dataset' }, signers: [{ key: 'a' }] }])
})
afterAll(() => site.remove())

function policyOf(rules: unknown[], more: object = {}): Promise<string> {
  return site.policy({ version: 1, trustRoots: { a: { publicKey: 'a.pub' } }, rules, ...more })
}

/** A signed dataset in a directory of its own. */
async function signed(options: object = { shardSize: SHARD }, content: Record<string, string> = CONTENT) {
  const name = `d${++count}`
  await site.model(name, content)
  await site.sign(name, 'a', `${name}/model.sig`, options)
  return site.file(name)
}

const opened = async (path: string, options: OpenDatasetOptions = {}) =>
  openVerifiedDataset(path, { policy, ...options })
const asText = (bytes: ArrayBuffer | Uint8Array) => Buffer.from(bytes as Uint8Array).toString()

describe.each([
  ['signed in shards', { shardSize: SHARD }, 'by signed shards of 10 bytes'],
  ['signed whole', {}, 'all of it is hashed, once'],
])('a dataset on disk, %s', (_, signing, note) => {
  test('hands out files, streams and ranges', async () => {
    await using dataset = await opened(await signed(signing))
    expect(dataset.decision).toBe('accepted')
    expect(dataset.manifest?.files.size).toBe(2)
    expect(dataset.files).toEqual(['README.md', 'rows.jsonl'])
    expect(asText(await dataset.read('README.md'))).toBe('# data')
    expect(await text(await dataset.stream('rows.jsonl'))).toBe(CONTENT['rows.jsonl'])
    const buffer = await dataset.asyncBuffer('rows.jsonl')
    expect(buffer.byteLength).toBe(26)
    const ranges: [number, number?][] = [[0], [0, 0], [3, 5], [8, 12], [9, 21], [20, 99], [-3], [-99, 2], [30], [5, 4]]
    for (const [start, end] of ranges)
      expect(asText(await buffer.slice(start, end))).toBe(CONTENT['rows.jsonl'].slice(start, end))
  })

  test('is not hashed when it is opened, and the verdict says how ranges are verified', async () => {
    await using dataset = await opened(await signed(signing))
    const { verdict } = dataset
    expect(verdict).toMatchObject({ model: { format: 'dataset' }, files: { checked: 0, signed: 2 }, bytes: 0 })
    expect(verdict.checks.find(({ check }) => check === 'files')?.reason).toContain(note)
  })

  test('is hashed first if the rule says that all files are checked', async () => {
    const path = await signed(signing)
    const all = await policyOf([
      { name: 'all', match: { path: '**' }, signers: [{ key: 'a' }], require: { files: 'all' } },
    ])
    await using dataset = await opened(path, { policy: all })
    expect(dataset.verdict.files.checked).toBe(2)
    writeFileSync(`${path}/rows.jsonl`, CONTENT['rows.jsonl'].toUpperCase())
    await expect(opened(path, { policy: all })).rejects.toEqual(refusal('FILE_MISMATCH', { file: 'rows.jsonl' }))
  })

  test('gives no name that is not signed', async () => {
    await using dataset = await opened(await signed(signing))
    const denied = refusal('FILE_NOT_SIGNED', { file: '../x' })
    await expect(dataset.read('../x')).rejects.toEqual(denied)
    await expect(dataset.stream('../x')).rejects.toEqual(denied)
    await expect(dataset.asyncBuffer('../x')).rejects.toEqual(denied)
  })

  test('is refused if a file was added or is missing', async () => {
    const path = await signed(signing)
    renameSync(`${path}/README.md`, `${path}/other.md`)
    const problems = ['FILE_MISSING', 'FILE_UNSIGNED'].map((code) => expect.objectContaining({ code }) as unknown)
    await expect(opened(path)).rejects.toEqual(refusal('FILE_MISSING', { file: 'README.md', problems }))
  })

  test('gives nothing once it is closed', async () => {
    const dataset = await opened(await signed(signing))
    const buffer = await dataset.asyncBuffer('rows.jsonl')
    const stream = await dataset.stream('rows.jsonl')
    await dataset.close()
    const closed = refusal('INVALID_ARGUMENT', { message: expect.stringContaining('it was closed') as string })
    await expect(buffer.slice(0, 1)).rejects.toEqual(closed)
    await expect(text(stream)).rejects.toEqual(closed)
    await expect(dataset.read('README.md')).rejects.toEqual(closed)
    await expect(dataset.stream('README.md')).rejects.toEqual(closed)
    await expect(dataset.asyncBuffer('README.md')).rejects.toEqual(closed)
    await dataset.close()
  })

  test.each(['a.jsonl', 'a.csv'])(
    'gives no record of %s once it is closed, also none of bytes that were read',
    async (name) => {
      const dataset = await opened(await signed(signing, { [name]: '1\n2\n3\n4\n' }))
      const records = await dataset.records(name)
      expect((await records.next()).done).toBe(false)
      await dataset.close()
      const closed = refusal('INVALID_ARGUMENT', { message: expect.stringContaining('it was closed') as string })
      await expect(records.next()).rejects.toEqual(closed)
      expect(await records.next()).toEqual({ done: true, value: undefined })
    },
  )

  test('reads a file that was changed before it was read as changed', async () => {
    const path = await signed(signing)
    await using dataset = await opened(path)
    writeFileSync(`${path}/rows.jsonl`, CONTENT['rows.jsonl'].toUpperCase())
    const reads = async () => (await dataset.asyncBuffer('rows.jsonl')).slice(0, 1)
    await expect(reads()).rejects.toEqual(refusal('FILE_MISMATCH', { file: 'rows.jsonl' }))
    writeFileSync(`${path}/rows.jsonl`, CONTENT['rows.jsonl'])
    expect(asText(await reads())).toBe('a')
  })
})

test('a range that differs is refused with its bytes, and what was expected and found', async () => {
  const path = await signed()
  await using dataset = await opened(path, { cacheBytes: 0 })
  const buffer = await dataset.asyncBuffer('rows.jsonl')
  expect(asText(await buffer.slice(8, 12))).toBe('ijkl')
  writeFileSync(`${path}/rows.jsonl`, 'abcdefghijKLMNOPQRSTuvwxyz')
  expect(asText(await buffer.slice(0, 10))).toBe('abcdefghij')
  expect(asText(await buffer.slice(20, 26))).toBe('uvwxyz')
  await expect(buffer.slice(9, 11)).rejects.toEqual(
    refusal('FILE_MISMATCH', {
      file: 'rows.jsonl',
      expected: expect.stringMatching(/^sha256:[0-9a-f]{64} from byte 10 to 20$/) as string,
      found: expect.stringMatching(/^sha256:[0-9a-f]{64}$/) as string,
    }),
  )
})

test('a file of another size than was signed is refused when the dataset is opened, or if it changes then, when it is read', async () => {
  const path = await signed()
  await using dataset = await opened(path)
  writeFileSync(`${path}/rows.jsonl`, 'abcdefghijk')
  await expect(opened(path)).rejects.toEqual(
    refusal('FILE_MISMATCH', { file: 'rows.jsonl', expected: '26 bytes', found: '11 bytes' }),
  )
  const buffer = await dataset.asyncBuffer('rows.jsonl')
  await expect(buffer.slice(10, 11)).rejects.toEqual(
    refusal('FILE_MISMATCH', { expected: '10 bytes from byte 10 to 20', found: '1 bytes' }),
  )
})

test('a file that was signed whole and changes between two ranges is refused', async () => {
  const path = await signed({})
  await using dataset = await opened(path, { cacheBytes: 0 })
  const buffer = await dataset.asyncBuffer('rows.jsonl')
  writeFileSync(`${path}/rows.jsonl`, CONTENT['rows.jsonl'].toUpperCase())
  await expect(buffer.slice(0, 1)).rejects.toEqual(
    refusal('FILE_MISMATCH', { file: 'rows.jsonl', hint: expect.stringContaining('changed after') as string }),
  )
})

test('what a reader changes in a range does not show in the next', async () => {
  await using dataset = await opened(await signed())
  const buffer = await dataset.asyncBuffer('rows.jsonl')
  new Uint8Array(await buffer.slice(0, 10)).fill(0)
  expect(asText(await buffer.slice(0, 3))).toBe('abc')
})

test('a stream hands out what is before a shard that differs, and then fails', async () => {
  const path = await signed()
  writeFileSync(`${path}/rows.jsonl`, 'abcdefghijKlmnopqrstuvwxyz')
  await using dataset = await opened(path)
  const reader = (await dataset.stream('rows.jsonl')).getReader()
  expect(asText((await reader.read()).value ?? new Uint8Array())).toBe('abcdefghij')
  await expect(reader.read()).rejects.toEqual(refusal('FILE_MISMATCH'))
})

test('a dataset that is one file can be read by ranges', async () => {
  const path = await site.write('alone.csv', 'a,b\n1,2\n')
  await site.sign('alone.csv', 'a', 'alone.csv.sig', { shardSize: 3 })
  await using dataset = await opened(path)
  expect(dataset.files).toEqual(['alone.csv'])
  expect(asText(await (await dataset.asyncBuffer('alone.csv')).slice(2, 5))).toBe('b\n1')
})

test('an empty file that was signed whole is empty', async () => {
  await using dataset = await opened(await signed({}, { 'a.csv': '', 'b.csv': 'b' }))
  const buffer = await dataset.asyncBuffer('a.csv')
  expect([buffer.byteLength, (await buffer.slice(0)).byteLength]).toEqual([0, 0])
  expect(await text(await dataset.stream('a.csv'))).toBe('')
})

describe('the policy', () => {
  test('does not match datasets by the format of a model, and a rule for all formats does', async () => {
    const path = await signed()
    const onnx = await policyOf([{ name: 'models', match: { format: 'onnx' }, signers: [{ key: 'a' }] }])
    await expect(opened(path, { policy: onnx })).rejects.toEqual(refusal('POLICY_NO_MATCH'))
    const any = await policyOf([{ name: 'any', match: { format: 'any' }, signers: [{ key: 'a' }] }])
    await (await opened(path, { policy: any })).close()
  })

  test('refuses a rule that excludes memory', async () => {
    const copy = await policyOf([
      { name: 'copy', match: { path: '**' }, signers: [{ key: 'a' }], require: { isolation: ['copy'] } },
    ])
    await expect(opened(await signed(), { policy: copy })).rejects.toEqual(
      refusal('ISOLATION_REFUSED', { expected: 'copy', found: 'memory' }),
    )
  })

  test('revokes files by digests of whole files, which are computed before a range is handed out', async () => {
    const path = await signed()
    const digest = 'sha256:71c480df93d6ae2f1efad1447c66c9525e316218cf51fc8d9ed832f2daf18b73'
    const revoking = await policyOf([{ name: 'any', match: { path: '**' }, signers: [{ key: 'a' }] }], {
      revoked: { fileDigests: [digest] },
    })
    await using dataset = await opened(path, { policy: revoking })
    await expect(dataset.asyncBuffer('rows.jsonl')).rejects.toEqual(refusal('FILE_REVOKED', { file: 'rows.jsonl' }))
    expect((await dataset.asyncBuffer('README.md')).byteLength).toBe(6)
  })

  test('revokes a dataset that is open, which then hands out nothing more', async () => {
    const path = await signed({ shardSize: SHARD }, { ...CONTENT, 'n.jsonl': '1\n2\n' })
    const rules = [{ name: 'any', match: { path: '**' }, signers: [{ key: 'a' }] }]
    const changing = await policyOf(rules)
    const watched = await watchPolicy(changing)
    await using dataset = await opened(path, { policy: watched })
    const buffer = await dataset.asyncBuffer('rows.jsonl')
    const stream = (await dataset.stream('rows.jsonl')).getReader()
    await stream.read()
    const records = await dataset.records('n.jsonl')
    expect(await records.next()).toEqual({ done: false, value: 1 })
    const told = new Promise((resolve) => dataset.revoked.addEventListener('abort', resolve))
    const name = changing.slice(site.path.length + 1)
    const roots = { a: { publicKey: 'a.pub' } }
    const { rootDigest } = dataset.verdict.model
    await site.policy(
      { version: 1, trustRoots: roots, rules, revoked: { rootDigests: [`sha256:${rootDigest}`] } },
      name,
    )
    await told
    const denied = refusal('MODEL_REVOKED')
    await expect(buffer.slice(0, 1)).rejects.toEqual(denied)
    await expect(stream.read()).rejects.toEqual(denied)
    await expect(records.next()).rejects.toEqual(denied)
    await expect(dataset.read('README.md')).rejects.toEqual(denied)
    await expect(dataset.asyncBuffer('README.md')).rejects.toEqual(denied)
  })

  test.each([
    ['skip', 'skipped'],
    ['audit', 'tolerated'],
  ])('in the mode %s lets an unsigned dataset be read', async (mode, decision) => {
    const name = `u${++count}`
    const path = await site.model(name, CONTENT)
    const signers = mode === 'audit' ? { signers: [{ key: 'a' }] } : { reason: 'x' }
    const lax = await policyOf([{ name: 'lax', match: { path: name }, mode, ...signers }])
    await using dataset = await opened(path, { policy: lax })
    expect(dataset.decision).toBe(decision)
    expect(dataset.manifest).toBeUndefined()
    expect(await text(await dataset.stream('rows.jsonl'))).toBe(CONTENT['rows.jsonl'])
    const buffer = await dataset.asyncBuffer('rows.jsonl')
    expect([buffer.byteLength, asText(await buffer.slice(8, 12))]).toEqual([26, 'ijkl'])
    writeFileSync(`${path}/rows.jsonl`, 'abc')
    await expect(buffer.slice(0, 5)).rejects.toEqual(refusal('FILE_CHANGED', { file: 'rows.jsonl' }))
  })

  test('in the mode skip lets a dataset elsewhere be read', async () => {
    const lax = await policyOf([{ name: 'lax', match: { url: 'mem://d/**' }, mode: 'skip', reason: 'x' }])
    const content = new Map(Object.entries(CONTENT).map(([name, value]) => [name, Buffer.from(value)]))
    await using dataset = await openVerifiedDataset(memorySource('mem://d/x', content), { policy: lax })
    expect(asText(await (await dataset.asyncBuffer('rows.jsonl')).slice(8, 12))).toBe('ijkl')
    expect(await text(await dataset.stream('README.md'))).toBe('# data')
  })
})

test.each([
  ['a format', { format: 'dataset' }],
  ['an isolation', { isolation: 'copy' }],
  ['a cache of less than nothing', { cacheBytes: -1 }],
  ['a cache of half a byte', { cacheBytes: 0.5 }],
])('%s is no option', async (_, options) => {
  await expect(openVerifiedDataset(site.path, options as OpenDatasetOptions)).rejects.toEqual(
    refusal('INVALID_ARGUMENT'),
  )
})

test.each([NaN, 0.5, '1', undefined, null])('a range from %s is none', async (start) => {
  await using dataset = await opened(await signed())
  const buffer = await dataset.asyncBuffer('rows.jsonl')
  await expect(buffer.slice(start as number)).rejects.toEqual(refusal('INVALID_ARGUMENT'))
})

test('a program may limit what it hashes of files that were signed whole', async () => {
  await using dataset = await opened(await signed({}), { maxBytes: 10 })
  expect((await dataset.asyncBuffer('README.md')).byteLength).toBe(6)
  await expect(dataset.asyncBuffer('rows.jsonl')).rejects.toEqual(refusal('FILE_TOO_LARGE', { file: 'rows.jsonl' }))
  await using sharded = await opened(await signed(), { maxBytes: 10 })
  expect(asText(await (await sharded.asyncBuffer('rows.jsonl')).slice(0, 2))).toBe('ab')
})

test('over HTTP, only the shards that are read are fetched', async () => {
  const path = await signed()
  const content = (name: string) => readFileSync(`${path}/${name}`)
  const ranges: (string | undefined)[] = []
  const rows = content('rows.jsonl')
  const { origin } = await serve({
    '/d/model.sig': file(content('model.sig')),
    '/d/rows.jsonl': ({ headers: { range } }, response) => {
      ranges.push(range)
      const [, start = '', end = ''] = /^bytes=(\d+)-(\d+)$/.exec(range ?? '') ?? []
      response.writeHead(206, { 'content-range': `bytes ${start}-${end}/${rows.length}` })
      response.end(rows.subarray(Number(start), Number(end) + 1))
    },
  })
  const net = await policyOf([{ name: 'net', match: ANY, signers: [{ key: 'a' }] }])
  await using dataset = await openVerifiedDataset(`${origin}/d/`, { policy: net })
  const buffer = await dataset.asyncBuffer('rows.jsonl')
  expect(ranges).toEqual([])
  expect(asText(await buffer.slice(8, 12))).toBe('ijkl')
  expect(asText(await buffer.slice(0, 20))).toBe('abcdefghijklmnopqrst')
  expect(ranges.sort()).toEqual(['bytes=0-9', 'bytes=10-19'])
})
