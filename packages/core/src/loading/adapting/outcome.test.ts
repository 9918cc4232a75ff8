import { beforeEach, describe, expect, test, vi } from 'vitest'
import { ModelSealError } from '../../errors.ts'
import type { Verdict } from '../../results.ts'
import { refusal } from '../../testing/scratch.ts'
import type { OpenedModel } from '../verified-model.ts'
import { outcomeOf, runtimeFailed, withVerdict } from './outcome.ts'

const verdictOf = (decision: Verdict['decision']) =>
  ({ decision, model: { path: '/models/vad' } }) as unknown as Verdict
const FAILURE = { runtime: 'My Runtime', hint: 'Check this.' }

describe('the outcome of a load', () => {
  const keepWatching = vi.fn()
  beforeEach(() => void keepWatching.mockClear())
  const attestations = () => []
  const opened = (decision: Verdict['decision']) =>
    ({
      decision,
      verdict: verdictOf(decision),
      revoked: new AbortController().signal,
      attestations,
      keepWatching,
    }) as unknown as OpenedModel<unknown>

  test('of a verified model has its attestations, and keeps it watched', () => {
    const model = opened('accepted')
    const { revoked, verdict } = model
    expect(outcomeOf(model)).toEqual({ decision: 'accepted', verdict, attestations, revoked })
    expect(keepWatching).toHaveBeenCalledExactlyOnceWith(revoked)
  })

  test.each(['tolerated', 'skipped'] as const)('of a model that was %s has none', (decision) => {
    const model = opened(decision)
    const { revoked, verdict } = model
    expect(outcomeOf(model)).toStrictEqual({ decision, verdict, revoked })
  })
})

describe('an error of a runtime', () => {
  test('says whether the model was verified, and has the verdict', () => {
    const cause = new Error('bad\nmodel')
    for (const [decision, word] of [
      ['accepted', 'verified'],
      ['tolerated', 'unverified'],
      ['skipped', 'unverified'],
    ] as const) {
      const verdict = verdictOf(decision)
      const message = expect.stringContaining(`the ${word} model "/models/vad": My Runtime`) as string
      const details = { file: '/models/vad', found: '"bad\\u{a}model"', hint: 'Check this.', cause, verdict, message }
      expect(runtimeFailed(cause, verdict, FAILURE)).toEqual(refusal('RUNTIME_FAILED', details))
    }
  })

  test('can have a message of its own', () => {
    const error = runtimeFailed('text', verdictOf('accepted'), { ...FAILURE, found: 'mine' })
    expect(error).toEqual(refusal('RUNTIME_FAILED', { found: '"mine"' }))
  })

  test('that is a refusal stays one, with the verdict', () => {
    const refused = new ModelSealError('FILE_NOT_SIGNED', 'No.')
    const verdict = verdictOf('accepted')
    expect(runtimeFailed(refused, verdict, FAILURE)).toBe(refused)
    expect(refused.verdict).toBe(verdict)
    expect(withVerdict(refused, verdictOf('skipped')).verdict).toBe(verdict)
  })
})
