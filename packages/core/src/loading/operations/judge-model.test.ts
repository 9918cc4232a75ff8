import { afterAll, beforeAll, expect, test } from 'vitest'
import { recordsOf } from '../../testing/journal-reading.ts'
import { refusal } from '../../testing/scratch.ts'
import { TestSite } from '../../testing/site.ts'
import { judgeModel, previewVerdict } from './judge-model.ts'

let site: TestSite

beforeAll(async () => {
  site = await TestSite.make()
  await site.key('a')
  await site.signedModel('vad')
  await site.model('unsigned')
})
afterAll(() => site.remove())

const policy = (more: object = {}) =>
  site.policy({
    version: 1,
    trustRoots: { a: { publicKey: 'a.pub' } },
    rules: [{ name: 'r', match: { path: '**' }, signers: [{ key: 'a' }] }],
    ...more,
  })

test.each([judgeModel, previewVerdict])('%o returns a refusal as a verdict', async (judge) => {
  const options = { policy: await policy() }
  expect(await judge(site.file('vad'), options)).toMatchObject({
    decision: 'accepted',
    rule: 'r',
    files: { checked: 2, signed: 2 },
  })
  expect(await judge(site.file('unsigned'), options)).toMatchObject({
    decision: 'refused',
    error: { code: 'BUNDLE_NOT_FOUND' },
  })
  expect(await judge(site.file('unsigned'), { ...options, audit: true })).toMatchObject({
    decision: 'tolerated',
    wouldRefuse: { code: 'BUNDLE_NOT_FOUND' },
  })
})

test.each([judgeModel, previewVerdict])('%o throws if there is nothing to judge, or it is abandoned', async (judge) => {
  const options = { policy: await policy() }
  await expect(judge(site.file('vad'), { ...options, signal: AbortSignal.abort() })).rejects.toEqual(refusal('ABORTED'))
  await expect(judge(site.file('vad'), { ...options, polcy: 'x' } as never)).rejects.toEqual(
    refusal('INVALID_ARGUMENT'),
  )
  await expect(judge('unknown://model', options)).rejects.toEqual(refusal('SCHEME_UNKNOWN'))
  await expect(judge(1 as never, options)).rejects.toEqual(refusal('INVALID_ARGUMENT'))
})

test('a journal records what is judged, and not what is only looked at', async () => {
  const options = { policy: await policy({ journal: { directory: 'journal', durability: 'each' } }) }
  await judgeModel(site.file('vad'), options)
  await judgeModel(site.file('unsigned'), options)
  for (const name of ['vad', 'unsigned']) await previewVerdict(site.file(name), options)
  const loads = recordsOf(site.file('journal')).flatMap((record) => (record.type === 'load' ? [record.decision] : []))
  expect(loads).toEqual(['accepted', 'refused'])
})

test('what is only looked at needs no journal that can be written', async () => {
  await site.write('a-file', 'not a directory')
  const options = { policy: await policy({ journal: { directory: 'a-file', required: true } }) }
  expect(await judgeModel(site.file('vad'), options)).toMatchObject({ decision: 'refused' })
  expect(await previewVerdict(site.file('vad'), options)).toMatchObject({ decision: 'accepted' })
})
