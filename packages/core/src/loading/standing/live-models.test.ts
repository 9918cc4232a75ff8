import { setTimeout } from 'node:timers/promises'
import { afterEach, beforeEach, expect, onTestFinished, test, vi, type Mock } from 'vitest'
import { garbageCollector } from '../../testing/garbage.ts'
import { policyChanged } from '../../policy/watching/changes.ts'
import type { CompiledPolicy } from '../../policy/policy.ts'
import type { JudgedBy } from '../judging/judged-by.ts'
import type { CurrentVersion } from './current-version.ts'
import { follow } from './live-models.ts'
import type { Standing } from './standing.ts'

interface Poll {
  run: () => void
  milliseconds: number
  unref: Mock
}
/** Timers by which policies are looked at. A test says when one has run out. */
let polls: Poll[]
/** How long all other timers run, in milliseconds. */
let asked: number[]
vi.mock(import('../../real-time.ts'), async (original) => {
  const real = await original()
  const setTimeout = (run: () => void, milliseconds: number) => {
    if (milliseconds < 1_000) {
      asked.push(milliseconds)
      return real.setTimeout(run, milliseconds)
    }
    const poll = { run, milliseconds, unref: vi.fn() }
    polls.push(poll)
    return poll
  }
  return { ...real, setTimeout: setTimeout as unknown as typeof real.setTimeout }
})
beforeEach(() => {
  polls = []
  asked = []
})

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

test('nothing is left of a model that was collected', async () => {
  const gc = garbageCollector()
  const forget = vi.spyOn(Set.prototype, 'delete')
  onTestFinished(() => forget.mockRestore())
  // Functions that are watched would keep it alive.
  followed({ ...model(), judge: () => Promise.resolve(), followed: () => {} } as unknown as Fake)
  await vi.waitFor(
    () => {
      gc()
      expect(forget.mock.calls.some(([one]) => one instanceof WeakRef && one.deref() === undefined)).toBe(true)
    },
    { timeout: 20_000, interval: 20 },
  )
})

test('models that are no longer followed when it is their turn are left out', async () => {
  const all: Fake[] = []
  // While the first one is judged, others join, and some are closed.
  const judge = vi.fn(async () => {
    all.push(followed(model()), followed(model()))
    unfollows[1]!()
    await setTimeout(1)
  })
  const first = followed(model({ judge }))
  await vi.waitFor(() => expect(judged(first, ...all)).toEqual([1, 0, 1]), 20_000)
  const last = followed(model())
  await vi.waitFor(() => expect(judged(last)).toEqual([1]), 20_000)
  judge.mockImplementation(async () => unfollows[2]!())
  policyChanged()
  await vi.waitFor(() => expect(judged(first, ...all, last)).toEqual([2, 0, 1, 2]), 20_000)
})

test('there is no pause without a further round', async () => {
  const one = followed(model())
  await vi.waitFor(() => expect(judged(one)).toEqual([1]), 20_000)
  await setTimeout(ROUND)
  expect([judged(one), asked]).toEqual([[1], []])
})

test('policies that nobody reports on are looked at every two seconds, without keeping the process alive', async () => {
  const other = followed(model())
  expect(polls).toEqual([])
  const [first, second] = [followed(model({ mustBePolled: true })), followed(model({ mustBePolled: true }))]
  const seen = (count: number, times: number[]) =>
    vi.waitFor(() => expect([polls.length, judged(first, second, other)]).toEqual([count, times]), 20_000)
  await seen(1, [1, 1, 1])
  polls[0]!.run()
  await seen(2, [2, 2, 2])
  unfollows[1]!()
  polls[1]!.run()
  await seen(3, [2, 3, 3])
  unfollows[2]!()
  polls[2]!.run()
  await seen(3, [2, 3, 4])
  for (const { milliseconds, unref } of polls) {
    expect(milliseconds).toBe(2_000)
    expect(unref).toHaveBeenCalled()
  }
})

test('a model that is just being collected is not looked at any more', async () => {
  const one = followed(model({ mustBePolled: true }))
  await vi.waitFor(() => expect(judged(one)).toEqual([1]), 20_000)
  const collected = vi.spyOn(WeakRef.prototype, 'deref').mockReturnValue(undefined)
  onTestFinished(() => collected.mockRestore())
  expect(polls).toHaveLength(1)
  polls[0]!.run()
  expect(polls).toHaveLength(1)
  await setTimeout(ROUND)
  expect(judged(one)).toEqual([1])
})
