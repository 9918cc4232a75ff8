import { setTimeout } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test, vi, type Mock } from 'vitest'
import { timerCount } from '../../testing/timers.ts'
import { policyChanged } from '../../policy/watching/changes.ts'
import type { CompiledPolicy } from '../../policy/policy.ts'
import type { JudgedBy } from '../judging/judged-by.ts'
import type { CurrentVersion } from './current-version.ts'
import { follow } from './live-models.ts'
import type { Standing } from './standing.ts'

/** Longer than a pause between two rounds, in milliseconds. */
const ROUND = 250

const READ = { advisories: [] } as unknown as CompiledPolicy
/** A policy that has no later version. */
const policy = () => ({ current: vi.fn<() => Promise<unknown>>(() => Promise.resolve({})) })
const by = (given: object, read = READ): JudgedBy => ({
  given: given as JudgedBy['given'],
  read,
  number: 1,
  versions: '',
})

interface Fake {
  isChangeable: boolean
  mustBePolled: boolean
  judgedBy: JudgedBy[]
  revoked: AbortSignal
  judge: Mock<(current: (by: JudgedBy) => Promise<CurrentVersion>) => Promise<void>>
  followed: Mock<(unfollow: () => void) => void>
}

let unfollows: (() => void)[]
beforeEach(() => {
  unfollows = []
})
afterEach(() => {
  for (const unfollow of unfollows) unfollow()
})

/** A loaded model. */
function model(more: Partial<Fake> = {}): Fake {
  return {
    isChangeable: true,
    mustBePolled: false,
    judgedBy: [],
    revoked: new AbortController().signal,
    judge: vi.fn(() => Promise.resolve()),
    followed: vi.fn((unfollow: () => void) => void unfollows.push(unfollow)),
    ...more,
  }
}
const followed = (one: Fake) => {
  follow(one as unknown as Standing)
  return one
}
const judged = (...models: Fake[]) => models.map(({ judge }) => judge.mock.calls.length)

test('a model is judged once it is followed, and whenever something changes, until it no longer is', async () => {
  const first = followed(model())
  await setTimeout(ROUND)
  const second = followed(model())
  await setTimeout(ROUND)
  expect(judged(first, second)).toEqual([1, 1])
  policyChanged()
  await setTimeout(ROUND)
  expect(judged(first, second)).toEqual([2, 2])
  // It is followed already.
  follow(first as unknown as Standing)
  await setTimeout(ROUND)
  expect(judged(first, second)).toEqual([2, 2])
  expect(first.followed).toHaveBeenCalledTimes(1)
  unfollows[0]!()
  policyChanged()
  await setTimeout(ROUND)
  expect(judged(first, second)).toEqual([2, 3])
})

test('a model that cannot change is not followed', async () => {
  const one = followed(model({ isChangeable: false }))
  policyChanged()
  await setTimeout(ROUND)
  expect(judged(one)).toEqual([0])
  expect(one.followed).not.toHaveBeenCalled()
})

test('a model that is no longer followed may be followed again', async () => {
  const one = followed(model())
  await setTimeout(ROUND)
  unfollows[0]!()
  followed(one)
  await setTimeout(ROUND)
  expect(judged(one)).toEqual([2])
  expect(one.followed).toHaveBeenCalledTimes(2)
})

test('models are judged one after the other, and once more for all changes meanwhile, after a pause', async () => {
  const order: string[] = []
  const at: number[] = []
  const slow = (name: string) =>
    model({
      judge: vi.fn(async () => {
        at.push(performance.now())
        order.push(name)
        await setTimeout(40)
        order.push(`${name}.`)
      }),
    })
  followed(slow('a'))
  followed(slow('b'))
  await setTimeout(10)
  for (let changes = 0; changes < 3; changes++) policyChanged()
  expect(order).toEqual(['a'])
  await vi.waitFor(() => expect(order).toHaveLength(6), 20_000)
  await setTimeout(ROUND)
  expect(order).toEqual(['a', 'a.', 'a', 'a.', 'b', 'b.'])
  expect(at[1]! - at[0]!).toBeGreaterThan(130)
})

test('models that were judged by the same version share one look at their policy', async () => {
  const [one, other] = [policy(), policy()]
  const another = { ...READ } as unknown as CompiledPolicy
  const seen: CurrentVersion[] = []
  const judging = (...judgedBy: JudgedBy[]) =>
    model({
      judgedBy,
      judge: vi.fn(async (current) => {
        for (const version of judgedBy) seen.push(await current(version))
      }),
    })
  followed(judging(by(one), by(other)))
  followed(judging(by(one)))
  followed(judging(by(one, another)))
  await setTimeout(2 * ROUND)
  one.current.mockClear()
  other.current.mockClear()
  seen.length = 0
  policyChanged()
  await setTimeout(ROUND)
  expect([one.current.mock.calls.length, other.current.mock.calls.length]).toEqual([2, 1])
  expect(seen).toHaveLength(4)
  expect(seen[0]).toMatchObject({ given: one, read: READ, policy: READ, versions: '', number: 1 })
  expect(seen[2]).toBe(seen[0])
  expect(seen[3]?.read).toBe(another)
  policyChanged()
  await setTimeout(ROUND)
  expect(seen[4]).not.toBe(seen[0])
})

test('a look that takes long delays none of them, and has them judged again', async () => {
  const slow = policy()
  const { promise, resolve } = Promise.withResolvers<unknown>()
  slow.current.mockReturnValue(promise)
  const one = followed(model({ judgedBy: [by(slow)] }))
  await vi.waitFor(() => expect(judged(one)).toEqual([1]), 5_000)
  await setTimeout(ROUND)
  expect(judged(one)).toEqual([1])
  slow.current.mockResolvedValue({})
  resolve({})
  await setTimeout(ROUND)
  expect(judged(one)).toEqual([2])
})

test('policies are looked at before any model is judged', async () => {
  const given = policy()
  const [one, other] = [followed(model()), followed(model({ judgedBy: [by(given)] }))]
  await setTimeout(ROUND)
  given.current.mockClear()
  one.judge.mockClear()
  policyChanged()
  await setTimeout(ROUND)
  expect(judged(one, other)).toEqual([1, 2])
  expect(given.current.mock.invocationCallOrder[0]).toBeLessThan(one.judge.mock.invocationCallOrder[0]!)
})

test('a policy that nobody reports on is looked at every two seconds, without keeping the process alive', async () => {
  const timers = await timerCount()
  const before = timers()
  const one = followed(model({ mustBePolled: true }))
  const other = followed(model())
  expect(timers()).toBe(before)
  const began = performance.now()
  await vi.waitFor(() => expect(judged(one, other)).toEqual([2, 2]), 20_000)
  expect(performance.now() - began).toBeGreaterThan(1_900)
  unfollows[0]!()
  await vi.waitFor(() => expect(judged(one, other)).toEqual([2, 3]), 20_000)
  expect(performance.now() - began).toBeGreaterThan(3_900)
  await setTimeout(2_500)
  expect(judged(one, other)).toEqual([2, 3])
})
