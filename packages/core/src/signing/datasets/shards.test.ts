import { closeSync, existsSync, mkdirSync, openSync, rmSync, truncateSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readBundle } from '../../bundle/read-bundle.ts'
import { statementSteps } from '../../bundle/statement.ts'
import { openVerifiedModel } from '../../loading/open-verified-model.ts'
import { verifyModel } from '../../loading/operations/verify-model.ts'
import { atOnce } from '../../source/turns.ts'
import { keyPair, sha256 } from '../../testing/bundles.ts'
import { memorySource } from '../../testing/memory-source.ts'
import { refusal, scratch } from '../../testing/scratch.ts'
import { digestModel } from '../digest-model.ts'
import { keySigner } from '../methods/key.ts'
import { signModel, type SignOptions } from '../sign-model.ts'

const MIB = 1024 * 1024
const LIMIT = 64 * MIB
const SHARD = 16 * MIB
const pair = keyPair()

/** A directory with a key pair, a policy and the dataset `data`. The large file is sparse. */
function site(size: number): { directory: string; dataset: string; large: string } {
  const directory = scratch({
    key: pair.privateKey.export({ type: 'pkcs8', format: 'pem' }),
    pub: pair.publicKey.key.export({ type: 'spki', format: 'pem' }),
    'data/README.md': 'about',
    'data/train/large.bin': 'begin',
    'policy.yaml': `version: 1
trustRoots: { release: { publicKey: ./pub } }
rules: [{ name: ours, match: { path: data }, signers: [{ key: release }] }]
`,
  })
  const dataset = join(directory, 'data')
  const large = join(dataset, 'train/large.bin')
  truncateSync(large, size)
  return { directory, dataset, large }
}

async function sign(dataset: string, options: Partial<SignOptions> = { format: 'dataset' }) {
  const signer = await keySigner({ privateKey: join(dataset, '../key') })
  const signed = await signModel(dataset, { signer, signature: join(dataset, 'model.sig'), ...options })
  const { manifest } = atOnce(statementSteps((await readBundle(signed.signature)).envelope.payload))
  return { signed, manifest }
}

/** Changes one byte, and leaves the size as it is. */
function changeAt(path: string, position: number): void {
  const fd = openSync(path, 'r+')
  writeSync(fd, 'x', position)
  closeSync(fd)
}

test('signs all files of a dataset in shards of 16 MiB if one is larger than 64 MiB', async () => {
  const { dataset } = site(LIMIT + 1)
  const { signed, manifest } = await sign(dataset)
  expect(signed).toMatchObject({ files: 2, bytes: LIMIT + 6, shardSize: SHARD, rootDigest: manifest.rootDigest })
  expect(manifest.serialization).toMatchObject({ method: 'shards', hashType: 'sha256', shardSize: SHARD })
  const zeroes = sha256(Buffer.alloc(SHARD))
  const first = Buffer.alloc(SHARD)
  first.write('begin')
  // Shards of one file are in the order of their names as text.
  expect(manifest.resources).toEqual([
    { name: 'README.md:0:5', digest: sha256('about') },
    { name: `train/large.bin:0:${SHARD}`, digest: sha256(first) },
    { name: `train/large.bin:${SHARD}:${2 * SHARD}`, digest: zeroes },
    { name: `train/large.bin:${2 * SHARD}:${3 * SHARD}`, digest: zeroes },
    { name: `train/large.bin:${3 * SHARD}:${LIMIT}`, digest: zeroes },
    { name: `train/large.bin:${LIMIT}:${LIMIT + 1}`, digest: sha256(Buffer.alloc(1)) },
  ])
  expect(manifest.files.get('train/large.bin')).toMatchObject({ size: LIMIT + 1, digests: { length: 5 } })
  const options = { format: 'dataset', ignorePaths: ['model.sig'] } as const
  expect(await digestModel(dataset, options)).toMatchObject({ rootDigest: signed.rootDigest, files: 2 })
})

test('what was signed so is accepted by verifying and by loading, and refused when a byte of a shard differs', async () => {
  const { directory, dataset, large } = site(LIMIT + 1)
  const { signed } = await sign(dataset)
  const verifier = { publicKey: join(directory, 'pub') }
  const verify = () => verifyModel(dataset, { signature: signed.signature, verifier })
  expect(await verify()).toMatchObject({ files: { checked: 2, signed: 2 }, bytes: LIMIT + 6 })
  await using model = await openVerifiedModel(dataset, { policy: join(directory, 'policy.yaml') })
  expect(model).toMatchObject({ decision: 'accepted', manifest: { rootDigest: signed.rootDigest } })
  changeAt(large, 3 * SHARD)
  await expect(verify()).rejects.toEqual(refusal('FILE_MISMATCH', { file: 'train/large.bin' }))
  await expect(openVerifiedModel(dataset, { policy: join(directory, 'policy.yaml') })).rejects.toEqual(
    refusal('FILE_MISMATCH', { file: 'train/large.bin' }),
  )
})

test.each([
  ['a dataset without a larger file', LIMIT, { format: 'dataset' }],
  ['a dataset for which whole files are wanted', LIMIT + 1, { format: 'dataset', wholeFiles: true }],
  ['a model', LIMIT + 1, {}],
] as const)('signs whole files of %s', async (_, size, options) => {
  const { signed, manifest } = await sign(site(size).dataset, options)
  expect(manifest.serialization).toMatchObject({ method: 'files' })
  expect(manifest.resources.map(({ name }) => name)).toEqual(['README.md', 'train/large.bin'])
  expect(signed).not.toHaveProperty('shardSize')
})

test('only the files that are signed count', async () => {
  const { dataset, large } = site(LIMIT + 1)
  expect((await sign(dataset, { format: 'dataset', ignorePaths: [large] })).manifest.serialization.method).toBe('files')
  rmSync(large)
  const download = join(dataset, '.cache/huggingface/download')
  mkdirSync(download, { recursive: true })
  closeSync(openSync(join(download, 'large.lock'), 'w'))
  truncateSync(join(download, 'large.lock'), LIMIT + 1)
  expect(await sign(dataset)).toMatchObject({
    signed: { files: 1, leftOut: 1 },
    manifest: { serialization: { method: 'files' } },
  })
})

test('a single large file is a dataset, too', async () => {
  const { large } = site(LIMIT + 1)
  const signer = await keySigner({ privateKey: join(large, '../../../key') })
  expect(await signModel(large, { signer, format: 'dataset' })).toMatchObject({ files: 1, shardSize: SHARD })
})

test('a given size of shards is taken, and contradicts whole files', async () => {
  const { dataset } = site(LIMIT + 1)
  expect((await sign(dataset, { format: 'dataset', shardSize: LIMIT })).signed).toMatchObject({ shardSize: LIMIT })
  rmSync(join(dataset, 'model.sig'))
  await expect(sign(dataset, { shardSize: LIMIT, wholeFiles: true })).rejects.toEqual(
    refusal('INVALID_ARGUMENT', { expected: 'false, because a shard size is given' }),
  )
  await expect(sign(dataset, { format: 'model' as 'dataset' })).rejects.toEqual(
    refusal('INVALID_ARGUMENT', { expected: '"dataset"', found: '"model"' }),
  )
  expect(existsSync(join(dataset, 'model.sig'))).toBe(false)
})

test('a dataset that is not on this machine is signed in shards if its listing has a large file, or not all sizes', async () => {
  const { dataset } = site(0)
  const content = new Map([['a.bin', Buffer.alloc(3)]])
  const signed = async (size: number | undefined, more: Partial<SignOptions> = {}) => {
    const list = () => [{ name: 'a.bin', ...(size === undefined ? {} : { size }) }]
    const source = memorySource('store://datasets/a', content, { files: { list } })
    const signer = await keySigner({ privateKey: join(dataset, '../key') })
    return signModel(source, { signer, signature: join(dataset, 'remote.sig'), format: 'dataset', ...more })
  }
  expect(await signed(3)).not.toHaveProperty('shardSize')
  expect(await signed(undefined)).toMatchObject({ shardSize: SHARD })
  expect(await signed(LIMIT + 1)).toMatchObject({ shardSize: SHARD })
  await expect(signed(LIMIT + 1, { trustStatedDigests: true })).rejects.toEqual(
    refusal('INVALID_ARGUMENT', {
      expected: 'the hash type sha256, and whole files: no shard size, and for a dataset, the option "wholeFiles"',
      found: 'sha256 in shards',
    }),
  )
})
