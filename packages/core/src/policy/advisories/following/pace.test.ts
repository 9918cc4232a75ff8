import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { FollowedFeed } from '../followed-feed.ts'
import { Pace } from './pace.ts'

/** What the clock says. */
let now: number
vi.mock(import('../../../real-time.ts'), async (original) => ({ ...(await original()), monotonic: () => now }))

const MINUTE = 60_000
const TAG = '"1"'

function feed(refresh = 5 * MINUTE, more: Partial<FollowedFeed> = {}): FollowedFeed {
  return { kind: 'url', refresh, maxAge: { written: '24h', milliseconds: 1_440 * MINUTE }, ...more } as FollowedFeed
}

/** Pauses vary: from half of the middle to one and a half of it, or by a tenth. */
function pauses(pace: Pace, of = feed()): [number, number, number] {
  return [0, 0.5, 1].map((random) => {
    vi.spyOn(Math, 'random').mockReturnValue(random)
    return Math.round(pace.pause(of, TAG))
  }) as [number, number, number]
}
const around = (middle: number, by = 0.1) => [Math.round(middle * (1 - by)), middle, Math.round(middle * (1 + by))]

let pace: Pace
beforeEach(() => {
  now = 1_000_000
  pace = new Pace()
})
afterEach(() => void vi.restoreAllMocks())

describe('a server is asked to wait', () => {
  test('for half a minute at most, and no longer than the policy allows', () => {
    expect(pace.wait(feed(), TAG)).toBe(30)
    expect(pace.wait(feed(30_000), TAG)).toBe(30)
    expect(pace.wait(feed(29_999), TAG)).toBe(29)
    expect(pace.wait(feed(1_000), TAG)).toBe(1)
    expect(pace.wait(feed(999), TAG)).toBeUndefined()
    const aged = (milliseconds: number) => feed(5 * MINUTE, { maxAge: { written: '', milliseconds } })
    expect(pace.wait(aged(20_000), TAG)).toBe(10)
    expect(pace.wait(aged(2_000), TAG)).toBe(1)
    expect(pace.wait(aged(1_999), TAG)).toBeUndefined()
  })

  test('only if it can know of a change', () => {
    expect(pace.wait(feed(), undefined)).toBeUndefined()
    expect(pace.wait(feed(MINUTE, { kind: 'tuf' }), TAG)).toBeUndefined()
    expect(pace.wait(feed(MINUTE, { kind: 'file' }), TAG)).toBeUndefined()
  })
})

describe('the first pause', () => {
  test('is short if the server can be asked to wait', () => {
    expect(pauses(pace)).toEqual(around(1_000, 0.5))
    expect(pauses(pace, feed(1_000))).toEqual(around(1_000, 0.5))
  })

  test('is that of the policy otherwise', () => {
    expect(pauses(pace, feed(5 * MINUTE, { kind: 'tuf' }))).toEqual(around(5 * MINUTE))
    expect(pauses(pace, feed(500))).toEqual(around(500))
  })
})

describe('after an answer', () => {
  test('the pause is that of the policy', () => {
    pace.succeeded({ began: now, wait: undefined })
    expect(pauses(pace)).toEqual(around(5 * MINUTE))
  })

  test('of a server that waited, it is short, from start to start', () => {
    pace.succeeded({ began: now, wait: 30, granted: 30, isNew: true })
    expect(pauses(pace)).toEqual(around(500, 0.5))
    now += 400
    expect(pauses(pace)).toEqual([50, 100, 350])
    now += 10_000
    expect(pauses(pace)).toEqual([50, 50, 50])
  })

  test('without anything new, it counts as waited only if it took half of that time', () => {
    const waited = (milliseconds: number, granted: number | undefined, isNew?: boolean) => {
      const one = new Pace()
      one.succeeded({ began: now - milliseconds, wait: 30, granted, ...(isNew === undefined ? {} : { isNew }) })
      return pauses(one)[1] < MINUTE
    }
    expect(waited(15_000, 30)).toBe(true)
    expect(waited(14_999, 30)).toBe(false)
    expect(waited(14_999, 30, true)).toBe(true)
    expect(waited(15_000, undefined, true)).toBe(false)
    expect(waited(500, 0)).toBe(true)
    expect(waited(499, 0)).toBe(false)
    expect(waited(1_000, 2, false)).toBe(true)
  })

  test('that did not wait after one that did, the pause is that of the policy again', () => {
    pace.succeeded({ began: now, wait: 30, granted: 30, isNew: true })
    pace.succeeded({ began: now, wait: 30 })
    expect(pauses(pace)).toEqual(around(5 * MINUTE))
  })
})

describe('after failures', () => {
  const fail = (refresh: number, times = 1) => {
    for (let time = 0; time < times; time++) pace.failed({ began: now, wait: undefined }, refresh)
  }

  test('a feed is asked for less and less often, up to a minute, or as often as the policy says', () => {
    const middles = [1, 2, 3, 6, 7, 100].map((times) => {
      pace = new Pace()
      fail(1_000, times)
      return pauses(pace, feed(1_000))[1]
    })
    expect(middles).toEqual([2_000, 4_000, 8_000, 60_000, 60_000, 60_000])
    fail(5 * MINUTE)
    expect(pauses(pace)).toEqual(around(5 * MINUTE))
  })

  test('loads may ask after the same time', () => {
    expect(pace.mayAsk(feed(1_000))).toBe(true)
    fail(1_000)
    expect(pace.mayAsk(feed(1_000))).toBe(false)
    now += 1_999
    expect(pace.mayAsk(feed(1_000))).toBe(false)
    now += 1
    expect(pace.mayAsk(feed(1_000))).toBe(true)
  })

  test.each(['answered', 'succeeded'] as const)('an answer makes up for them: %s', (how) => {
    fail(1_000, 5)
    if (how === 'answered') pace.answered()
    else pace.succeeded({ began: now, wait: undefined })
    expect(pace.mayAsk(feed(1_000))).toBe(true)
    expect(pauses(pace, feed(1_000))).toEqual(around(1_000))
    fail(1_000)
    expect(pauses(pace, feed(1_000))).toEqual(around(2_000))
  })

  test('what a server waited with before does not matter', () => {
    pace.succeeded({ began: now, wait: 30, granted: 30, isNew: true })
    fail(5 * MINUTE)
    pace.answered()
    expect(pauses(pace)).toEqual(around(5 * MINUTE))
  })
})

describe('after a long request broke off', () => {
  const breakOff = (after: number, wait = 30, refresh = 5 * MINUTE) => {
    pace.failed({ began: now - after, wait }, refresh)
  }

  test('a short one follows soon, and the server is not asked to wait for a while', () => {
    breakOff(10_000)
    expect(pauses(pace)).toEqual(around(5_000))
    expect(pauses(pace, feed(1_000))).toEqual(around(1_000))
    expect(pace.wait(feed(), TAG)).toBeUndefined()
    now += 10 * MINUTE - 1
    expect(pace.wait(feed(), TAG)).toBeUndefined()
    now += 1
    expect(pace.wait(feed(), TAG)).toBe(30)
  })

  test('one that failed at once is like any other', () => {
    breakOff(999)
    expect(pace.wait(feed(), TAG)).toBe(30)
    expect(pauses(pace)).toEqual(around(5 * MINUTE))
    pace = new Pace()
    breakOff(1_000)
    expect(pace.wait(feed(), TAG)).toBeUndefined()
    pace = new Pace()
    breakOff(500, 1)
    expect(pace.wait(feed(), TAG)).toBeUndefined()
    pace = new Pace()
    breakOff(499, 1)
    expect(pace.wait(feed(), TAG)).toBe(30)
  })

  test('the server is asked to wait less and less often, but once an hour, or as often as the policy says', () => {
    const until = (times: number, refresh: number) => {
      pace = new Pace()
      for (let time = 0; time < times; time++) breakOff(10_000, 30, refresh)
      const began = now
      while (pace.wait(feed(), TAG) === undefined) now += MINUTE
      return (now - began) / MINUTE
    }
    expect([1, 2, 3, 4, 9].map((times) => until(times, 5 * MINUTE))).toEqual([10, 20, 40, 60, 60])
    expect(until(1, 120 * MINUTE)).toBe(120)
  })

  test('an answer to a long request makes up for them, one to a short request does not', () => {
    const until = (wait: number | undefined) => {
      pace = new Pace()
      breakOff(10_000)
      pace.succeeded({ began: now, wait })
      breakOff(10_000)
      const began = now
      while (pace.wait(feed(), TAG) === undefined) now += MINUTE
      return (now - began) / MINUTE
    }
    expect([until(30), until(undefined)]).toEqual([10, 20])
  })

  test('further failures are like any other', () => {
    breakOff(10_000)
    pace.failed({ began: now, wait: undefined }, 5 * MINUTE)
    expect(pauses(pace)).toEqual(around(5 * MINUTE))
  })

  test('so is one that follows an answer, once the server may be asked to wait again', () => {
    breakOff(10_000, 30, 1_000)
    pace.answered()
    now += 2_000
    pace.failed({ began: now, wait: undefined }, 1_000)
    expect(pauses(pace, feed(1_000))).toEqual(around(2_000))
  })
})
