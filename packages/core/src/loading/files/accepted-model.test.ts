import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { ModelSource } from '../../source/model-source.ts'
import { blake2b, sha256 } from '../../testing/bundles.ts'
import { memorySource } from '../../testing/memory-source.ts'
import { refusal } from '../../testing/scratch.ts'
import { TestSite } from '../../testing/site.ts'
import { digestModel, type DigestOptions } from '../../signing/digest-model.ts'
import { readPublicKey } from '../../x509/public-key.ts'
import type { Gather } from '../model-reader.ts'
import { openJudged } from '../open-judged.ts'
import { openOptions } from '../open-options.ts'
import * as unrevoked from './unrevoked-manifest.ts'

vi.mock('./unrevoked-manifest.ts', async (original) => {
  const real = await original<typeof unrevoked>()
  return { ...real, unrevokedManifest: vi.fn(real.unrevokedManifest) }
})

let site: TestSite
let rootDigest: string
const SIGNED = { 'config.json': '{}', 'weights.bin': 'weights' }

beforeAll(async () => {
  site = await TestSite.make()
  await site.key('a')
  await site.key('b')
  await site.model('model', SIGNED)
  await site.sign('model', 'a', 'model.sig', { hashType: 'blake2b' })
  rootDigest = (await digestModel(site.file('model'))).rootDigest
})
afterAll(() => site.remove())

const NONE = '0'.repeat(64)
const reading: Gather<Uint8Array> = (reader) => reader.read('weights.bin')

interface Loading {
  source?: string | ModelSource
  /** What both rules require, besides. */
  require?: object
  /** What the policy that accepts the signature revokes. */
  own?: object
}

/** One policy accepts the signature, and another, which does not, only revokes. */
async function load(
  revoked: object,
  { source = site.file('model'), require = {}, own: ownRevoked = {} }: Loading = {},
) {
  const policyOf = (key: string, rule: object, more: object = {}) =>
    site.policy({
      version: 1,
      trustRoots: { [key]: { publicKey: `${key}.pub` } },
      rules: [{ name: 'r', match: { format: 'any' }, signers: [{ key }], ...rule }],
      ...more,
    })
  const own = {
    ...openOptions({}),
    policy: await policyOf('a', { require: { files: 'loaded', ...require } }, { revoked: ownRevoked }),
  }
  const other = { by: 'other', policy: await policyOf('b', { mode: 'audit', require }, { revoked }) }
  return openJudged({ source, options: own, gather: reading }, [own, other])
}

describe('a policy that does not accept a signature with other digests than SHA-256', () => {
  test('revokes the model by its root digest in SHA-256, and no other', async () => {
    await expect(load({ rootDigests: [rootDigest] })).rejects.toEqual(refusal('MODEL_REVOKED'))
    await using model = await load({ rootDigests: [NONE] })
    expect(model.verdict.decision).toBe('accepted')
  })

  test('revokes its files as well if it revokes root digests', async () => {
    const revoked = { rootDigests: [NONE], fileDigests: [sha256('weights')] }
    await expect(load(revoked)).rejects.toEqual(refusal('FILE_REVOKED', { file: 'weights.bin' }))
  })

  test('refuses files that were others when the root digest was computed', async () => {
    await site.write('model/weights.bin', 'before!')
    const compute = vi.mocked(unrevoked.unrevokedManifest)
    const real = compute.getMockImplementation()!
    compute.mockImplementationOnce(async (...given) => {
      const manifests = await real(...given)
      await site.write('model/weights.bin', 'weights')
      return manifests
    })
    await expect(load({ rootDigests: [rootDigest] })).rejects.toEqual(
      refusal('FILE_CHANGED', {
        file: 'weights.bin',
        expected: `sha256:${sha256('before!')}`,
        found: `sha256:${sha256('weights')}`,
      }),
    )
  })

  test('revokes the model without what may be unsigned as well', async () => {
    await site.model('unsigned', { ...SIGNED, 'cache/x': 'x' })
    const source = site.file('unsigned')
    await site.sign('unsigned', 'a', 'unsigned.sig', { hashType: 'blake2b', ignorePaths: [`${source}/cache`] })
    const digests = [await digestModel(source), await digestModel(source, { ignorePaths: [`${source}/cache`] })]
    const loading = { source, require: { unsigned: ['cache'] } }
    for (const { rootDigest } of digests)
      await expect(load({ rootDigests: [rootDigest] }, loading)).rejects.toEqual(refusal('MODEL_REVOKED'))
    await using model = await load({ rootDigests: [NONE] }, loading)
    expect(model.verdict.decision).toBe('accepted')
  })
})

describe('a policy that does not accept the signature of a model elsewhere', () => {
  const none = { rootDigests: [NONE] }
  const root = (options: object) => async () => ({
    rootDigests: [(await digestModel(site.file('model'), options)).rootDigest],
  })
  const weights = { fileDigests: [sha256('weights')] }
  const weightsByBlake2b = { fileDigests: [`blake2b:${blake2b('weights')}`] }

  test.each<[string, string, DigestOptions, object]>([
    ['another model', 'accepted', {}, none],
    ['the model', 'MODEL_REVOKED', {}, root({})],
    ['the model, by the root digest that was signed', 'MODEL_REVOKED', { shardSize: 4 }, root({ shardSize: 4 })],
    ['another model in SHA-256, if shards were signed', 'MODEL_UNIDENTIFIED', { shardSize: 4 }, none],
    ['another model in SHA-256, if BLAKE2b was signed', 'MODEL_UNIDENTIFIED', { hashType: 'blake2b' }, none],
    ['another file, if shards were signed', 'accepted', { shardSize: 4 }, { fileDigests: [NONE] }],
    ['another file, if BLAKE2b was signed', 'accepted', { hashType: 'blake2b' }, { fileDigests: [NONE] }],
    ['a file, by the signed digest', 'FILE_REVOKED', {}, weights],
    ['a file, by another digest', 'FILE_REVOKED', {}, weightsByBlake2b],
    ['a file, if shards were signed', 'FILE_REVOKED', { shardSize: 4 }, weights],
    ['a file, if BLAKE2b was signed', 'FILE_REVOKED', { hashType: 'blake2b' }, weights],
  ])('revokes %s: %s', async (_, outcome, signing, given) => {
    await site.sign('model', 'a', 'remote.sig', signing)
    const content = new Map<string, Uint8Array>([['model.sig', await readFile(site.file('remote.sig'))]])
    for (const [name, text] of Object.entries(SIGNED)) content.set(name, Buffer.from(text))
    const revoked = typeof given === 'function' ? await (given as () => Promise<object>)() : given
    const loading = load(revoked, { source: memorySource('store://model', content) })
    if (outcome === 'accepted') {
      await using model = await loading
      expect(model.verdict.decision).toBe(outcome)
    } else await expect(loading).rejects.toMatchObject({ code: outcome, verdict: { by: 'other' } })
  })
})

test('a policy that accepts a signature may revoke the key of another one', async () => {
  await site.model('twice', SIGNED)
  await site.sign('twice', 'a', 'twice.a.sig')
  await site.sign('twice', 'b', 'twice.b.sig')
  const { fingerprint } = await readPublicKey(site.file('b.pub'))
  const loading = { source: site.file('twice'), own: { keys: [fingerprint] } }
  await using model = await load({}, loading)
  expect(model.verdict.decision).toBe('accepted')
})
