import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { makeEvaluation } from '../attestation/kinds/evaluation.ts'
import { keySigner } from '../signing/methods/key.ts'
import { scratch } from '../testing/scratch.ts'
import { TestSite } from '../testing/site.ts'
import { attestationsToSave } from './downloading/saved-attestations.ts'
import type { SavingReader } from './model-reader.ts'
import { openJudged } from './open-judged.ts'
import { openOptions } from './open-options.ts'
import { attestModel } from './operations/attest-model.ts'

vi.mock('./downloading/saved-attestations.ts', () => ({
  attestationsToSave: vi.fn(() => Promise.resolve(Buffer.alloc(0))),
}))

let site: TestSite
let plain: string
let requiring: string

beforeAll(async () => {
  site = await TestSite.make()
  await site.key('a')
  await site.signedModel('vad')
  const signer = await keySigner({ privateKey: site.file('a.key') })
  const predicate = makeEvaluation({
    results: [{ metric: 'accuracy', value: 0.94 }],
    evaluatedOn: '2026-01-01T00:00:00Z',
  })
  await attestModel(site.file('vad'), { signer, type: 'evaluation', predicate })
  const policy = (require: object, name: string) =>
    site.policy(
      {
        version: 1,
        trustRoots: { a: { publicKey: 'a.pub' } },
        rules: [{ name: 'all', match: { path: '**' }, signers: [{ key: 'a' }], require }],
      },
      name,
    )
  plain = await policy({}, 'plain.yaml')
  requiring = await policy({ attestations: [{ type: 'evaluation' }] }, 'requiring.yaml')
})
afterAll(() => site.remove())

test('attestations must be saved with a model if one of the policies requires any', async () => {
  const isRequired = async (...others: { by: string; policy: string }[]) => {
    const options = openOptions({ policy: plain })
    const gather = (reader: SavingReader) => reader.save!(scratch())
    const request = { source: site.file('vad'), options, gather, keepsBundles: true }
    await (await openJudged(request, [options, ...others])).close()
    return vi.mocked(attestationsToSave).mock.lastCall?.[1].isRequired
  }
  expect(await isRequired()).toBe(false)
  expect(await isRequired({ by: 'second', policy: requiring })).toBe(true)
})
