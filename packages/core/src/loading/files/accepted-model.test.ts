import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { sha256 } from '../../testing/bundles.ts'
import { refusal } from '../../testing/scratch.ts'
import { TestSite } from '../../testing/site.ts'
import { digestModel } from '../../signing/digest-model.ts'
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

/** One policy accepts the signature, and another, which does not, only revokes. */
async function load(revoked: object) {
  const policyOf = (key: string, rule: object, more: object = {}) =>
    site.policy({
      version: 1,
      trustRoots: { [key]: { publicKey: `${key}.pub` } },
      rules: [{ name: 'r', match: { path: '**' }, signers: [{ key }], ...rule }],
      ...more,
    })
  const own = { ...openOptions({}), policy: await policyOf('a', { require: { files: 'loaded' } }) }
  const other = { by: 'other', policy: await policyOf('b', { mode: 'audit' }, { revoked }) }
  return openJudged({ source: site.file('model'), options: own, gather: reading }, [own, other])
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
})
