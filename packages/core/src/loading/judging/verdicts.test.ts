import { subscribe, tracingChannel, unsubscribe } from 'node:diagnostics_channel'
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace'
import { MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ModelSealError } from '../../errors.ts'
import { LOAD_CHANNEL, publishAdvisory, publishRevoked, VERDICT_CHANNEL, type LoadTrace } from '../../events.ts'
import { explain } from '../../policy/explain.ts'
import type { Verdict } from '../../results.ts'
import { instrumentLoads } from '../../telemetry/opentelemetry.ts'
import { judgeModel } from '../operations/judge-model.ts'
import { testPolicy } from '../operations/judge-expectations.ts'
import { registerScheme } from '../../source/schemes.ts'
import { memorySource } from '../../testing/memory-source.ts'
import { refusal } from '../../testing/scratch.ts'
import { TestSite } from '../../testing/site.ts'

let site: TestSite
let policy: string

beforeAll(async () => {
  site = await TestSite.make()
  await site.key('a')
  for (const model of ['good', 'changed', 'sandbox/try']) await site.model(model)
  await site.sign('good', 'a')
  await site.sign('changed', 'a')
  await site.write('changed/weights.bin', 'CHANGED')
  policy = await site.policy(
    {
      version: 1,
      trustRoots: { a: { publicKey: 'a.pub' } },
      rules: [
        { name: 'sandbox', match: { path: 'sandbox/**' }, mode: 'skip', reason: 'ours' },
        { name: 'all', match: { path: '**' }, signers: [{ key: 'a' }] },
      ],
    },
    'trust.yaml',
  )
})
afterAll(() => site.remove())

test('a verdict is plain data that survives JSON', async () => {
  for (const model of ['good', 'changed', 'sandbox/try']) {
    const verdict = await judgeModel(site.file(model), { policy })
    expect(JSON.parse(JSON.stringify(verdict))).toEqual(JSON.parse(JSON.stringify(structuredClone(verdict))))
  }
})

test('a verdict lists the checks in order, each with its outcome', async () => {
  const { checks } = await judgeModel(site.file('good'), { policy })
  expect(checks.map(({ check, outcome }) => `${check} ${outcome}`)).toEqual([
    'policy-age passed',
    'rule passed',
    'bundles passed',
    'signature passed',
    'revocation passed',
    'key-validity passed',
    'threshold passed',
    'isolation passed',
    'files passed',
  ])
  const refused = await judgeModel(site.file('changed'), { policy })
  expect(refused.checks.at(-1)).toMatchObject({ check: 'files', outcome: 'failed', code: 'FILE_MISMATCH' })
  expect(refused.bundles).toMatchObject([{ counted: true, signer: { method: 'key', name: 'a' } }])
})

test('is explained in sentences', async () => {
  const good = explain(await judgeModel(site.file('good'), { policy }))
  expect(good).toContain(`Accepted: "${site.file('good')}"`)
  expect(good).toContain('The rule "all" of the policy')
  expect(good).toContain('It counts.')
  const changed = explain(await judgeModel(site.file('changed'), { policy }))
  expect(changed).toMatch(/^Refused/)
  expect(changed).toContain('FAIL files: The content of "weights.bin" is not what was signed')
  expect(changed).toContain('Why: FILE_MISMATCH.')
  expect(changed.match(/ Expected sha256:/g)).toHaveLength(1)
  expect(changed).toMatch(/^\d of 2 signed files were hashed and match their signed digests, \d+ bytes, in \d+ ms\.$/m)
  const skipped = explain(await judgeModel(site.file('sandbox/try'), { policy }))
  expect(skipped).toMatch(/^Loads UNVERIFIED, since its rule skips the check/)
  expect(skipped).toContain('Its reason: "ours".')
  const withoutPolicy = explain(await judgeModel(site.file('good'), { policy: 'nowhere.yaml' }))
  expect(withoutPolicy).toContain('POLICY_NOT_FOUND')
  expect(withoutPolicy).not.toContain('Checks:')
  expect(good).toContain('Checks:')
})

test('is explained with a reason for every check, and for every bundle that does not count', async () => {
  await site.key('b')
  await site.sign('good', 'b', 'other.b.sig')
  await site.model('other', { 'weights.bin': 'other' })
  await site.sign('other', 'a')
  const strict = await site.policy({
    version: 1,
    trustRoots: { a: { publicKey: 'a.pub' }, b: { publicKey: 'b.pub' } },
    rules: [{ name: 'two', match: { path: '**' }, signers: [{ key: 'a' }, { key: 'b' }], threshold: 2 }],
  })
  const verdict = await judgeModel(site.file('other'), { policy: strict })
  expect(verdict.bundles.map(({ counted, reason }) => [counted, reason?.code])).toEqual([
    [false, 'SIGNATURE_THRESHOLD'],
    [false, 'SIGNATURE_THRESHOLD'],
  ])
  const text = explain(verdict)
  expect(text).toContain('Distinct signers of the rule that signed the model: 1. Required: 2.')
  expect(text).toMatch(/other\.b\.sig" is for a different model than .* Expected the root digest sha256:/)
  for (const model of ['good', 'changed', 'sandbox/try'])
    for (const { check, reason } of (await judgeModel(site.file(model), { policy })).checks)
      expect([check, reason]).toEqual([check, expect.stringMatching(/^[A-Z0-9].*\.$/)])
})

test('expectations beside a policy are run, and unmet ones are reported', async () => {
  await site.write(
    'trust.test.yaml',
    '- { model: good, expect: accepted, rule: all }\n- { model: changed, expect: refused, because: FILE_MISMATCH }\n- { model: sandbox/try, expect: refused }\n',
  )
  const results = await testPolicy({ policy })
  expect(results.map(({ passed, position }) => [passed, position?.line])).toEqual([
    [true, 1],
    [true, 2],
    [false, 3],
  ])
  await site.write('bad.yaml', '- { model: good, expect: fine }\n')
  await expect(testPolicy({ policy, expectations: site.file('bad.yaml') })).rejects.toMatchObject({
    code: 'POLICY_INVALID',
    line: 1,
  })
  await expect(testPolicy({ policy, expectations: site.file('none.yaml') })).rejects.toMatchObject({
    code: 'FILE_NOT_FOUND',
  })
})

test('expectations name models by URL as well', async () => {
  registerScheme('expected', (url) => memorySource(url, new Map()))
  await site.write('urls.yaml', '- { model: "expected://org/vad", expect: refused, because: POLICY_NO_MATCH }\n')
  const [result] = await testPolicy({ policy, expectations: site.file('urls.yaml') })
  expect(result).toMatchObject({ passed: true, verdict: { model: { url: 'expected://org/vad' } } })
  await site.write('urls.yaml', '- { model: "unknown://org/vad", expect: refused }\n')
  await expect(testPolicy({ policy, expectations: site.file('urls.yaml') })).rejects.toEqual(refusal('SCHEME_UNKNOWN'))
  await site.write('urls.yaml', '- { model: "expected://org/vad", url: "https://hub.example/vad", expect: refused }\n')
  await expect(testPolicy({ policy, expectations: site.file('urls.yaml') })).rejects.toEqual(refusal('POLICY_INVALID'))
})

test('every load publishes its verdict once, within a trace', async () => {
  const seen: string[] = []
  const onVerdict = (message: unknown) => seen.push(`verdict ${(message as Verdict).decision}`)
  const channel = tracingChannel<object, LoadTrace>(LOAD_CHANNEL)
  const handlers = {
    start: ({ model }: LoadTrace) => seen.push(`start ${model.slice(site.path.length + 1)}`),
    end: () => {},
    asyncStart: () => {},
    asyncEnd: ({ verdict }: LoadTrace) => seen.push(`end ${(verdict as Verdict).decision}`),
    error: ({ error }: LoadTrace) => seen.push(`error ${(error as { code: string }).code}`),
  }
  subscribe(VERDICT_CHANNEL, onVerdict)
  channel.subscribe(handlers)
  await judgeModel(site.file('good'), { policy })
  await judgeModel(site.file('changed'), { policy })
  channel.unsubscribe(handlers)
  unsubscribe(VERDICT_CHANNEL, onVerdict)
  expect(seen).toEqual([
    'start good',
    'verdict accepted',
    'end accepted',
    'start changed',
    'verdict refused',
    'error FILE_MISMATCH',
    'end refused',
  ])
})

class ManualReader extends MetricReader {
  protected onShutdown(): Promise<void> {
    return Promise.resolve()
  }
  protected onForceFlush(): Promise<void> {
    return Promise.resolve()
  }
}

test('loads become OpenTelemetry spans and metrics until that is stopped', async () => {
  const exporter = new InMemorySpanExporter()
  const reader = new ManualReader()
  const stop = instrumentLoads({
    tracerProvider: new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] }),
    meterProvider: new MeterProvider({ readers: [reader] }),
  })
  await judgeModel(site.file('good'), { policy })
  const verdict = await judgeModel(site.file('changed'), { policy })
  const cause = new ModelSealError('KEY_REVOKED', 'Stolen.')
  publishRevoked({ model: 'm', verdict, error: new ModelSealError('MODEL_REVOKED', 'Revoked.', { cause }) })
  publishAdvisory({ source: '/feed.jsonl', feed: 'acme', sequence: 2, digest: 'd'.repeat(64) })
  const failure = new ModelSealError('ADVISORY_ROLLBACK', 'Older.').toJSON()
  for (let count = 0; count < 2; count++) publishAdvisory({ source: '/feed.jsonl', error: failure })
  stop()
  publishAdvisory({ source: '/feed.jsonl', error: failure })
  await judgeModel(site.file('good'), { policy })

  const spans = exporter.getFinishedSpans()
  expect(
    spans.map(({ name, attributes }) => [name, attributes['modelseal.decision'], attributes['modelseal.code']]),
  ).toEqual([
    ['modelseal.load', 'accepted', undefined],
    ['modelseal.load', 'refused', 'FILE_MISMATCH'],
  ])
  const { resourceMetrics } = await reader.collect()
  const metrics = resourceMetrics.scopeMetrics.flatMap((scope) => scope.metrics)
  const loads = metrics.find(({ descriptor }) => descriptor.name === 'modelseal.loads')
  expect(loads?.dataPoints.map(({ value, attributes }) => [attributes['modelseal.decision'], value])).toEqual([
    ['accepted', 1],
    ['refused', 1],
  ])
  const revoked = metrics.find(({ descriptor }) => descriptor.name === 'modelseal.revoked')
  expect(revoked?.dataPoints.map(({ value, attributes }) => [attributes['modelseal.code'], value])).toEqual([
    ['KEY_REVOKED', 1],
  ])
  const ofFeeds = ['versions', 'failures'].map((name) =>
    metrics
      .find(({ descriptor }) => descriptor.name === `modelseal.advisories.${name}`)
      ?.dataPoints.map(({ value, attributes }) => [attributes, value]),
  )
  const source = { 'modelseal.advisory.source': '/feed.jsonl' }
  expect(ofFeeds).toEqual([[[source, 1]], [[{ ...source, 'modelseal.code': 'ADVISORY_ROLLBACK' }, 2]]])
})

test('a verdict reports what a rule changes: places and sizes of bundles, unsigned files', async () => {
  const rule = (further: object) => ({
    version: 1,
    trustRoots: { a: { publicKey: 'a.pub' } },
    rules: [{ name: 'all', match: { path: '**' }, signers: [{ key: 'a' }], ...further }],
  })
  const told = async (model: string, further: object) => {
    const trust = await site.policy(rule(further), 'further.yaml')
    const { checks } = await judgeModel(site.file(model), { policy: trust })
    const reasonOf = (name: string) => checks.find(({ check }) => check === name)?.reason
    return { bundles: reasonOf('bundles'), files: reasonOf('files') }
  }
  const plain = await told('good', {})
  expect(plain).toEqual({ bundles: 'The model has one bundle.', files: expect.not.stringContaining('unsigned') })

  const limited = await told('good', { require: { maxBundleBytes: 5000, unsigned: ['cache/**'] } })
  expect(limited.bundles).toBe('The model has one bundle. The rule allows bundles of at most 5000 bytes.')
  expect(limited.files).toContain('unsigned files where "require.unsigned" allows them; none of them is handed out.')
  expect((await told('good', { require: { files: 'ignore-unsigned' } })).files).toContain('may also contain unsigned')

  await site.model('inside')
  await site.sign('inside', 'a', 'inside/own.sig')
  expect((await told('inside', { bundle: 'own.sig' })).bundles).toContain(
    ' The rule looks for bundles only at "own.sig".',
  )
})

test('for a bundle of someone else, the verdict says which model it claims to sign', async () => {
  await site.key('somebody')
  for (const model of ['theirs', 'ours']) await site.model(model)
  await site.sign('theirs', 'somebody', 'ours/model.sig')
  const rules = [{ name: 'r', match: { path: 'ours' }, signers: [{ key: 'mine' }] }]
  await site.key('mine')
  const policy = await site.policy({ version: 1, trustRoots: { mine: { publicKey: 'mine.pub' } }, rules })
  const { error } = await judgeModel(site.file('ours'), { policy })
  expect(error?.code).toBe('SIGNER_NOT_TRUSTED')
  expect(error?.hint).toContain(`The bundle "${site.file('ours/model.sig')}" claims to be for the model "theirs".`)
})
