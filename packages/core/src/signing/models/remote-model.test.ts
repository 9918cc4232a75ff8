import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { readBundle } from '../../bundle/read-bundle.ts'
import { statementSteps } from '../../bundle/statement.ts'
import { verifyModel } from '../../loading/operations/verify-model.ts'
import type { ModelFiles, SourceEntry } from '../../source/model-source.ts'
import { atOnce } from '../../source/turns.ts'
import { keyPair, sha256 } from '../../testing/bundles.ts'
import { memorySource } from '../../testing/memory-source.ts'
import { refusal, scratch } from '../../testing/scratch.ts'
import { digestModel } from '../digest-model.ts'
import { keySigner } from '../methods/key.ts'
import { signModel, type SignOptions } from '../sign-model.ts'

const URL = 'store://models/vad'
const pair = keyPair()
const contents = (files: Record<string, string>) =>
  new Map(Object.entries(files).map(([name, text]) => [name, Buffer.from(text)]))
const FILES = { 'a/config.json': '{}', 'weights.bin': 'weights', '.gitattributes': 'x' }

/** Signs a source into `model.sig` of a new directory. */
async function sign(source: Parameters<typeof signModel>[0], options: Partial<SignOptions> = {}) {
  const directory = scratch({
    key: pair.privateKey.export({ type: 'pkcs8', format: 'pem' }),
    pub: pair.publicKey.key.export({ type: 'spki', format: 'pem' }),
  })
  const signer = await keySigner({ privateKey: join(directory, 'key') })
  const signature = join(directory, 'model.sig')
  const signed = await signModel(source, { signer, signature, ...options })
  const { envelope } = await readBundle(signature)
  return {
    signed,
    signature,
    publicKey: join(directory, 'pub'),
    manifest: atOnce(statementSteps(envelope.payload)).manifest,
  }
}

describe('a model that is not on this machine', () => {
  test('is signed like the same files on disk', async () => {
    const session = { revision: 'abc', requested: 'main' }
    const { signed, manifest } = await sign(memorySource(URL, contents(FILES), { session }))
    const local = await digestModel(scratch(FILES))
    expect(signed).toMatchObject({
      files: 2,
      bytes: 9,
      rootDigest: local.rootDigest,
      revision: 'abc',
      requested: 'main',
    })
    expect([...manifest.files.keys()]).toEqual(['a/config.json', 'weights.bin'])
    expect(await digestModel(memorySource(URL, contents(FILES)))).toMatchObject({ rootDigest: local.rootDigest })
  })

  test('is signed as a single file, for which no listing is needed', async () => {
    const files = { isFile: true, name: 'vad.onnx', list: undefined }
    const { manifest } = await sign(memorySource(URL, contents({ 'vad.onnx': 'V' }), { files }))
    expect(manifest.resources).toEqual([{ name: 'vad.onnx', digest: sha256('V') }])
    expect(manifest.serialization.ignorePaths).toBeUndefined()
  })

  test('is signed in shards, and without what is ignored', async () => {
    const options = { shardSize: 4, ignorePaths: ['a'] }
    const { manifest } = await sign(memorySource(URL, contents({ ...FILES, empty: '' })), options)
    expect(manifest.resources).toEqual([
      { name: 'weights.bin:0:4', digest: sha256('weig') },
      { name: 'weights.bin:4:7', digest: sha256('hts') },
    ])
  })

  test('leaves the bundles in it out, and only bundles', async () => {
    const { signature } = await sign(memorySource(URL, contents(FILES)))
    const files = contents({ ...FILES, 'other.oms.sig': 'no bundle' }).set('model.sig', readFileSync(signature))
    const { manifest } = await sign(memorySource(URL, files))
    expect([...manifest.files.keys()]).toEqual(['a/config.json', 'other.oms.sig', 'weights.bin'])
    expect(manifest.serialization.ignorePaths).toContain('model.sig')
  })

  test('is not kept by the cache of its source', async () => {
    const kept: unknown[] = []
    const all = contents({ ...FILES, 'x.oms.sig': 'x' })
    const read: ModelFiles['read'] = async (request, receive) => {
      kept.push(request.kept)
      await receive({ chunks: [all.get(request.name) ?? Buffer.alloc(0)] })
    }
    await sign(memorySource(URL, all, { files: { read } }))
    expect(kept).toEqual([true, true, true, true])
  })

  test('warns about Git LFS pointers that it received', async () => {
    const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${'a'.repeat(64)}\nsize 12345\n`
    const { signed } = await sign(memorySource(URL, contents({ 'w.bin': pointer })))
    expect(signed.warnings).toMatchObject([{ code: 'GIT_LFS_POINTER', files: ['w.bin'] }])
  })

  test('is verified by its signature, and refused when it differs', async () => {
    const { signature, publicKey } = await sign(memorySource(URL, contents(FILES)))
    const verify = (files: Record<string, string>, more: object = {}) =>
      verifyModel(memorySource(URL, contents(files)), { signature, verifier: { publicKey }, ...more })
    expect(await verify(FILES)).toMatchObject({ files: { checked: 2, signed: 2 }, bytes: 9 })
    expect(await verify(FILES, { files: ['a'] })).toMatchObject({ files: { checked: 1, signed: 2 } })
    await expect(verify({ ...FILES, 'weights.bin': 'Weights' })).rejects.toEqual(refusal('FILE_MISMATCH'))
    await expect(verify({ ...FILES, more: 'x' })).rejects.toEqual(refusal('FILE_UNSIGNED'))
    await expect(verify(FILES, { maxBytes: 3 })).rejects.toEqual(refusal('FILE_TOO_LARGE'))
  })
})

describe('digests that the source states', () => {
  const list = (entries: SourceEntry[]) => ({ files: { list: () => entries } })
  const entries = [
    { name: 'weights.bin', size: 1_000, sha256: 'b'.repeat(64) },
    { name: 'config.json', size: 2 },
  ]

  test('are signed only if the caller says so, and are counted', async () => {
    const source = memorySource(URL, contents({ 'config.json': '{}', 'weights.bin': 'weights' }), list(entries))
    const { signed, manifest } = await sign(source, { trustStatedDigests: true })
    expect(signed).toMatchObject({ files: 2, bytes: 1_002, stated: { files: 1, bytes: 1_000 } })
    expect(manifest.files.get('weights.bin')?.digests).toEqual(['b'.repeat(64)])
    const { signed: read, manifest: hashed } = await sign(source)
    expect(read.stated).toBeUndefined()
    expect(hashed.files.get('weights.bin')?.digests).toEqual([sha256('weights')])
  })

  test.each([{ hashType: 'blake2b' as const }, { shardSize: 10 }])('are of no use for %o', async (how) => {
    const source = memorySource(URL, contents({}), list(entries))
    await expect(sign(source, { trustStatedDigests: true, ...how })).rejects.toEqual(refusal('INVALID_ARGUMENT'))
  })
})

test.each([
  ['SOURCE_UNLISTED', { list: undefined }],
  ['SOURCE_LISTING', { list: () => [{ name: 'a' }, { name: 'a' }] }],
  ['SOURCE_LISTING', { list: () => [{ name: '../a' }] }],
  ['FILE_MISSING', { list: () => [{ name: 'nothing' }] }],
  ['MODEL_EMPTY', { list: () => [] }],
] as const)('signing fails with %s, and writes nothing', async (code, files) => {
  await expect(sign(memorySource(URL, contents(FILES), { files }))).rejects.toEqual(refusal(code))
})

test('the bundle needs a path', async () => {
  await expect(sign(memorySource(URL, contents(FILES)), { signature: undefined })).rejects.toEqual(
    refusal('INVALID_ARGUMENT'),
  )
})
