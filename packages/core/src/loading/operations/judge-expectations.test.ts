import { mkdir } from 'node:fs/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { refusal } from '../../testing/scratch.ts'
import { TestSite } from '../../testing/site.ts'
import { testPolicy } from './judge-expectations.ts'

let site: TestSite
let policy: string

beforeAll(async () => {
  site = await TestSite.make()
  await site.key('a')
  await site.signedModel('models/vad')
  await site.model('models/unsigned')
  const rules = [
    { name: 'audited', match: { path: 'models/unsigned/**', format: 'onnx' }, signers: [{ key: 'a' }], mode: 'audit' },
    { name: 'signed', match: { path: 'models/**' }, signers: [{ key: 'a' }] },
    { name: 'fetched', match: { url: 'https://models.example/**' }, signers: [{ key: 'a' }] },
  ]
  policy = await site.policy({ version: 1, trustRoots: { a: { publicKey: 'a.pub' } }, rules }, 'trust-policy.yaml')
})
afterAll(() => site.remove())

/** @returns whether each expectation passed */
async function outcomes(...expectations: object[]): Promise<boolean[]> {
  await site.write('trust-policy.test.yaml', stringify(expectations))
  return (await testPolicy({ policy })).map(({ passed }) => passed)
}

test('an expectation passes only with the decision that it names', async () => {
  const [vad, unsigned] = ['models/vad', 'models/unsigned']
  expect(await outcomes({ model: vad, expect: 'accepted' }, { model: unsigned, expect: 'refused' })).toEqual([
    true,
    true,
  ])
  expect(await outcomes({ model: vad, expect: 'refused' }, { model: unsigned, expect: 'accepted' })).toEqual([
    false,
    false,
  ])
  expect(await outcomes({ model: unsigned, expect: 'tolerated', format: 'onnx' })).toEqual([true])
  expect(await outcomes({ model: unsigned, expect: 'tolerated' })).toEqual([false])
})

test('an expectation with a code passes only if this is why the model is refused, or would be', async () => {
  const refused = { model: 'models/unsigned', expect: 'refused' }
  const tolerated = { model: 'models/unsigned', expect: 'tolerated', format: 'onnx' }
  for (const entry of [refused, tolerated])
    expect(
      await outcomes({ ...entry, because: 'BUNDLE_NOT_FOUND' }, { ...entry, because: 'SIGNER_NOT_TRUSTED' }),
    ).toEqual([true, false])
})

test('an expectation with a rule passes only if this rule decides', async () => {
  const accepted = { model: 'models/vad', expect: 'accepted' }
  expect(await outcomes({ ...accepted, rule: 'signed' }, { ...accepted, rule: 'audited' })).toEqual([true, false])
})

test('an expectation may say from which URL the model was fetched', async () => {
  const url = 'https://models.example/vad'
  expect(
    await outcomes(
      { model: 'elsewhere', expect: 'refused', rule: 'fetched', url },
      { model: 'elsewhere', expect: 'refused', rule: 'fetched' },
    ),
  ).toEqual([true, false])
})

test('models are found beside the expectations, not in the working directory', async () => {
  await mkdir(site.file('tests'), { recursive: true })
  const text = stringify([{ model: '../models/vad', expect: 'accepted', rule: 'signed' }])
  const expectations = await site.write('tests/expectations.yaml', text)
  expect(await testPolicy({ policy, expectations })).toMatchObject([
    {
      model: '../models/vad',
      expect: 'accepted',
      rule: 'signed',
      passed: true,
      position: { line: 1 },
      verdict: { decision: 'accepted', model: { path: site.file('models', 'vad') } },
    },
  ])
})

test('the URL of a model is no path beside the expectations', async () => {
  await site.write('trust-policy.test.yaml', stringify([{ model: 'unknown://host/model', expect: 'refused' }]))
  await expect(testPolicy({ policy })).rejects.toEqual(refusal('SCHEME_UNKNOWN'))
})

test('refuses expectations that are not there, and options that it does not know', async () => {
  const missing = site.file('missing.yaml')
  await expect(testPolicy({ policy, expectations: missing })).rejects.toEqual(
    refusal('FILE_NOT_FOUND', { file: missing }),
  )
  await expect(testPolicy({ polcy: policy } as never)).rejects.toEqual(
    refusal('INVALID_ARGUMENT', { message: expect.stringContaining('for testPolicy') as string }),
  )
})

test('can be abandoned', async () => {
  await site.write('trust-policy.test.yaml', stringify([{ model: 'models/vad', expect: 'accepted' }]))
  await expect(testPolicy({ policy, signal: AbortSignal.abort() })).rejects.toEqual(refusal('ABORTED'))
})
