import { utimesSync } from 'node:fs'
import { beforeEach, expect, test, vi } from 'vitest'
import { loadPolicy } from '../../policy/load-policy.ts'
import type { WatchedPolicy } from '../../policy/watching/watch-policy.ts'
import { scratch } from '../../testing/scratch.ts'
import { settledPolicy } from './settled-policy.ts'

const TEXT = '{ version: 1, rules: [{ name: r, match: { path: models }, mode: skip, reason: ours }] }'

/** What the clocks say, in milliseconds. The one for files begins long before the other. */
let now: number
const FILES_BEGAN = 1_700_000_000_000
vi.mock(import('../../real-time.ts'), async (original) => ({
  ...(await original()),
  monotonic: () => now,
  wallClock: () => FILES_BEGAN + now,
}))
/** How long until the next look. */
let pauses: number[]
vi.mock(import('./soon.ts'), async (original) => ({
  ...(await original()),
  pause: (milliseconds: number) => {
    pauses.push(milliseconds)
    return Promise.resolve()
  },
}))

beforeEach(() => {
  now = 100_000
  pauses = []
})

/** A policy that was last written at a time of the clock. */
async function written(at: number): Promise<unknown> {
  const path = `${scratch({ 'p.yaml': TEXT })}/p.yaml`
  const time = (FILES_BEGAN + at) / 1_000
  utimesSync(path, time, time)
  return loadPolicy(path)
}

/** What a policy returns, and the version of it that counts. */
function watched() {
  const current = vi.fn<() => Promise<unknown>>()
  const given = { current } as unknown as WatchedPolicy
  return async (version: unknown) => {
    current.mockResolvedValue(version)
    return (await settledPolicy(given, 60_000)).version?.read
  }
}

test('a version counts two seconds after it was written', async () => {
  const fresh = await written(98_500)
  const versionOf = watched()
  expect(await versionOf(fresh)).toBeUndefined()
  expect(pauses).toEqual([500])
  now += 499
  expect(await versionOf(fresh)).toBeUndefined()
  now += 1
  expect(await versionOf(fresh)).toBe(fresh)
  expect(await versionOf(fresh)).toBe(fresh)
  expect(pauses).toEqual([500, 1])
})

test('one from the future counts two seconds after it was seen first', async () => {
  const [fresh, other] = [await written(900_000), await written(900_000)]
  const versionOf = watched()
  expect(await versionOf(fresh)).toBeUndefined()
  now += 1_500
  expect(await versionOf(other)).toBeUndefined()
  now += 1_999
  expect(await versionOf(other)).toBeUndefined()
  now += 1
  expect(await versionOf(other)).toBe(other)
  expect(pauses).toEqual([2_000, 2_000, 1])
})

test('one that never stays the same counts after ten seconds', async () => {
  const versionOf = watched()
  const old = await written(0)
  const versions = await Promise.all(Array.from({ length: 20 }, () => written(900_000)))
  expect(await versionOf(old)).toBe(old)
  /** Looks at another version each time, until one counts. @returns after how long one does that was not the first to be seen */
  const until = async (last: number): Promise<unknown> => {
    now += 50_000
    const before = await versionOf(versions.pop())
    for (const step of [...Array<number>(9).fill(999), 1_008, last]) {
      now += step
      const newest = versions.pop()
      const counts = await versionOf(newest)
      if (counts !== before) return counts === newest
    }
    return undefined
  }
  expect(await until(0)).toBeUndefined()
  now += 1
  const newest = versions.pop()
  expect(await versionOf(newest)).toBe(newest)
  const before = pauses.length
  expect(await versionOf(newest)).toBe(newest)
  expect(pauses).toHaveLength(before)
  // Then the ten seconds begin anew.
  versions.push(...(await Promise.all(Array.from({ length: 12 }, () => written(900_000)))))
  expect(await until(1)).toBe(true)
})

test('one that cannot be read in the meantime does not restart the wait', async () => {
  const versionOf = watched()
  const [old, fresh] = [await written(0), await written(900_000)]
  await versionOf(old)
  expect(await versionOf({})).toBe(old)
  expect(await versionOf(fresh)).toBe(old)
  now += 1_000
  expect(await versionOf({})).toBe(old)
  now += 1_000
  expect(await versionOf(fresh)).toBe(old)
  now += 2_000
  expect(await versionOf(fresh)).toBe(fresh)
})
