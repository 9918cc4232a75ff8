import { InMemoryLogRecordExporter, LoggerProvider, SimpleLogRecordProcessor } from '@opentelemetry/sdk-logs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ModelSealError } from '../errors.ts'
import { publishAdvisory, publishJournal, publishPolicyReload, publishRevoked } from '../events.ts'
import { judgeModel } from '../index.ts'
import { refusal } from '../testing/scratch.ts'
import { TestSite } from '../testing/site.ts'
import { instrumentLogs } from './logs.ts'

let site: TestSite
let policy: string
beforeAll(async () => {
  site = await TestSite.make()
  await site.key('a')
  for (const model of ['good', 'changed']) {
    await site.model(model)
    await site.sign(model, 'a')
  }
  await site.write('changed/weights.bin', 'tampered')
  policy = await site.policy({
    version: 1,
    trustRoots: { a: { publicKey: 'a.pub' } },
    rules: [{ name: 'all', match: { path: '**' }, signers: [{ key: 'a' }] }],
  })
})

afterAll(() => site.remove())

test('verdicts, revocations, policies, feeds and journals become OpenTelemetry log records until that is stopped', async () => {
  const exporter = new InMemoryLogRecordExporter()
  const loggerProvider = new LoggerProvider({ processors: [new SimpleLogRecordProcessor({ exporter })] })
  const stop = instrumentLogs({ loggerProvider })
  const verdict = await judgeModel(site.file('good'), { policy })
  await judgeModel(site.file('changed'), { policy })
  const cause = new ModelSealError('KEY_REVOKED', 'Stolen.')
  publishRevoked({ model: 'm', verdict, error: new ModelSealError('MODEL_REVOKED', 'Revoked.', { cause }) })
  publishAdvisory({ source: 'https://me:secret@feeds.example/a?token=secret', feed: 'acme', sequence: 2, digest: 'd' })
  publishPolicyReload({ path: '/p.yaml', error: new ModelSealError('POLICY_INVALID', 'Wrong.').toJSON() })
  publishJournal({ directory: '/j', lost: 3, error: new ModelSealError('JOURNAL_FAILED', 'Full.').toJSON() })
  stop()
  publishJournal({ directory: '/j', lost: 0 })

  const records = exporter.getFinishedLogRecords()
  expect(
    records.map(({ eventName, severityText, attributes }) => [eventName, severityText, attributes['modelseal.code']]),
  ).toEqual([
    ['modelseal.load', 'INFO', undefined],
    ['modelseal.load', 'ERROR', 'FILE_MISMATCH'],
    ['modelseal.revoked', 'ERROR', 'KEY_REVOKED'],
    ['modelseal.advisory', 'INFO', undefined],
    ['modelseal.policy', 'ERROR', 'POLICY_INVALID'],
    ['modelseal.journal', 'ERROR', 'JOURNAL_FAILED'],
  ])
  expect(records[0]).toMatchObject({
    severityNumber: 9,
    body: `"${site.file('good')}" was accepted`,
    attributes: {
      'modelseal.decision': 'accepted',
      'modelseal.rule': 'all',
      'modelseal.model.path': site.file('good'),
      'modelseal.model.root_digest': verdict.model.rootDigest,
      'modelseal.policy.path': policy,
      'modelseal.signers': ['a'],
    },
  })
  expect(records[3]?.attributes['modelseal.advisory.source']).toBe('https://feeds.example/a')
})

test('the global provider is used if none is given', () => {
  instrumentLogs()()
})

test('refuses a provider that is none', () => {
  expect(() => instrumentLogs({ loggerProvider: {} as never })).toThrow(refusal('INVALID_ARGUMENT'))
})
