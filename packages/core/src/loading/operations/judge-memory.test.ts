import { createHash } from 'node:crypto'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import { VERDICT_CHANNEL } from '../../events.ts'
import { turnOfLoop } from '../../real-time.ts'
import type { Verdict } from '../../results.ts'
import { judgeMemory } from './judge-memory.ts'
import { TestSite } from '../../testing/site.ts'

vi.mock('../../real-time.ts', { spy: true })

let site: TestSite

beforeAll(async () => {
  site = await TestSite.make()
  await site.key('a')
})
afterAll(() => site.remove())

const bytes = new Uint8Array(20_000_000).fill(7)
const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`
const other = new Uint8Array(10)

const policy = (match: object, more: object = {}) =>
  site.policy({
    version: 1,
    rules: [{ name: 'embedded', match, mode: 'skip', reason: 'reviewed' }],
    ...more,
  })

const refused = (code: string) => expect.objectContaining({ name: 'ModelSealError', code })

test('refuses bytes that no memory rule matches, with their digest, and publishes the refusal', async () => {
  const published: unknown[] = []
  const listener = (verdict: unknown) => published.push(verdict)
  subscribe(VERDICT_CHANNEL, listener)
  await expect(judgeMemory(bytes, { policy: await policy({ path: 'models/**' }) })).rejects.toEqual(
    expect.objectContaining({ code: 'SOURCE_UNKNOWN', found: `bytes with the digest ${digest}` }),
  )
  unsubscribe(VERDICT_CHANNEL, listener)
  expect(published).toEqual([
    expect.objectContaining({ decision: 'refused', model: { path: `memory:${digest}` } }) as Verdict,
  ])
})

test('accepts bytes by their digest, and no others', async () => {
  const path = await policy({ memory: [`sha256:${'0'.repeat(64)}`, digest] })
  expect((await judgeMemory(bytes, { policy: path })).verdict).toMatchObject({
    decision: 'skipped',
    rule: 'embedded',
    reason: 'reviewed',
  })
  await expect(judgeMemory(other, { policy: path })).rejects.toEqual(refused('SOURCE_UNKNOWN'))
  await expect(judgeMemory(undefined, { policy: path })).rejects.toEqual(refused('SOURCE_UNKNOWN'))
})

test('lets other work run between each 8 MiB that it hashes', async () => {
  vi.mocked(turnOfLoop).mockClear()
  await judgeMemory(other, { policy: await policy({ memory: 'any' }) })
  expect(turnOfLoop).not.toHaveBeenCalled()
  await judgeMemory(bytes, { policy: await policy({ memory: 'any' }) })
  expect(turnOfLoop).toHaveBeenCalledTimes(2)
})

test('a policy that cannot be read before the bytes are hashed causes no unhandled rejection', async () => {
  const unhandled = vi.fn()
  process.on('unhandledRejection', unhandled)
  onTestFinished(() => void process.off('unhandledRejection', unhandled))
  await expect(judgeMemory(bytes, { policy: site.file('missing.yaml') })).rejects.toEqual(refused('POLICY_NOT_FOUND'))
  await turnOfLoop()
  expect(unhandled).not.toHaveBeenCalled()
})

test('accepts only the format that the rule names', async () => {
  const path = await policy({ memory: 'any', format: 'onnx' })
  expect((await judgeMemory(undefined, { policy: path, format: 'onnx' })).decision).toBe('skipped')
  await expect(judgeMemory(bytes, { policy: path, format: 'tfjs-graph' })).rejects.toEqual(refused('SOURCE_UNKNOWN'))
  await expect(judgeMemory(bytes, { policy: path })).rejects.toEqual(refused('SOURCE_UNKNOWN'))
})

test.each([true, false])('refuses revoked bytes, in an audit (%s) as well', async (audit) => {
  const blake = createHash('blake2b512').update(bytes).digest('hex')
  const path = await policy({ memory: 'any' }, { revoked: { fileDigests: [`blake2b:${blake}`] } })
  await expect(judgeMemory(bytes, { policy: path, audit })).rejects.toEqual(refused('FILE_REVOKED'))
  expect((await judgeMemory(other, { policy: path, audit })).decision).toBe('skipped')
})

test('refuses under a stale policy, but reports its revocations first', async () => {
  const old = { issued: '2020-01-01T00:00:00Z', maxAge: '1d' }
  const revoked = { fileDigests: [digest] }
  await expect(judgeMemory(other, { policy: await policy({ memory: 'any' }, { ...old, revoked }) })).rejects.toEqual(
    refused('POLICY_STALE'),
  )
  await expect(
    judgeMemory(bytes, { policy: await policy({ memory: 'any' }, { ...old, revoked }), audit: true }),
  ).rejects.toEqual(refused('FILE_REVOKED'))
})

test('tolerates in an audit what it would refuse', async () => {
  const { verdict } = await judgeMemory(bytes, { policy: await policy({ path: 'models/**' }), audit: true })
  expect(verdict).toMatchObject({
    decision: 'tolerated',
    wouldRefuse: { code: 'SOURCE_UNKNOWN' },
  })
})

test('does not apply memory rules to a model with a path', async () => {
  await site.model('unsigned')
  expect(
    await site.judge('unsigned', {
      version: 1,
      rules: [{ name: 'embedded', match: { memory: 'any' }, mode: 'skip', reason: 'reviewed' }],
    }),
  ).toBe('refused POLICY_NO_MATCH')
})
