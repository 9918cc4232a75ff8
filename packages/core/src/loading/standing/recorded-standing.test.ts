import { describe, expect, test, vi } from 'vitest'
import { ModelSealError } from '../../errors.ts'
import type { RecordedLoad } from '../../journal/recording/recorded-load.ts'
import type { CompiledPolicy } from '../../policy/policy.ts'
import { garbageCollector } from '../../testing/garbage.ts'
import { emptyVerdict } from '../judging/verdict-steps.ts'
import type { OnRevoked } from '../open-options.ts'
import type { JudgedLoad } from './judged-load.ts'
import { Standing } from './standing.ts'

const verdict = { ...emptyVerdict({ path: '/m' }, {}), decision: 'accepted' as const }
const release = () => ({ release: vi.fn() })

/** A model that is followed, and whose load was recorded. */
function recorded(reactions: OnRevoked[] = [], isHandle?: boolean) {
  const standing = new Standing(verdict, reactions)
  const told: unknown[][] = []
  const journal = {
    heldBy: (holder: object) => void told.push(['held', holder]),
    ended: (why: string) => void told.push(['ended', why]),
    revoked: (code: unknown) => void told.push(['revoked', code]),
  }
  const unfollow = vi.fn()
  standing.recordedAs(journal as unknown as RecordedLoad, isHandle)
  standing.followed(unfollow)
  const read = {} as unknown as CompiledPolicy
  standing.remember([{ by: { given: read, read, number: 1, versions: '' } } as JudgedLoad])
  const revoke = (cause: Error = new ModelSealError('KEY_REVOKED', 'No.')) =>
    standing.judge(() => Promise.reject(cause))
  return { standing, told, unfollow, revoke }
}

describe('journals that have recorded a load', () => {
  test('are known to exist', () => {
    expect(new Standing(verdict, []).isRecorded).toBe(false)
    expect(recorded().standing.isRecorded).toBe(true)
  })

  test('are told what keeps its model in use', () => {
    expect(recorded().told).toEqual([])
    const { standing, told } = recorded([], true)
    expect(told).toEqual([['held', standing]])
    standing.heldBy({})
    expect(told).toEqual([
      ['held', standing],
      ['held', standing],
    ])
  })

  test('are told that the model was closed, unless something was created from it', () => {
    const closed = recorded()
    closed.standing.close()
    expect(closed.told).toEqual([['ended', 'closed']])
    const held = recorded()
    held.standing.heldBy({})
    held.standing.close()
    expect(held.told).toEqual([['held', held.standing]])
    expect(held.unfollow).not.toHaveBeenCalled()
  })

  test('are told that the last one was released that was created from the closed model', () => {
    const { standing, told, unfollow } = recorded()
    const [first, second] = [release(), release()]
    standing.heldBy({})
    standing.begin(first)
    standing.begin(second)
    standing.close()
    standing.end(first)
    expect(told.slice(1)).toEqual([])
    standing.end(second)
    expect(told.slice(1)).toEqual([['ended', 'released']])
    expect(unfollow).toHaveBeenCalledOnce()
  })

  test('are told only when the model is closed that all was released before', () => {
    const { standing, told, unfollow } = recorded()
    const first = release()
    standing.heldBy({})
    standing.begin(first)
    standing.end(first)
    expect(told.slice(1)).toEqual([])
    expect(unfollow).not.toHaveBeenCalled()
    standing.close()
    expect(told.slice(1)).toEqual([['ended', 'released']])
    const unrecorded = new Standing(verdict, [])
    unrecorded.heldBy({})
    unrecorded.begin(first)
    unrecorded.end(first)
    unrecorded.close()
  })

  test.each<[Error, string | undefined]>([
    [new ModelSealError('KEY_REVOKED', 'No.'), 'KEY_REVOKED'],
    [new Error('broken'), undefined],
  ])('are told that the model is revoked before anyone else is: %s', async (cause, code) => {
    const { standing, told, revoke } = recorded()
    standing.revoked.addEventListener('abort', () => told.push(['aborted']))
    await revoke(cause)
    expect(told).toEqual([['revoked', code], ['aborted']])
  })
})

describe('what was created from a model', () => {
  test('keeps alive what is known of it, and is not kept alive itself', async () => {
    const gc = garbageCollector()
    const held = (created: object) => {
      const standing = new Standing(verdict, [])
      standing.heldBy(created)
      return new WeakRef(standing)
    }
    const created = {}
    const [kept, lost] = [held(created), held({})]
    await vi.waitFor(
      () => {
        gc()
        // An assertion about the object itself would keep it alive.
        expect(lost.deref() === undefined).toBe(true)
      },
      { timeout: 20_000, interval: 20 },
    )
    expect(kept.deref()).toBeDefined()
    expect(created).toEqual({})
  })

  test('is released once the model is revoked, which journals are told', async () => {
    const { standing, told, revoke } = recorded(['release'])
    const [first, second] = [release(), release()]
    standing.begin(first)
    standing.begin(second)
    standing.calls.run(() => {})
    expect(first.release).not.toHaveBeenCalled()
    await revoke()
    for (const use of [first, second]) expect(use.release).toHaveBeenCalledOnce()
    expect(told).toEqual([
      ['revoked', 'KEY_REVOKED'],
      ['ended', 'revoked'],
    ])
  })

  test('is not released then if that is not wanted', async () => {
    const { standing, told, revoke } = recorded()
    const use = release()
    standing.begin(use)
    await revoke()
    expect(use.release).not.toHaveBeenCalled()
    expect(told).toEqual([['revoked', 'KEY_REVOKED']])
  })

  test('may already be released by then: journals are not told of it again', async () => {
    const { standing, told, revoke } = recorded(['release'])
    const use = release()
    standing.begin(use)
    standing.end(use)
    await revoke()
    expect(use.release).not.toHaveBeenCalled()
    expect(told).toEqual([['revoked', 'KEY_REVOKED']])
  })
})
