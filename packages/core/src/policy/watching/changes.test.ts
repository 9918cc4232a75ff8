import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { ModelSealError } from '../../errors.ts'
import { ADVISORY_CHANNEL } from '../../events.ts'
import type { CompiledPolicy } from '../policy.ts'
import { feedChanged, feedFailed, onPolicyChange, policyChanged } from './changes.ts'
import { versionNumber } from './version-number.ts'

const published = vi.fn()
const onMessage = (message: unknown) => void published(message)

beforeAll(() => subscribe(ADVISORY_CHANNEL, onMessage))
afterAll(() => void unsubscribe(ADVISORY_CHANNEL, onMessage))
beforeEach(() => published.mockClear())

test('each listener is called once after each change', () => {
  const [first, second] = [vi.fn(), vi.fn()]
  for (const listener of [first, second, first]) onPolicyChange(listener)
  policyChanged()
  expect([first, second].map((listener) => listener.mock.calls.length)).toEqual([1, 1])
  feedChanged('https://feed.example', { feed: 'f', sequence: 7, digest: 'ab' })
  expect([first, second].map((listener) => listener.mock.calls.length)).toEqual([2, 2])
  expect(published.mock.calls).toEqual([[{ source: 'https://feed.example', feed: 'f', sequence: 7, digest: 'ab' }]])
})

test('that no new version of a feed could be had is published, and changes nothing', () => {
  const listener = vi.fn()
  onPolicyChange(listener)
  const error = new ModelSealError('SOURCE_FAILED', 'The source failed.')
  feedFailed('/feed.jsonl', { feed: 'f', sequence: 7, digest: 'ab' } as never, error)
  feedFailed('/feed.jsonl', undefined, error)
  expect(published.mock.calls).toEqual([
    [{ source: '/feed.jsonl', feed: 'f', sequence: 7, error: error.toJSON() }],
    [{ source: '/feed.jsonl', error: error.toJSON() }],
  ])
  expect(listener).not.toHaveBeenCalled()
})

test('the versions of a policy have ascending numbers', () => {
  const [one, other] = [{}, {}]
  const [a, b] = [{ path: '/a' }, { path: '/b' }] as unknown as [CompiledPolicy, CompiledPolicy]
  expect([a, a, b, b, a].map((read) => versionNumber(one, read))).toEqual([1, 1, 2, 2, 3])
  expect([b, a].map((read) => versionNumber(other, read))).toEqual([1, 2])
})
