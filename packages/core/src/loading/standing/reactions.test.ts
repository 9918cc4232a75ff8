import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { ModelSealError } from '../../errors.ts'
import { REVOKED_CHANNEL } from '../../events.ts'
import { refusal } from '../../testing/scratch.ts'
import { emptyVerdict } from '../judging/verdict-steps.ts'
import { react, revokedError, wantedReactions } from './reactions.ts'
import { Standing } from './standing.ts'
import type { JudgedLoad } from './judged-load.ts'

beforeEach(() => void vi.stubEnv('MODELSEAL_ON_REVOKED', undefined))
afterEach(() => {
  vi.unstubAllEnvs()
  vi.restoreAllMocks()
})

const verdict = { ...emptyVerdict({ path: '/m' }, {}), decision: 'accepted' as const }
const nextTick = () => new Promise<void>((go) => process.nextTick(go))

test('the reactions are those of the program and of whoever runs it', () => {
  const told = () => {}
  expect(wantedReactions(undefined)).toEqual([])
  expect(wantedReactions(told)).toEqual([told])
  vi.stubEnv('MODELSEAL_ON_REVOKED', 'exit')
  expect(wantedReactions('release')).toEqual(['release', 'exit'])
  expect(wantedReactions(undefined)).toEqual(['exit'])
  vi.stubEnv('MODELSEAL_ON_REVOKED', 'stop')
  expect(() => wantedReactions(undefined)).toThrow(refusal('INVALID_ARGUMENT'))
})

describe('a revocation', () => {
  const error = new ModelSealError('MODEL_REVOKED', 'It is revoked.')
  const revoked = { model: '/m', verdict, error }

  test('is told to the channel at once, and to functions afterwards', async () => {
    const [onChannel, first, second] = [vi.fn(), vi.fn(), vi.fn()]
    subscribe(REVOKED_CHANNEL, onChannel)
    react([first, 'release', second], revoked)
    unsubscribe(REVOKED_CHANNEL, onChannel)
    expect(onChannel).toHaveBeenCalledWith(revoked, REVOKED_CHANNEL)
    expect(first).not.toHaveBeenCalled()
    await nextTick()
    for (const told of [first, second]) expect(told.mock.calls).toEqual([[revoked]])
  })

  test('ends the process only if that is wanted, even if nothing can be written', async () => {
    const exit = vi.spyOn(process, 'exit').mockReturnValue(undefined as never)
    const write = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
    react(['release'], revoked)
    await nextTick()
    expect(exit).not.toHaveBeenCalled()
    react(['exit'], revoked)
    expect(exit).not.toHaveBeenCalled()
    await nextTick()
    expect(exit.mock.calls).toEqual([[1]])
    expect(write.mock.calls).toEqual([['It is revoked.\n']])
  })

  test('says why', () => {
    const cause = new ModelSealError('KEY_REVOKED', 'The key is revoked.', { expected: 'one', found: 'other' })
    const details = { file: '/m', expected: 'one', found: 'other', cause, verdict }
    const made = revokedError(verdict, cause)
    expect(made).toEqual(refusal('MODEL_REVOKED', details))
    expect(made.message).toMatch(/^The model "\/m" was revoked after it was loaded: The key is revoked\./)
    const broken = new Error('broken')
    expect(revokedError(verdict, broken)).toEqual(refusal('MODEL_REVOKED', { file: '/m', cause: broken }))
    expect(revokedError(verdict, broken).message).toContain('It could not be judged again by the changed policy.')
  })
})

describe('how a model stands', () => {
  const by = (given: object, read: object, kinds: string[] = []) =>
    ({ by: { given, read: { ...read, advisories: kinds.map((kind) => ({ kind })) } } }) as unknown as JudgedLoad

  test('can change only if something that judged it can', () => {
    const standing = new Standing(verdict, [])
    expect([standing.isChangeable, standing.mustBePolled, standing.judgedBy]).toEqual([false, false, []])
    const load = by({}, {})
    standing.remember([load])
    expect([standing.isChangeable, standing.judgedBy]).toEqual([true, [load.by]])
  })

  test('must be looked at if its policy is watched, or a feed is a file', () => {
    const polled = (...loads: JudgedLoad[]) => {
      const standing = new Standing(verdict, [])
      standing.remember(loads)
      return standing.mustBePolled
    }
    const loaded = (...kinds: string[]) => {
      const load = by({}, {}, kinds)
      load.by.given = load.by.read
      return load
    }
    expect(polled(by({}, {}))).toBe(true)
    expect(polled(loaded())).toBe(false)
    expect(polled(loaded('url', 'tuf'))).toBe(false)
    expect(polled(loaded('url', 'file'))).toBe(true)
    expect(polled(loaded('url'), by({}, {}))).toBe(true)
  })

  test('releases what was created only if that is wanted', () => {
    expect(new Standing(verdict, ['exit']).releases).toBe(false)
    expect(new Standing(verdict, ['exit', 'release']).releases).toBe(true)
  })

  test('is followed until the model is closed, or what was created from it released', () => {
    const unfollow = vi.fn()
    const closed = new Standing(verdict, [])
    closed.followed(unfollow)
    closed.close()
    closed.close()
    expect(unfollow).toHaveBeenCalledOnce()
    const held = new Standing(verdict, [])
    const use = { release: vi.fn() }
    const more = { release: vi.fn() }
    held.followed(unfollow)
    held.heldBy({})
    held.begin(use)
    held.begin(more)
    held.close()
    held.end(more)
    expect(unfollow).toHaveBeenCalledOnce()
    held.end(use)
    expect(unfollow).toHaveBeenCalledTimes(2)
    expect(use.release).not.toHaveBeenCalled()
  })

  test('is revoked by what refuses it, once', async () => {
    const told = vi.fn()
    const standing = new Standing(verdict, [told, 'release'])
    const use = { release: vi.fn() }
    const unfollow = vi.fn()
    const refuse = vi.fn(() => Promise.reject(new ModelSealError('KEY_REVOKED', 'No.')))
    standing.remember([by({}, {}), by({}, {})])
    standing.begin(use)
    // Nobody follows it yet, or any more.
    await standing.judge(refuse)
    expect(standing.revoked.aborted).toBe(false)
    standing.check()
    standing.followed(unfollow)
    refuse.mockClear()
    await standing.judge(refuse)
    expect(refuse).toHaveBeenCalledOnce()
    expect(standing.revoked.reason).toEqual(refusal('MODEL_REVOKED', { cause: refusal('KEY_REVOKED') }))
    expect(() => standing.check()).toThrow(refusal('MODEL_REVOKED'))
    expect(unfollow).toHaveBeenCalledOnce()
    expect(use.release).toHaveBeenCalledOnce()
    await standing.judge(refuse)
    expect(refuse).toHaveBeenCalledOnce()
    await nextTick()
    expect(told.mock.calls).toEqual([[{ model: '/m', verdict, error: standing.revoked.reason as unknown }]])
  })

  test('releases nothing while calls are running', async () => {
    const standing = new Standing(verdict, ['release'])
    const use = { release: vi.fn() }
    standing.remember([by({}, {})])
    standing.begin(use)
    standing.followed(() => {})
    await standing.calls.runAsync(async () => {
      await standing.judge(() => Promise.reject(new ModelSealError('KEY_REVOKED', 'No.')))
      expect(use.release).not.toHaveBeenCalled()
    })
    expect(use.release).toHaveBeenCalledOnce()
    expect(() => standing.calls.run(() => 7)).toThrow(refusal('MODEL_REVOKED'))
  })

  test('is not judged again by the version that judged it', async () => {
    const load = by({}, {})
    const standing = new Standing(verdict, [])
    standing.remember([load])
    standing.followed(() => {})
    const before = load.by
    await standing.judge((by) => Promise.resolve({ ...by, policy: by.read }))
    expect(load.by).toBe(before)
    expect(standing.revoked.aborted).toBe(false)
  })
})
