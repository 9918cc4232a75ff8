import { setTimeout } from 'node:timers/promises'
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { withTimerCount } from '../../../testing/timers.ts'
import type { FollowedFeed } from '../followed-feed.ts'
import type { Asking } from './fetch-feed.ts'
import { Polling } from './polling.ts'

/** Milliseconds. */
const REFRESH = 50

let followed: FollowedFeed
let etag: string | undefined
let digest: string
let looks: Asking[]
/** What comes of a look. */
let outcome: () => Promise<{ granted?: number } | undefined>
let polling: Polling

beforeEach(() => {
  followed = { kind: 'url', refresh: REFRESH, maxAge: { written: '1h', milliseconds: 3_600_000 } } as FollowedFeed
  etag = undefined
  digest = 'a'
  looks = []
  outcome = () => Promise.resolve({})
  const look = (asking: Asking) => {
    looks.push(asking)
    return outcome()
  }
  polling = new Polling({ followed: () => followed, etag: () => etag, digest: () => digest, look })
})
afterEach(() => {
  polling.stop()
})

test('a feed is looked at again and again from the start until the end', async () => {
  expect(polling.isOn).toBe(false)
  await setTimeout(2 * REFRESH)
  expect(looks).toEqual([])
  polling.start()
  expect(polling.isOn).toBe(true)
  await vi.waitFor(() => expect(looks.length).toBeGreaterThan(2), 20_000)
  polling.stop()
  expect(polling.isOn).toBe(false)
  await setTimeout(REFRESH)
  const { length } = looks
  await setTimeout(3 * REFRESH)
  expect(looks).toEqual(Array(length).fill({ milliseconds: 10_000, isDetached: true, wait: undefined }))
})

test('it is looked at after a pause, which begins once', async () => {
  const pause = vi.spyOn(polling.pace, 'pause').mockReturnValue(4 * REFRESH)
  polling.start()
  await setTimeout(2 * REFRESH)
  polling.start()
  expect(pause.mock.calls).toEqual([[followed, undefined]])
  expect(looks).toEqual([])
  await vi.waitFor(() => expect(pause).toHaveBeenCalledTimes(2), 20_000)
  expect(looks).toHaveLength(1)
})

test('it is looked at soon, once at the same time, and not if that failed recently', async () => {
  const looking = Promise.withResolvers<undefined>()
  outcome = () => looking.promise
  polling.soon()
  polling.soon()
  await setTimeout(1)
  expect(looks).toHaveLength(1)
  followed = { ...followed, refresh: 60_000 }
  looking.resolve(undefined)
  await setTimeout(1)
  polling.soon()
  await setTimeout(1)
  expect(looks).toHaveLength(1)
  polling.pace.answered()
  polling.soon()
  await setTimeout(1)
  expect(looks).toHaveLength(2)
  // It was not started.
  await setTimeout(3 * REFRESH)
  expect(looks).toHaveLength(2)
})

test('it is looked at once if that was never started', async () => {
  polling.soon()
  await setTimeout(4 * REFRESH)
  expect(looks).toHaveLength(1)
})

test('looking soon takes the place of the next look', async () => {
  const pause = vi
    .spyOn(polling.pace, 'pause')
    .mockReturnValueOnce(2 * REFRESH)
    .mockReturnValue(60_000)
  polling.start()
  polling.soon()
  await vi.waitFor(() => expect(pause).toHaveBeenCalledTimes(2), 20_000)
  await setTimeout(4 * REFRESH)
  expect(looks).toHaveLength(1)
})

test('the pace knows what came of a look', async () => {
  const succeeded = vi.spyOn(polling.pace, 'succeeded')
  const failed = vi.spyOn(polling.pace, 'failed')
  const ran = async (came: typeof outcome) => {
    polling.pace.answered()
    outcome = came
    polling.soon()
    await setTimeout(5)
  }
  followed = { ...followed, refresh: 7_000 }
  const before = process.uptime() * 1_000
  await ran(() => Promise.resolve({ granted: 3 }))
  etag = '"1"'
  await ran(() => {
    digest = 'b'
    return Promise.resolve({})
  })
  await ran(() => Promise.resolve(undefined))
  const began = expect.any(Number) as number
  expect(looks.map(({ wait }) => wait)).toEqual([undefined, 7, 7])
  expect(succeeded.mock.calls).toEqual([
    [{ began, wait: undefined, granted: 3, isNew: false }],
    [{ began, wait: 7, granted: undefined, isNew: true }],
  ])
  expect(failed.mock.calls).toEqual([[{ began, wait: 7 }, 7_000]])
  expect(succeeded.mock.calls[0]![0].began).toBeGreaterThanOrEqual(before)
})

test('waiting for the next look keeps no process alive', () =>
  withTimerCount(async (timers) => {
    const pause = vi.spyOn(polling.pace, 'pause')
    onTestFinished(() => pause.mockRestore())
    polling.start()
    expect(timers()).toBe(0)
    const looking = Promise.withResolvers<undefined>()
    outcome = () => looking.promise
    polling.soon()
    await setTimeout(1)
    expect([timers(), looks.length]).toEqual([0, 1])
    looking.resolve(undefined)
    expect(pause).toHaveBeenCalledTimes(1)
  }))
