import { createRequire } from 'node:module'
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openVerifiedDataset } from '@modelseal/core'
import '@modelseal/hub'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { sha256 } from '../packages/core/src/testing/bundles.ts'
import { refusal } from '../packages/core/src/testing/scratch.ts'
import { TestSite } from '../packages/core/src/testing/site.ts'
import { SmallHub } from '../packages/hub/src/testing/small-hub.ts'

// Parquet packages are dependencies of the core alone.
const { resolve } = createRequire(new URL('../packages/core/package.json', import.meta.url))
const { parquetWriteBuffer } = (await import(resolve('hyparquet-writer'))) as {
  parquetWriteBuffer(options: object): ArrayBuffer
}

const README = `---
license: cc-by-4.0
language: [de]
task_categories: [text-classification]
size_categories: [1K<n<10K]
configs:
  - config_name: default
    data_files:
      - { split: train, path: data/train-* }
      - { split: test, path: data/test-* }
dataset_info:
  features:
    - { name: id, dtype: int32 }
    - { name: text, dtype: string }
  splits:
    - { name: train, num_bytes: 4096, num_examples: 6000 }
---
# Voices
`
const TRAIN = ['data/train-00000-of-00002.parquet', 'data/train-00001-of-00002.parquet'] as const
const ROWS = 3_000
const SHARD = 64 * 1024

/** Rows whose texts no codec makes smaller, in groups, so that a file is larger than what is read of its end. */
function parquet(first: number, count: number): Buffer {
  const ids = Array.from({ length: count }, (_, row) => first + row)
  const columnData = [
    { name: 'id', data: ids, type: 'INT32' },
    { name: 'text', data: ids.map(textOf), type: 'STRING' },
  ]
  return Buffer.from(parquetWriteBuffer({ columnData, rowGroupSize: 500 }))
}

function textOf(id: number): string {
  return Array.from({ length: 8 }, (_, part) => sha256(`${id} ${part}`)).join('')
}

const FILES: Readonly<Record<string, string | Buffer>> = {
  '.gitattributes': '*.parquet filter=lfs diff=lfs merge=lfs -text\n',
  'README.md': README,
  [TRAIN[0]]: parquet(0, ROWS),
  [TRAIN[1]]: parquet(ROWS, ROWS),
  'data/test-00000-of-00001.parquet': parquet(2 * ROWS, 500),
}

let site: TestSite
let policy: string
let hub: SmallHub

beforeAll(async () => {
  site = await TestSite.make()
  await site.key('team')
  policy = await site.policy({
    version: 1,
    trustRoots: { team: { publicKey: 'team.pub' } },
    rules: [{ name: 'data', match: { format: 'dataset' }, signers: [{ key: 'team' }] }],
  })
})
afterAll(() => site.remove())
beforeEach(async () => {
  for (const [name, content] of Object.entries(FILES)) await site.write(`voices/${name}`, content)
  hub = await SmallHub.start()
  vi.stubEnv('HF_ENDPOINT', hub.origin)
  vi.stubEnv('HF_TOKEN', '')
})
afterEach(async () => {
  rmSync(site.file('voices'), { recursive: true })
  vi.unstubAllEnvs()
  await hub.close()
})

async function signed(options: object): Promise<void> {
  await site.sign('voices', 'team', 'voices/model.sig', { format: 'dataset', ...options })
}

function published(): Map<string, Uint8Array> {
  const names = readdirSync(site.file('voices'), { recursive: true, encoding: 'utf8' })
  const files = names.filter((name) => statSync(site.file('voices', name)).isFile())
  return new Map(files.map((name) => [name.replaceAll('\\', '/'), readFileSync(site.file('voices', name))]))
}

const SIGNED = [
  ['in shards', { shardSize: SHARD }],
  ['as whole files', { wholeFiles: true }],
] as const

describe.each(SIGNED)('a dataset in the layout of Hugging Face, signed %s', (_, options) => {
  test.each([
    ['in a directory', () => site.file('voices')],
    ['on the hub', () => 'hf://datasets/org/voices'],
    ['on the hub, at a revision', () => 'hf://datasets/org/voices@refs/convert/parquet'],
  ])('has rows of all files of a split: %s', async (where, source) => {
    await signed(options)
    hub.commit('datasets/org/voices', published())
    const commit = hub.commit('datasets/org/voices', published(), { branch: 'refs/convert/parquet' })
    await using dataset = await openVerifiedDataset(source(), { policy })
    expect(dataset.decision).toBe('accepted')
    expect(dataset.files).toEqual(['README.md', 'data/test-00000-of-00001.parquet', ...TRAIN])
    if (where.includes('revision')) expect(dataset.verdict.model.revision).toBe(commit)
    expect(Buffer.from(await dataset.read('README.md')).toString()).toBe(README)
    const split = dataset.files.filter((name) => name.startsWith('data/train-'))
    const rows = (await Promise.all(split.map((name) => dataset.rows(name)))).flat()
    expect(rows).toEqual(Array.from({ length: 2 * ROWS }, (_, id) => ({ id, text: textOf(id) })))
  })

  test('that changed on the hub is refused', async () => {
    await signed(options)
    const files = published()
    hub.commit('datasets/org/voices', files)
    const bytes = files.get(TRAIN[1])!
    const other = Buffer.from(bytes)
    other[1_000]! ^= 1
    await using dataset = await openVerifiedDataset('hf://datasets/org/voices', { policy })
    hub.replaceStored(bytes, other)
    await expect(dataset.rows(TRAIN[1], { rowEnd: 10 })).rejects.toEqual(refusal('FILE_MISMATCH', { file: TRAIN[1] }))
    expect(await dataset.rows(TRAIN[0], { columns: ['id'], rowEnd: 2 })).toEqual([{ id: 0 }, { id: 1 }])
  })

  test('is refused if a clone has a Git LFS pointer in place of a file', async () => {
    await signed(options)
    const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${sha256(FILES[TRAIN[0]]!)}\nsize ${FILES[TRAIN[0]]!.length}\n`
    writeFileSync(join(site.file('voices'), TRAIN[0]), pointer)
    const reading = async () => {
      await using dataset = await openVerifiedDataset(site.file('voices'), { policy })
      return await dataset.rows(TRAIN[0])
    }
    await expect(reading()).rejects.toEqual(
      refusal('FILE_MISMATCH', { hint: expect.stringContaining('git lfs pull') as string }),
    )
  })
})

test('the first rows on the hub cost the index of their file, a row group, and a shard at each end', async () => {
  await signed({ shardSize: SHARD })
  hub.commit('datasets/org/voices', published())
  await using dataset = await openVerifiedDataset('hf://datasets/org/voices', { policy })
  const before = hub.sent
  expect(await dataset.rows(TRAIN[1], { rowEnd: 1 })).toEqual([{ id: ROWS, text: textOf(ROWS) }])
  const size = FILES[TRAIN[1]]!.length
  expect(size).toBeGreaterThan(1_200_000)
  // hyparquet reads 512 KiB for the index.
  expect(hub.sent - before).toBeLessThan(512 * 1024 + size / 6 + 4 * SHARD + 20_000)
  expect(hub.asked.filter((asked) => asked.includes(TRAIN[0]))).toEqual([])
})
