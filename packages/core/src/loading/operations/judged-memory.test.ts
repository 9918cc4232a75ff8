import { createHash } from 'node:crypto'
import { subscribe, tracingChannel, unsubscribe } from 'node:diagnostics_channel'
import { writeFile } from 'node:fs/promises'
import { setTimeout } from 'node:timers/promises'
import { stringify } from 'yaml'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { LOAD_CHANNEL, VERDICT_CHANNEL, type LoadTrace } from '../../events.ts'
import { watchPolicy } from '../../policy/watching/watch-policy.ts'
import type { Verdict } from '../../results.ts'
import { recordsOf } from '../../testing/journal-reading.ts'
import { refusal } from '../../testing/scratch.ts'
import { TestSite } from '../../testing/site.ts'
import { keepRevocable } from '../adapting/revocable.ts'
import { judgeMemory } from './judge-memory.ts'

let site: TestSite
beforeAll(async () => {
  site = await TestSite.make()
})
afterAll(() => site.remove())

const bytes = Buffer.from('the weights')
const hex = (hashType: string) => createHash(hashType).update(bytes).digest('hex')
const digest = `sha256:${hex('sha256')}`
const content = (match: object, more: object = {}) => ({
  version: 1,
  rules: [{ name: 'embedded', match, mode: 'skip', reason: 'reviewed' }],
  ...more,
})
const policy = (match: object, more: object = {}) => site.policy(content(match, more))

test('the verdict says what was judged by which rule, and with which steps', async () => {
  const before = Date.now()
  const { verdict } = await judgeMemory(bytes, { policy: await policy({ memory: [digest] }), format: 'onnx' })
  expect(verdict).toMatchObject({
    decision: 'skipped',
    rule: 'embedded',
    mode: 'skip',
    reason: 'reviewed',
    model: { path: `memory:${digest}`, format: 'onnx' },
    checks: [
      { check: 'policy-age', outcome: 'passed' },
      { check: 'rule', outcome: 'passed', reason: 'The rule "embedded" accepts it from memory.' },
      { check: 'revocation', outcome: 'passed', reason: 'Its digest is not revoked.' },
    ],
  })
  expect(verdict.error).toBeUndefined()
  expect(Date.parse(verdict.at)).toBeGreaterThanOrEqual(before)
  expect(verdict.durations.policy).toBeGreaterThan(0)
})

test('bytes can be a buffer in any form, and nothing else', async () => {
  const options = { policy: await policy({ memory: [digest] }) }
  const copy = new Uint8Array(bytes)
  for (const given of [bytes, copy, copy.buffer]) expect((await judgeMemory(given, options)).decision).toBe('skipped')
  await expect(judgeMemory('text' as never, options)).rejects.toEqual(
    refusal('INVALID_ARGUMENT', { message: expect.stringContaining('the bytes of the model') as string }),
  )
})

test('an object without bytes is judged without a digest, by which nothing could be revoked', async () => {
  const revoked = { fileDigests: [`sha256:${createHash('sha256').update('').digest('hex')}`] }
  const { verdict } = await judgeMemory(undefined, { policy: await policy({ memory: 'any' }, { revoked }) })
  expect(verdict.model.path).toBe('memory:')
  expect(verdict.checks.map(({ check }) => check)).not.toContain('revocation')
  await expect(judgeMemory(new Uint8Array(), { policy: await policy({ memory: 'any' }, { revoked }) })).rejects.toEqual(
    refusal('FILE_REVOKED'),
  )
})

test.each(['sha256', 'blake2b'])('a revocation by %s refuses, also if no rule matches', async (hashType) => {
  const found = hashType === 'blake2b' ? hex('blake2b512') : hex('sha256')
  const revoked = { fileDigests: [`${hashType}:${found}`] }
  for (const match of [{ memory: 'any' }, { path: 'models/**' }])
    for (const audit of [true, false])
      await expect(judgeMemory(bytes, { policy: await policy(match, { revoked }), audit })).rejects.toEqual(
        refusal('FILE_REVOKED', { verdict: expect.objectContaining({ decision: 'refused' }) as unknown }),
      )
})

test('an audit tolerates what a policy would refuse, and no fault of the call', async () => {
  const tolerated = await judgeMemory(bytes, { policy: await policy({ path: 'models/**' }), audit: true })
  expect(tolerated.decision).toBe('tolerated')
  expect(tolerated.verdict).not.toHaveProperty('error')
  const missing = { policy: site.file('missing.yaml') }
  expect((await judgeMemory(bytes, { ...missing, audit: true })).verdict.wouldRefuse?.code).toBe('POLICY_NOT_FOUND')
  await expect(judgeMemory(bytes, missing)).rejects.toEqual(refusal('POLICY_NOT_FOUND'))
  await expect(judgeMemory(bytes, { polcy: 'x', audit: true } as never)).rejects.toEqual(refusal('INVALID_ARGUMENT'))
})

test('the policy is found from the working directory at the time of the call', async () => {
  await site.policy(content({ memory: [digest] }), 'here/trust-policy.yaml')
  const before = process.cwd()
  onTestFinished(() => process.chdir(before))
  process.chdir(site.file('here'))
  const judged = judgeMemory(bytes, { policy: 'trust-policy.yaml' })
  process.chdir(before)
  expect((await judged).decision).toBe('skipped')
})

test('each verdict is published once, and traced', async () => {
  const published: Verdict[] = []
  const hear = (verdict: unknown) => void published.push(structuredClone(verdict as Verdict))
  subscribe(VERDICT_CHANNEL, hear)
  const traced: string[] = []
  const see = (event: string) => (message: unknown) => {
    const { model, verdict } = message as LoadTrace
    traced.push(`${event} ${model} ${verdict?.decision ?? 'no verdict'}`)
  }
  const listeners = { start: see('start'), asyncEnd: see('end'), end: () => {}, asyncStart: () => {}, error: () => {} }
  tracingChannel(LOAD_CHANNEL).subscribe(listeners)
  onTestFinished(() => {
    unsubscribe(VERDICT_CHANNEL, hear)
    tracingChannel(LOAD_CHANNEL).unsubscribe(listeners)
  })
  const { verdict } = await judgeMemory(bytes, { policy: await policy({ memory: 'any' }) })
  await judgeMemory(bytes, { policy: await policy({ path: 'x' }) }).catch(() => {})
  expect(published).toMatchObject([verdict, { decision: 'refused', error: { code: 'SOURCE_UNKNOWN' } }])
  expect(traced).toEqual([
    'start memory: no verdict',
    'end memory: skipped',
    'start memory: no verdict',
    'end memory: refused',
  ])
})

test('a journal records the model, and its end', async () => {
  const journal = { directory: 'journal', durability: 'each' }
  const model = await judgeMemory(bytes, { policy: await policy({ memory: 'any' }, { journal }) })
  expect(model.standing.isRecorded).toBe(true)
  model.close()
  const types = () => recordsOf(site.file('journal')).map(({ type }) => type)
  await vi.waitFor(() => expect(types().slice(-2)).toEqual(['load', 'end']), { timeout: 15_000 })
  expect((await judgeMemory(bytes, { policy: await policy({ memory: 'any' }) })).standing.isRecorded).toBe(false)
})

describe('a model in memory that a watched policy allows', () => {
  async function watched(onRevoked?: 'release') {
    const path = await policy({ memory: 'any' })
    const watching = await watchPolicy(path)
    const revoke = async (more: object) => {
      await writeFile(path, stringify(content({ memory: 'any' }, more)))
      await watching.current()
    }
    return { watching, revoke, model: await judgeMemory(bytes, { policy: watching, onRevoked }) }
  }
  const revoked = { revoked: { fileDigests: [digest] } }
  const soon = (check: () => void) => vi.waitFor(check, { timeout: 15_000, interval: 20 })

  test('is revoked with its digest', async () => {
    const { model, revoke } = await watched()
    expect(model.revoked.aborted).toBe(false)
    await revoke(revoked)
    await soon(() => expect(model.revoked.aborted).toBe(true))
    expect(model.revoked.reason).toEqual(refusal('MODEL_REVOKED', { file: `memory:${digest}` }))
  })

  test('and what was created from it is released, even after it is closed', async () => {
    const { model, revoke } = await watched('release')
    const session = { release: vi.fn() }
    keepRevocable(model, session, { ends: ['end'], release: (created) => void created.release() })
    model.close()
    await revoke(revoked)
    await soon(() => expect(session.release).toHaveBeenCalledOnce())
  })

  test('is revoked if it cannot be known whether it is, and not with another digest', async () => {
    const { model, revoke, watching } = await watched()
    const other = await judgeMemory(Buffer.from('other'), { policy: watching })
    const hexOfOther = createHash('sha256').update('other').digest('hex')
    await revoke({ revoked: { fileDigests: [hexOfOther] } })
    await soon(() => expect(other.revoked.aborted).toBe(true))
    await setTimeout(50)
    expect(model.revoked.aborted).toBe(false)
    // The bytes are not kept.
    await revoke({ revoked: { fileDigests: [`blake2b:${'0'.repeat(128)}`] } })
    await soon(() => expect(model.revoked.aborted).toBe(true))
  })

  test('is watched again if something is created from it after it was closed', async () => {
    const { model, revoke } = await watched()
    model.close()
    model.keepWatching({})
    await revoke(revoked)
    await soon(() => expect(model.revoked.aborted).toBe(true))
  })

  test('is not revoked once it is closed', async () => {
    const { model, revoke, watching } = await watched()
    const other = await judgeMemory(bytes, { policy: watching })
    model.close()
    await revoke(revoked)
    await soon(() => expect(other.revoked.aborted).toBe(true))
    expect(model.revoked.aborted).toBe(false)
  })

  test('cannot be revoked if it has no digest', async () => {
    const { watching } = await watched()
    expect((await judgeMemory(undefined, { policy: watching })).standing.isChangeable).toBe(false)
    expect((await judgeMemory(bytes, { policy: watching })).standing.isChangeable).toBe(true)
    expect((await judgeMemory(bytes, { policy: await policy({ memory: 'any' }) })).standing.isChangeable).toBe(false)
  })
})
