import { afterAll, beforeAll, expect, test } from 'vitest'
import { makeEvaluation } from '../../attestation/kinds/evaluation.ts'
import { keySigner } from '../../signing/methods/key.ts'
import { TestSite } from '../../testing/site.ts'
import { openVerifiedModel } from '../open-verified-model.ts'
import { attestModel } from '../operations/attest-model.ts'

let site: TestSite

beforeAll(async () => {
  site = await TestSite.make()
  await site.key('a')
  await site.signedModel('vad')
  const results = ['accuracy', 'f1'].map((metric) => ({ metric, value: 0.94 }))
  const signer = await keySigner({ privateKey: site.file('a.key') })
  const predicate = makeEvaluation({ results, evaluatedOn: '2026-01-01T00:00:00Z' })
  await attestModel(site.file('vad'), { signer, type: 'evaluation', predicate })
})
afterAll(() => site.remove())

const atLeast = (metric: string, value: number) => ({ type: 'evaluation', where: [{ metric, atLeast: value }] })

function policy(...attestations: object[]) {
  const rule = { name: 'all', match: { path: '**' }, signers: [{ key: 'a' }], require: { attestations } }
  return { version: 1, trustRoots: { a: { publicKey: 'a.pub' } }, rules: [rule] }
}

test('an attestation that satisfies several requirements is returned once', async () => {
  const both = await site.policy(policy(atLeast('accuracy', 0.9), atLeast('f1', 0.9)))
  const model = await openVerifiedModel(site.file('vad'), { policy: both })
  if (model.decision !== 'accepted') throw new Error(model.decision)
  expect(model.attestations('evaluation')).toHaveLength(1)
  expect(model.verdict.attestations?.map(({ satisfies }) => satisfies)).toEqual([['evaluation']])
  await model.close()
})
