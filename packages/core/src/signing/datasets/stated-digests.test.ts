import { truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { signModelAgain } from '../../loading/operations/sign-again.ts'
import { keyPair, sha256 } from '../../testing/bundles.ts'
import { memorySource } from '../../testing/memory-source.ts'
import { scratch } from '../../testing/scratch.ts'
import { keySigner } from '../methods/key.ts'
import { signModel, type SignOptions } from '../sign-model.ts'

const pair = keyPair()
const OTHER = 'f'.repeat(64)
const FILES = { 'train.csv': 'train', 'sub dir/test.csv': 'test', LICENSE: 'free' }
const RIGHT = { 'train.csv': sha256('train'), 'sub dir/test.csv': sha256('test') }

function croissant(stated: Readonly<Record<string, string>>): string {
  const distribution = Object.entries(stated).map(([contentUrl, digest]) => ({
    '@type': 'cr:FileObject',
    contentUrl,
    sha256: digest,
  }))
  return JSON.stringify({ '@type': 'sc:Dataset', distribution })
}

/** A dataset beside the key that signs it. */
function dataset(files: Readonly<Record<string, string>>): string {
  const under = Object.entries({ ...FILES, ...files }).map(([name, content]) => [`data/${name}`, content] as const)
  const key = pair.privateKey.export({ type: 'pkcs8', format: 'pem' })
  const pub = pair.publicKey.key.export({ type: 'spki', format: 'pem' })
  return join(scratch({ key, pub, ...Object.fromEntries(under) }), 'data')
}

async function optionsFor(path: string): Promise<SignOptions> {
  return { signer: await keySigner({ privateKey: join(path, '../key') }), signature: join(path, '../data.sig') }
}

async function warnings(files: Readonly<Record<string, string>>, options: Partial<SignOptions> = {}) {
  const path = dataset(files)
  return (await signModel(path, { ...(await optionsFor(path)), ...options })).warnings
}

const differs = (file: string, stated: string, signed: string, document = 'croissant.json') => ({
  code: 'CROISSANT_DIGEST',
  files: [file],
  message: `"${document}" states another SHA-256 than that of the signed content of "${file}". Correct "${document}", or restore what it describes, and sign again.`,
  digests: [{ file, stated, signed }],
})

const HASHED: readonly [string, Partial<SignOptions>][] = [
  ['as whole files', {}],
  ['in shards', { shardSize: 2 }],
  ['by BLAKE2b', { hashType: 'blake2b' }],
]

describe.each(HASHED)('a dataset that is signed %s', (_, options) => {
  test.each(['croissant.json', 'metadata.json'])('is compared with the digests in %s', async (name) => {
    expect(await warnings({ [name]: croissant(RIGHT) }, options)).toBeUndefined()
    const upper = { 'train.csv': sha256('train').toUpperCase() }
    expect(await warnings({ [name]: croissant(upper) }, options)).toBeUndefined()
    expect(await warnings({ [name]: croissant({ ...RIGHT, 'train.csv': OTHER }) }, options)).toEqual([
      differs('train.csv', OTHER, sha256('train'), name),
    ])
    expect(await warnings({ [name]: croissant({ 'train.csv': 'unknown' }) }, options)).toEqual([
      differs('train.csv', 'unknown', sha256('train'), name),
    ])
  })

  test('is compared when it is not on this machine', async () => {
    const path = dataset({})
    const content = { ...FILES, 'croissant.json': croissant({ ...RIGHT, 'sub%20dir/test.csv': OTHER }) }
    const files = new Map(Object.entries(content).map(([name, text]) => [name, Buffer.from(text)]))
    const source = memorySource('store://datasets/data', files)
    const signed = await signModel(source, { ...(await optionsFor(path)), ...options })
    expect(signed.warnings).toEqual([differs('sub dir/test.csv', OTHER, sha256('test'))])
  })
})

test('names all files that differ, and those that were not signed', async () => {
  const stated = { 'train.csv': OTHER, 'sub%20dir/test.csv': OTHER, 'gone.csv': OTHER, LICENSE: OTHER }
  const all = await warnings({ 'croissant.json': croissant(stated) }, { ignorePaths: ['LICENSE'] })
  expect(all).toEqual([
    expect.objectContaining({ code: 'CROISSANT_DIGEST', files: ['train.csv', 'sub dir/test.csv'] }),
    {
      code: 'CROISSANT_FILE',
      files: ['gone.csv', 'LICENSE'],
      message:
        '"croissant.json" describes "gone.csv", "LICENSE", but no such content was signed. Correct "croissant.json", or add what is missing, and sign again.',
    },
  ])
})

test('compares files of which digests are reused', async () => {
  vi.stubEnv('MODELSEAL_CACHE', scratch())
  const path = dataset({ 'croissant.json': croissant({ 'train.csv': OTHER }) })
  const options = { ...(await optionsFor(path)), shardSize: 2 }
  const again = (previous?: object) => signModelAgain(path, { ...options, previous } as SignOptions)
  const expected = [differs('train.csv', OTHER, sha256('train'))]
  expect((await again()).warnings).toEqual(expected)
  const previous = { signature: options.signature, verifier: { publicKey: join(path, '../pub') } }
  expect((await again(previous)).warnings).toEqual(expected)
  vi.unstubAllEnvs()
})

test('compares a large file in the shards of a dataset', async () => {
  const path = dataset({ 'croissant.json': croissant({ 'train.csv': OTHER, LICENSE: sha256('free') }) })
  truncateSync(join(path, 'train.csv'), 64 * 1024 * 1024 + 1)
  const content = Buffer.alloc(64 * 1024 * 1024 + 1)
  content.write('train')
  const signed = await signModel(path, { ...(await optionsFor(path)), format: 'dataset' })
  expect(signed).toMatchObject({ shardSize: 16 * 1024 * 1024 })
  expect(signed.warnings).toEqual([differs('train.csv', OTHER, sha256(content))])
})

test('says why a Croissant document was not compared', async () => {
  expect(await warnings({ 'croissant.json': '{' })).toEqual([
    {
      code: 'CROISSANT_UNREADABLE',
      files: ['croissant.json'],
      message: expect.stringMatching(
        /^The digests in "croissant\.json" were not compared with what was signed\. Cannot read the Croissant document "croissant\.json": it is truncated or not JSON/,
      ) as string,
    },
  ])
  const path = dataset({})
  writeFileSync(join(path, 'croissant.json'), Buffer.alloc(16 * 1024 * 1024 + 1))
  expect((await signModel(path, await optionsFor(path))).warnings).toMatchObject([{ code: 'CROISSANT_UNREADABLE' }])
})

test.each([
  ['metadata of another kind', { 'metadata.json': '{"train.csv":1}' }, {}],
  ['metadata that are not JSON', { 'metadata.json': 'none' }, {}],
  [
    'a document that is not signed',
    { 'croissant.json': croissant({ 'train.csv': OTHER }) },
    { ignorePaths: ['croissant.json'] },
  ],
  ['a document elsewhere', { 'sub/croissant.json': croissant({ 'train.csv': OTHER }) }, {}],
])('compares nothing with %s', async (_, files, options) => {
  expect(await warnings(files, options)).toBeUndefined()
})
