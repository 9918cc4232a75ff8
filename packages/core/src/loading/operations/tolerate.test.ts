import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import { ModelSealError, type ErrorCode } from '../../errors.ts'
import { VERDICT_CHANNEL } from '../../events.ts'
import { Segment } from '../../journal/writing/segments/segment.ts'
import type { Verdict } from '../../results.ts'
import { recordsOf } from '../../testing/journal-reading.ts'
import { refusal } from '../../testing/scratch.ts'
import { TestSite } from '../../testing/site.ts'
import { keepRevocable } from '../adapting/revocable.ts'
import { openVerifiedModel } from '../open-verified-model.ts'
import { tolerate } from './tolerate.ts'

let site: TestSite
let journals = 0

beforeAll(async () => {
  site = await TestSite.make()
  await site.key('a')
  await site.model('unsigned')
})
afterAll(() => site.remove())

const refusalWith = (code: ErrorCode) => new ModelSealError(code, 'Cannot load the model: a test.')

/** What a load of an unsigned model throws under a policy with a journal of its own. */
async function refusedLoad(journal: object = {}) {
  const directory = `journal-${++journals}`
  const policy = await site.policy({
    version: 1,
    trustRoots: { a: { publicKey: 'a.pub' } },
    rules: [{ name: 'r', match: { path: '**' }, signers: [{ key: 'a' }] }],
    journal: { directory, durability: 'each', ...journal },
  })
  const error: unknown = await openVerifiedModel(site.file('unsigned'), { policy }).catch((reason: unknown) => reason)
  if (!(error instanceof ModelSealError)) throw new Error('not refused')
  const loads = () => recordsOf(site.file(directory)).flatMap((record) => (record.type === 'load' ? [record] : []))
  const ends = () => recordsOf(site.file(directory)).flatMap((record) => (record.type === 'end' ? [record.why] : []))
  return { error, loads, ends }
}

function publishedVerdicts(): Verdict[] {
  const published: Verdict[] = []
  const hear = (verdict: unknown) => void published.push(structuredClone(verdict as Verdict))
  subscribe(VERDICT_CHANNEL, hear)
  onTestFinished(() => void unsubscribe(VERDICT_CHANNEL, hear))
  return published
}

test.each<ErrorCode>(['FILE_REVOKED', 'KEY_REVOKED', 'IDENTITY_REVOKED', 'ABORTED'])(
  'throws %s, which refuses in every mode, and publishes nothing',
  async (code) => {
    const published = publishedVerdicts()
    const error = refusalWith(code)
    await expect(tolerate(error, { path: '/models/vad' })).rejects.toBe(error)
    expect(published).toEqual([])
  },
)

test('throws whatever is no refusal', async () => {
  for (const error of [new TypeError('a fault of the program'), 'text', undefined])
    await expect(tolerate(error, { path: '/models/vad' })).rejects.toBe(error)
})

test.each([undefined, {}, { path: 1 }, '/models/vad'])('refuses a model without a path: %j', async (model) => {
  await expect(tolerate(refusalWith('FILE_MISMATCH'), model as never)).rejects.toEqual(
    refusal('INVALID_ARGUMENT', {
      expected: 'an object with its path',
      message: expect.stringContaining('the model') as string,
    }),
  )
})

test('keeps the verdict of the refusal, except that it tolerates, and leaves the refusal alone', async () => {
  const { error } = await refusedLoad()
  const before = structuredClone(error.verdict)
  const published = publishedVerdicts()
  const { verdict } = await tolerate(error, { path: '/elsewhere', by: 'an adapter' })
  expect(verdict).toMatchObject({
    decision: 'tolerated',
    by: 'an adapter',
    rule: 'r',
    model: { path: site.file('unsigned') },
    wouldRefuse: { code: 'BUNDLE_NOT_FOUND' },
  })
  expect(verdict).not.toHaveProperty('error')
  expect(published).toEqual([verdict])
  expect(error.verdict).toEqual(before)
})

test('keeps who judged the model, unless the caller says who loads it', async () => {
  const { error } = await refusedLoad()
  expect((await tolerate(error, { path: '/elsewhere' })).verdict).not.toHaveProperty('by')
  error.verdict!.by = 'the first'
  expect((await tolerate(error, { path: '/elsewhere' })).verdict.by).toBe('the first')
  expect((await tolerate(error, { path: '/elsewhere', by: 'the second' })).verdict.by).toBe('the second')
})

test('keeps what would have been refused before, if a tolerated model is tolerated again', async () => {
  const { error } = await refusedLoad()
  error.verdict!.wouldRefuse = refusalWith('SIGNER_NOT_TRUSTED').toJSON()
  expect((await tolerate(error, { path: '/elsewhere' })).verdict.wouldRefuse?.code).toBe('SIGNER_NOT_TRUSTED')
})

test('makes a verdict for an error without one, with the path and the format that the caller names', async () => {
  const { verdict } = await tolerate(refusalWith('POLICY_NOT_FOUND'), { path: site.file('unsigned'), format: 'onnx' })
  expect(verdict).toMatchObject({
    decision: 'tolerated',
    model: { path: site.file('unsigned'), format: 'onnx' },
    wouldRefuse: { code: 'POLICY_NOT_FOUND' },
    checks: [],
  })
  expect(verdict).not.toHaveProperty('error')
  expect(verdict).not.toHaveProperty('by')
})

test('has the model recorded where the refusal was, and its end', async () => {
  const { error, loads, ends } = await refusedLoad()
  const model = await tolerate(error, { path: site.file('unsigned') })
  expect(loads()).toMatchObject([
    { decision: 'refused', code: 'BUNDLE_NOT_FOUND' },
    { decision: 'tolerated', wouldRefuse: 'BUNDLE_NOT_FOUND' },
  ])
  const created = { release: () => 'released' }
  keepRevocable(model, created, { ends: ['release'], release: () => {} })
  model.close()
  expect(created.release()).toBe('released')
  await vi.waitFor(() => expect(ends()).toEqual(['released']), { timeout: 20_000 })
  ;(await tolerate(error, { path: site.file('unsigned') })).close()
  await vi.waitFor(() => expect(ends()).toEqual(['released', 'closed']), { timeout: 20_000 })
})

test('refuses the model if a journal that is required cannot record it', async () => {
  const { error, loads } = await refusedLoad({ required: true })
  const published = publishedVerdicts()
  const write = vi.spyOn(Segment.prototype, 'write')
  onTestFinished(() => write.mockRestore())
  write.mockRejectedValue(Object.assign(new Error('full'), { code: 'ENOSPC' }))
  const failure: unknown = await tolerate(error, { path: join('/', 'x') }).catch((reason: unknown) => reason)
  write.mockRestore()
  expect(failure).toMatchObject({
    code: 'JOURNAL_FAILED',
    verdict: { decision: 'refused', error: { code: 'JOURNAL_FAILED' } },
  })
  expect((failure as ModelSealError).verdict).not.toHaveProperty('wouldRefuse')
  expect(published).toEqual([(failure as ModelSealError).verdict])
  await vi.waitFor(() => expect(loads().map(({ code }) => code)).toEqual(['BUNDLE_NOT_FOUND', 'JOURNAL_FAILED']), {
    timeout: 20_000,
  })
})

test('nothing revokes a tolerated model, of which nothing is known', async () => {
  const model = await tolerate(refusalWith('POLICY_NOT_FOUND'), { path: site.file('unsigned') })
  expect(model.standing.isChangeable).toBe(false)
  expect(model.standing.isRecorded).toBe(false)
  expect(model.standing.releases).toBe(false)
})
