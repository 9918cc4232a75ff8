import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { setTimeout } from 'node:timers/promises'
import { afterEach, beforeEach, expect, onTestFinished, test, vi, type MockInstance } from 'vitest'
import { ModelSealError } from '../../../errors.ts'
import { ADVISORY_CHANNEL } from '../../../events.ts'
import { FeedSite, version } from '../../../testing/feeds.ts'
import { refusal } from '../../../testing/scratch.ts'
import { FeedPlace } from './feed-place.ts'
import { FeedState } from './feed-state.ts'
import type { Asking, Looked } from './fetch-feed.ts'
import { configureAdvisories } from './settings.ts'
import type { FeedStanding } from './version.ts'

const MINUTE = 60_000

/** What the clock says that does not jump, in milliseconds. */
let now: number
vi.mock(import('../../../real-time.ts'), async (original) => ({ ...(await original()), monotonic: () => now }))

let site: FeedSite
let look: MockInstance<FeedPlace['look']>
/** What comes of each look at the source, in their order. */
let outcomes: (() => Promise<Looked>)[]

beforeEach(async () => {
  now = 1_000_000
  site = await FeedSite.create()
  vi.useFakeTimers({ toFake: ['Date'] })
  outcomes = []
  look = vi.spyOn(FeedPlace.prototype, 'look').mockImplementation(() => outcomes.shift()?.() ?? new Promise(() => {}))
})
afterEach(() => {
  vi.restoreAllMocks()
  vi.unstubAllEnvs()
  vi.useRealTimers()
  configureAdvisories({ refreshFirst: false })
})

const later = (milliseconds: number) => {
  now += milliseconds
  vi.setSystemTime(Date.now() + milliseconds)
}
const served = (sequence: number, etag = `"${sequence}"`) => {
  const bytes = site.signed(version(sequence))
  return () => Promise.resolve({ bytes, etag })
}
const same = (etag?: string) => () => Promise.resolve({ bytes: undefined, etag })
const broken = () => Promise.reject(new ModelSealError('HTTP_RESPONSE', 'No.'))
/** With what the source was asked, and for which version. */
const asked = () =>
  look.mock.calls.map(([, etag, { milliseconds, isDetached, wait }]: [unknown, unknown, Asking]) => ({
    etag,
    milliseconds,
    isDetached,
    wait,
  }))

/** Follows a feed. @returns what a load may rely on */
async function follow(feed: object = {}): Promise<(waits?: boolean) => Promise<FeedStanding>> {
  const { at } = await followed(feed)
  return async (waits = true) => at(waits)
}

async function followed(feed: object = {}) {
  const policy = await site.policy({ url: 'https://models.example/feed.jsonl', refresh: '5m', maxAge: '1h', ...feed })
  const state = new FeedState(policy.advisories[0]!, policy)
  onTestFinished(() => state.stop())
  return { state, at: (waits = true) => state.standing(policy.advisories[0]!, policy, waits) }
}
const inUse = (sequence: number) => ({ version: { sequence }, stale: undefined, failure: undefined })
const FIRST = { etag: undefined, milliseconds: 10_000, isDetached: false, wait: undefined }

test('a source is asked again once the version may be out of date, with its entity tag', async () => {
  configureAdvisories({ refreshFirst: true })
  outcomes = [served(1), same('"1"'), served(2)]
  const load = await follow()
  expect(await load()).toMatchObject(inUse(1))
  later(5 * MINUTE - 1)
  await load()
  expect(asked()).toEqual([FIRST])
  later(1)
  expect(await load()).toMatchObject({ ...inUse(1), version: { confirmedAt: Date.now() } })
  later(5 * MINUTE)
  expect(await load()).toMatchObject(inUse(2))
  const newer = { etag: '"1"', milliseconds: 3_000, isDetached: false, wait: undefined }
  expect(asked()).toEqual([FIRST, newer, newer])
})

test('what is known is returned at once, unless somebody has to look for another version', async () => {
  outcomes = [served(1)]
  const { state, at } = await followed()
  expect(at()).toBeInstanceOf(Promise)
  await at()
  expect(at()).toMatchObject(inUse(1))
  expect(at()).not.toBeInstanceOf(Promise)
  later(5 * MINUTE - 1)
  expect(at()).not.toBeInstanceOf(Promise)
  state.stop()
  expect(at()).toBeInstanceOf(Promise)
  await at()
  expect(at()).not.toBeInstanceOf(Promise)
  later(1)
  expect(at()).toBeInstanceOf(Promise)
  await at()
})

test('a source is asked as soon as its version has expired', async () => {
  const expires = new Date(Date.now() + 2 * MINUTE).toISOString()
  const bytes = site.signed(version(1, { expires }))
  outcomes = [() => Promise.resolve({ bytes, etag: '"1"' }), served(2)]
  const load = await follow()
  expect(await load()).toMatchObject(inUse(1))
  later(2 * MINUTE)
  expect(await load()).toMatchObject(inUse(2))
  expect(asked()).toEqual([FIRST, { ...FIRST, etag: '"1"' }])
})

test('nobody waits for it before the version is too old', async () => {
  outcomes = [served(1)]
  const load = await follow()
  await load()
  later(5 * MINUTE)
  expect(await load()).toMatchObject(inUse(1))
  await setTimeout(1)
  expect(asked()).toEqual([FIRST, { etag: '"1"', milliseconds: 10_000, isDetached: true, wait: 30 }])
  later(56 * MINUTE)
  outcomes = [same('"1"')]
  expect(await load()).toMatchObject(inUse(1))
  expect(asked()[2]).toEqual({ ...FIRST, etag: '"1"' })
})

test('what must not wait never does', async () => {
  const load = await follow()
  expect(await load(false)).toMatchObject({
    version: undefined,
    stale: expect.any(String) as string,
    failure: undefined,
  })
  await setTimeout(1)
  expect(asked()).toEqual([{ ...FIRST, isDetached: true }])
})

test('after a failure, loads wait again five seconds later', async () => {
  outcomes = [broken, served(1)]
  const load = await follow()
  expect(await load()).toMatchObject({ version: undefined, failure: refusal('HTTP_RESPONSE') })
  later(4_999)
  expect(await load()).toMatchObject({ version: undefined, failure: refusal('HTTP_RESPONSE') })
  expect(look).toHaveBeenCalledTimes(1)
  later(1)
  expect(await load()).toMatchObject(inUse(1))
})

test('a failure that loads waited for delays the timer, until one has an answer', async () => {
  outcomes = [broken, served(1)]
  const load = await follow({ refresh: '30s' })
  await load()
  later(5_000)
  await load(false)
  await setTimeout(50)
  expect(look).toHaveBeenCalledTimes(1)
  expect(await load()).toMatchObject(inUse(1))
  later(30_000)
  await load()
  await setTimeout(50)
  expect(look).toHaveBeenCalledTimes(3)
})

test('a server that waited for a new version is asked again soon', async () => {
  const granted = async (looked: Promise<Looked>) => ({ ...(await looked), granted: 30 })
  const second = served(2)
  outcomes = [served(1), () => granted(second())]
  const load = await follow()
  await load()
  later(5 * MINUTE)
  await load()
  await vi.waitFor(() => expect(look).toHaveBeenCalledTimes(3), 20_000)
})

test('what fails while the server may wait for a change delays no load', async () => {
  outcomes = [served(1), broken, same('"1"')]
  const load = await follow()
  await load()
  later(5 * MINUTE)
  await load()
  await vi.waitFor(async () => expect(await load()).toMatchObject({ failure: refusal('HTTP_RESPONSE') }), 20_000)
  expect(asked()[1]).toMatchObject({ wait: 30 })
  later(56 * MINUTE)
  expect(await load()).toMatchObject(inUse(1))
})

test('nor does it if the version expires right after', async () => {
  const expires = new Date(Date.now() + 5 * MINUTE + 1_000).toISOString()
  const bytes = site.signed(version(1, { expires }))
  outcomes = [() => Promise.resolve({ bytes, etag: '"1"' }), broken, served(2)]
  const load = await follow()
  await load()
  later(5 * MINUTE)
  await load()
  await setTimeout(100)
  expect(look).toHaveBeenCalledTimes(2)
  later(1_000)
  expect(await load()).toMatchObject(inUse(2))
})

test('where processes end soon, no timer replaces looking', async () => {
  configureAdvisories({ refreshFirst: true })
  outcomes = [served(1)]
  const { at } = await followed()
  await at()
  expect(at()).toBeInstanceOf(Promise)
})

test('a confirmation is kept for later processes', async () => {
  configureAdvisories({ refreshFirst: true })
  outcomes = [served(1), same('"1"')]
  const load = await follow()
  await load()
  later(50 * MINUTE)
  await load()
  later(50 * MINUTE)
  outcomes = [broken]
  expect(await (await follow())()).toMatchObject({ version: { sequence: 1 }, stale: undefined })
})

test('a feed that is served again as it was is not held in memory', async () => {
  configureAdvisories({ refreshFirst: true })
  const again = served(1)
  outcomes = [again, again]
  const load = await follow({ maxAge: '24h' })
  await load()
  later(5 * MINUTE)
  expect(await load()).toMatchObject({ version: { bytes: undefined, confirmedAt: Date.now() } })
})

test('a load is not told of the same version twice as of a new one', async () => {
  const told: unknown[] = []
  const listener = (message: unknown) => void told.push(message)
  subscribe(ADVISORY_CHANNEL, listener)
  onTestFinished(() => void unsubscribe(ADVISORY_CHANNEL, listener))
  outcomes = [served(1), broken]
  const feed = { url: 'https://models.example/feed.jsonl', refresh: '5m', maxAge: '1h' }
  const { state, at } = await followed()
  await at()
  const other = await site.policy({ ...feed, signers: [{ key: 'b' }] })
  expect(await state.standing(other.advisories[0]!, other, true)).toMatchObject({ version: undefined })
  expect(await at()).toMatchObject({ version: { sequence: 1 } })
  expect(told).toMatchObject([{ sequence: 1 }, { error: { code: 'HTTP_RESPONSE' } }])
})

test.each([
  ['is not confirmed at an earlier time by an answer that comes late', 0],
  ['is, if the clock was wrong in between', -60 * MINUTE],
])('a version %s', async (_, clock) => {
  const { promise, resolve } = Promise.withResolvers<Looked>()
  outcomes = [served(1), () => promise, same('"1"')]
  const load = await follow()
  await load()
  later(5 * MINUTE)
  await load()
  const early = Date.now()
  await setTimeout(1)
  expect(look).toHaveBeenCalledTimes(2)
  later(60 * MINUTE)
  expect(await load()).toMatchObject({ version: { confirmedAt: Date.now() } })
  const confirmedAt = clock < 0 ? early : Date.now()
  vi.setSystemTime(Date.now() + clock)
  resolve({ bytes: undefined, etag: '"late"' })
  await setTimeout(50)
  expect(await load()).toMatchObject({ version: { confirmedAt, etag: clock < 0 ? '"late"' : '"1"' } })
})

test('an answer that confirms another version than the one in use confirms nothing', async () => {
  const { promise, resolve } = Promise.withResolvers<Looked>()
  outcomes = [served(1), () => promise, served(2)]
  const load = await follow()
  await load()
  later(5 * MINUTE)
  await load()
  later(60 * MINUTE)
  expect(await load()).toMatchObject(inUse(2))
  const confirmedAt = Date.now()
  resolve({ bytes: undefined, etag: '"1"' })
  await setTimeout(50)
  expect(await load()).toMatchObject({ version: { sequence: 2, etag: '"2"', confirmedAt } })
})

test('an answer to a later request says nothing about a version that came with an earlier one', async () => {
  const { promise: first, resolve: come } = Promise.withResolvers<Looked>()
  const { promise: second, resolve: confirm } = Promise.withResolvers<Looked>()
  outcomes = [served(1), () => first, () => second]
  const load = await follow()
  await load()
  later(61 * MINUTE)
  const standing = load()
  await vi.waitFor(() => expect(look).toHaveBeenCalledTimes(2), 20_000)
  later(MINUTE)
  void load(false)
  await vi.waitFor(() => expect(look).toHaveBeenCalledTimes(3))
  come(await served(2)())
  const { version: known } = await standing
  expect(known).toMatchObject({ sequence: 2, etag: '"2"' })
  confirm({ bytes: undefined, etag: '"1"' })
  await setTimeout(50)
  expect(await load()).toMatchObject({ version: { sequence: 2, etag: '"2"', confirmedAt: known?.confirmedAt } })
})

test('a fault of this package is a failure of the feed', async () => {
  outcomes = [() => Promise.reject(new TypeError('oops'))]
  expect(await (await follow())()).toMatchObject({ version: undefined, failure: refusal('INTERNAL') })
})
