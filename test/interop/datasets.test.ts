import { generateKeyPairSync } from 'node:crypto'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openVerifiedDataset, type OpenedDataset } from '@modelseal/core'
import { keySigner, signModel } from '@modelseal/core/signing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { refusal } from '../../packages/core/src/testing/scratch.ts'
import { Reference } from './reference.ts'

// Datasets that Python wrote (make_datasets.py) are signed, opened verified, and read: each row and record is the one that Python
// printed.

type Records = readonly Readonly<Record<string, unknown>>[]

const data = process.env['DATASETS_OF_PYTHON'] ?? expect.fail('npm run test:interop makes the datasets')
const expected = JSON.parse(readFileSync(join(data, 'expected.json'), 'utf8')) as Record<
  string,
  Record<string, Records>
>
const work = mkdtempSync(join(tmpdir(), 'modelseal-datasets-'))
const [privateKey, publicKey] = [join(work, 'a.key'), join(work, 'a.pub')]
const policy = join(work, 'policy.yaml')
const reference = new Reference()

beforeAll(() => {
  const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  writeFileSync(privateKey, keys.privateKey.export({ type: 'pkcs8', format: 'pem' }))
  writeFileSync(publicKey, keys.publicKey.export({ type: 'spki', format: 'pem' }))
  writeFileSync(
    policy,
    'version: 1\ntrustRoots: { a: { publicKey: a.pub } }\nrules: [{ name: all, match: { format: dataset }, signers: [{ key: a }] }]\n',
  )
})
afterAll(() => {
  reference.close()
  rmSync(work, { recursive: true })
})

async function signed(name: string, options: object): Promise<string> {
  const dataset = join(work, `${name}-${Object.keys(options).join('-')}`)
  cpSync(join(data, name), dataset, { recursive: true })
  const signer = await keySigner({ privateKey })
  await signModel(dataset, { signer, signature: join(dataset, 'model.sig'), format: 'dataset', ...options })
  return dataset
}

/** Everything in a file, in values that JSON has. */
async function contentOf(dataset: OpenedDataset, name: string): Promise<unknown[]> {
  if (!name.endsWith('.parquet')) return recordsOf(dataset, name)
  return (await dataset.rows(name)).map(plain)
}

async function recordsOf(dataset: OpenedDataset, name: string): Promise<unknown[]> {
  const all: unknown[] = []
  for await (const record of await dataset.records(name)) all.push(record)
  return all
}

function plain(row: Readonly<Record<string, unknown>>): object {
  return Object.fromEntries(
    Object.entries(row).map(([name, value]) => {
      if (typeof value === 'bigint') return [name, String(value)]
      return [name, ArrayBuffer.isView(value) ? [...(value as Uint8Array)] : value]
    }),
  )
}

describe.each([
  ['in shards', { shardSize: 4096 }],
  ['as whole files', { wholeFiles: true }],
])('a dataset of Python that is signed %s', (_, options) => {
  test.each(Object.keys(expected))('has all rows and records that Python printed: %s', async (name) => {
    await using dataset = await openVerifiedDataset(await signed(name, options), { policy })
    expect(dataset.decision).toBe('accepted')
    for (const [file, records] of Object.entries(expected[name] ?? {})) {
      expect(records.length).toBeGreaterThan(3)
      expect(await contentOf(dataset, file)).toEqual(records)
    }
    rmSync(dataset.verdict.model.path, { recursive: true })
  })

  test('has single rows of a row group of DuckDB', async () => {
    await using dataset = await openVerifiedDataset(await signed('digits', options), { policy })
    const file = 'data/train-00000-of-00002.parquet'
    const rows = expected['digits']?.[file] ?? []
    for (const rowStart of [0, 2047, 2048, 3999]) {
      const read = await dataset.rows(file, { columns: ['id', 'pixels', 'name'], rowStart, rowEnd: rowStart + 1 })
      const { id, pixels, name } = rows[rowStart] ?? {}
      expect(read.map(plain)).toEqual([{ id, pixels, name }])
    }
    rmSync(dataset.verdict.model.path, { recursive: true })
  })

  test('is refused where a byte differs, and its other files are read', async () => {
    const path = await signed('digits', options)
    const file = 'data/train-00001-of-00002.parquet'
    const bytes = readFileSync(join(path, file))
    bytes[5_000] = (bytes[5_000] ?? 0) ^ 1
    writeFileSync(join(path, file), bytes)
    await using dataset = await openVerifiedDataset(path, { policy })
    await expect(dataset.rows(file)).rejects.toEqual(refusal('FILE_MISMATCH', { file }))
    const labels = await recordsOf(dataset, 'labels.csv')
    expect(labels).toEqual(expected['digits']?.['labels.csv'])
    rmSync(path, { recursive: true })
  })
})

test('the reference tool accepts the same signature of whole files', async () => {
  const model = await signed('digits', { wholeFiles: true })
  const answer = await reference.ask({ operation: 'verify', model, signature: join(model, 'model.sig'), publicKey })
  expect(answer).toEqual({ ok: true, value: null })
})
