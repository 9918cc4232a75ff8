import { chmod, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi, type MockInstance } from 'vitest'
import { ModelSealError } from '../../../errors.ts'
import { FeedSite, version } from '../../../testing/feeds.ts'
import { refusal } from '../../../testing/scratch.ts'
import type { CompiledPolicy } from '../../policy.ts'
import { FeedPlace } from './feed-place.ts'
import { FeedState } from './feed-state.ts'
import type { Looked } from './fetch-feed.ts'
import { Keeping } from './keeping.ts'
import { MOST_TRIES } from './limits.ts'
import { readings } from './queue.ts'
import { configureAdvisories } from './settings.ts'
import type { FeedStanding } from './version.ts'

const MINUTE = 60_000

let site: FeedSite
let look: MockInstance<FeedPlace['look']>
/** What comes of each look at the source, in their order. */
let outcomes: (() => Promise<Looked>)[]
/** A policy that trusts one signer, and one that trusts another. */
let one: CompiledPolicy
let another: CompiledPolicy

beforeEach(async () => {
  site = await FeedSite.create()
  vi.useFakeTimers({ toFake: ['Date'] })
  outcomes = []
  look = vi.spyOn(FeedPlace.prototype, 'look').mockImplementation(() => (outcomes.shift() ?? broken)())
  one = await site.policy(feedOf('a'))
  another = await site.policy(feedOf('b'))
})
afterEach(() => {
  vi.restoreAllMocks()
  vi.unstubAllEnvs()
  vi.useRealTimers()
})

const feedOf = (key: string) => ({
  url: 'https://models.example/feed.jsonl',
  refresh: '5m',
  maxAge: '1h',
  signers: [{ key }],
})
const later = (milliseconds: number) => vi.setSystemTime(Date.now() + milliseconds)
const signed = (sequence: number) => site.signed(version(sequence), site.publisher)
const byBoth = (sequence: number) => site.signed(version(sequence), site.publisher, site.other)
const served = (bytes: Buffer) => () => Promise.resolve({ bytes, etag: '"x"' })
const broken = () => Promise.reject(new ModelSealError('HTTP_RESPONSE', 'No.'))
const inUse = (sequence: number) => ({ version: { sequence }, stale: undefined })
const cannotKeep = () => chmod(join(site.directory, 'cache'), 0o777)

type Load = (policy?: CompiledPolicy, waits?: boolean) => FeedStanding | Promise<FeedStanding>

function followed(by = one): Load {
  const state = new FeedState(by.advisories[0]!, by)
  onTestFinished(() => state.stop())
  return (policy = by, waits = true) => state.standing(policy.advisories[0]!, policy, waits)
}

/** Goes on with the first call of a function only once it is told to. */
function held() {
  const [reached, released] = [Promise.withResolvers<undefined>(), Promise.withResolvers<undefined>()]
  let isFirst = true
  const pass = async () => {
    if (!isFirst) return
    isFirst = false
    reached.resolve(undefined)
    await released.promise
  }
  return { pass, reached: reached.promise, release: () => released.resolve(undefined) }
}

/** The first version that is verified, or the first kept copy that is read, is known only later. */
function heldReading() {
  const hold = held()
  const run = readings.run.bind(readings)
  vi.spyOn(readings, 'run').mockImplementation(async (work) => {
    const result = await run(work).catch((error: unknown) => ({ error }))
    await hold.pass()
    if (result !== null && typeof result === 'object' && 'error' in result) throw result.error
    return result
  })
  return hold
}

/** A policy asks in the background for a newer version than its first one. @returns what the source answers */
async function asking(load: Load, first: Buffer): Promise<(looked: Looked) => void> {
  const { promise, resolve } = Promise.withResolvers<Looked>()
  outcomes = [served(first), () => promise]
  expect(await load(one)).toMatchObject(inUse(1))
  later(5 * MINUTE)
  await load(one)
  await vi.waitFor(() => expect(look).toHaveBeenCalledTimes(2), 20_000)
  return resolve
}

/** Waits until a version that comes is in use, and is going to be kept. */
async function taken(come: () => void): Promise<void> {
  const inTurn = vi.spyOn(Keeping.prototype, 'inTurn')
  come()
  await vi.waitFor(() => expect(inTurn).toHaveBeenCalledOnce(), 20_000)
}

describe('a version that one policy trusts', () => {
  test('is used by another one only if its signers signed it', async () => {
    const load = followed()
    outcomes = [served(signed(1)), served(byBoth(2))]
    expect(await load(one)).toMatchObject(inUse(1))
    // It does not keep the other policy from looking.
    expect(await load(another)).toMatchObject(inUse(2))
    expect(look.mock.calls.map(([, etag]) => etag)).toEqual([undefined, undefined])
    expect(await load(one)).toMatchObject(inUse(2))
    expect(look).toHaveBeenCalledTimes(2)
  })

  test.each([
    ['the kept copy', () => Promise.resolve()],
    ['memory, if it cannot be kept', cannotKeep],
  ])('is verified from %s', async (_, before) => {
    await before()
    const load = followed()
    outcomes = [served(byBoth(1))]
    expect(await load(one)).toMatchObject(inUse(1))
    expect(await load(another)).toMatchObject(inUse(1))
    expect([load(one), load(another)]).toMatchObject([inUse(1), inUse(1)])
    expect(look).toHaveBeenCalledTimes(1)
  })

  test.each([
    ['kept', 1, () => Promise.resolve()],
    ['in memory', undefined, cannotKeep],
  ])('is not trusted because the one before was, which is %s', async (_, sequence, before) => {
    await before()
    const load = followed()
    const answer = await asking(load, byBoth(1))
    const { reached, release } = heldReading()
    const standing = load(another)
    await reached
    await taken(() => answer({ bytes: signed(2), etag: '"2"' }))
    release()
    const { version: known } = await standing
    expect(known?.sequence).toBe(sequence)
  })

  test('is not what a load gets while a later one that was kept is read for another policy', async () => {
    const load = followed()
    outcomes = [served(signed(1)), served(byBoth(2))]
    expect(await load(one)).toMatchObject(inUse(1))
    // Another process asks, whose policy does not trust the first one.
    expect(await followed()(another)).toMatchObject(inUse(2))
    const { reached, release } = heldReading()
    const standing = load(another)
    await reached
    const meanwhile = load(one)
    release()
    expect(await Promise.all([standing, meanwhile])).toMatchObject([inUse(2), inUse(2)])
    expect(look).toHaveBeenCalledTimes(2)
  })

  test('is still trusted by all after its source served it again', async () => {
    const load = followed()
    const bytes = byBoth(1)
    outcomes = [served(bytes), served(bytes)]
    await load(one)
    await load(another)
    later(5 * MINUTE)
    await load(one)
    const since = Date.now() - MINUTE
    await vi.waitFor(async () => expect((await load(one)).version?.confirmedAt).toBeGreaterThan(since), 20_000)
    expect(load(another)).not.toBeInstanceOf(Promise)
  })
})

test.each([
  ['a kept copy that is older', () => Promise.resolve()],
  ['the lack of a kept copy', cannotKeep],
])('%s takes no version away that came meanwhile', async (_, before) => {
  await before()
  const load = followed()
  const answer = await asking(load, signed(1))
  expect(await load(another)).toMatchObject({ version: undefined, failure: refusal('HTTP_RESPONSE') })
  const { reached, release } = heldReading()
  const standing = load(one)
  await reached
  await taken(() => answer({ bytes: signed(2), etag: '"2"' }))
  release()
  expect(await standing).toMatchObject(inUse(2))
  expect(look).toHaveBeenCalledTimes(3)
})

test('an answer that a forgotten version is unchanged is no failure, and confirms nothing', async () => {
  await cannotKeep()
  const load = followed()
  const answer = await asking(load, signed(1))
  expect(await load(another)).toMatchObject({ version: undefined, failure: refusal('HTTP_RESPONSE') })
  outcomes = [() => Promise.resolve({ bytes: undefined, etag: undefined })]
  answer({ bytes: undefined, etag: '"x"' })
  await setTimeout(50)
  expect(await load(another, false)).toMatchObject({ version: undefined, failure: undefined })
})

describe('a version that is being kept', () => {
  test.each<['inTurn' | 'replace', boolean | undefined]>([
    ['inTurn', true],
    ['replace', true],
    ['replace', undefined],
  ])('may be forgotten meanwhile: %s, %s', async (method, isKept) => {
    const hold = held()
    const { inTurn } = Keeping.prototype
    if (method === 'replace') {
      vi.spyOn(Keeping.prototype, 'replace').mockImplementation(() => hold.pass().then(() => isKept))
    } else {
      vi.spyOn(Keeping.prototype, 'inTurn').mockImplementation(function (this: Keeping, work) {
        return hold.pass().then(() => inTurn.call(this, work))
      })
    }
    const load = followed()
    outcomes = [served(signed(1))]
    const standing = load(one)
    await hold.reached
    const read = vi.spyOn(Keeping.prototype, 'read')
    const other = load(another)
    await vi.waitFor(() => expect(read).toHaveBeenCalledOnce(), 20_000)
    await read.mock.results[0]?.value
    await setTimeout(1)
    hold.release()
    expect(await standing).toMatchObject({ version: undefined, failure: undefined })
    expect(await other).toMatchObject({ version: undefined })
  })

  test('stays in memory while the one before is written', async () => {
    const hold = held()
    const { replace } = Keeping.prototype
    vi.spyOn(Keeping.prototype, 'replace').mockImplementation(async function (this: Keeping, ...of) {
      const isKept = await replace.apply(this, of)
      await hold.pass()
      return isKept
    })
    const load = followed()
    outcomes = [served(signed(1)), served(signed(2))]
    const first = load(one)
    await hold.reached
    later(5 * MINUTE)
    // Asks in the background.
    await taken(() => void load(one, false))
    hold.release()
    await first
    await vi.waitFor(async () => expect(await followed()(one)).toMatchObject(inUse(2)), 20_000)
  })

  test('is kept with its next confirmation, if it could not be kept at first', async () => {
    configureAdvisories({ refreshFirst: true })
    onTestFinished(() => configureAdvisories({ refreshFirst: false }))
    one = await site.policy({ ...feedOf('a'), maxAge: '24h' })
    const load = followed()
    outcomes = [served(signed(1)), served(signed(2)), () => Promise.resolve({ bytes: undefined, etag: '"x"' })]
    expect(await load()).toMatchObject(inUse(1))
    later(5 * MINUTE)
    vi.spyOn(Keeping.prototype, 'replace').mockRejectedValueOnce(new ModelSealError('FILE_WRITE_FAILED', 'No.'))
    expect(await load()).toMatchObject({ ...inUse(2), notKept: refusal('FILE_WRITE_FAILED') })
    later(5 * MINUTE)
    expect(await load()).toMatchObject({ ...inUse(2), notKept: undefined })
    expect(await followed()()).toMatchObject(inUse(2))
  })

  test('is tried a few times while other processes replace the copy', async () => {
    const replace = vi.spyOn(Keeping.prototype, 'replace').mockResolvedValue(false)
    outcomes = [served(signed(1))]
    expect(await followed()()).toMatchObject(inUse(1))
    expect(replace).toHaveBeenCalledTimes(MOST_TRIES)
  })

  test('is not in use without a word if a fault of this package keeps it from being kept', async () => {
    vi.spyOn(Keeping.prototype, 'replace').mockRejectedValue(new TypeError('oops'))
    outcomes = [served(signed(1))]
    expect(await followed()()).toMatchObject({ failure: refusal('INTERNAL') })
  })
})

describe('a feed in a file', () => {
  const put = (bytes: Buffer) => writeFile(join(site.directory, 'feed.jsonl'), bytes)

  test('is read by each load, which no timer replaces', async () => {
    await put(signed(1))
    const load = followed(await site.policy({ file: 'feed.jsonl' }))
    expect(await load()).toMatchObject(inUse(1))
    await put(signed(2))
    expect(await load()).toMatchObject(inUse(2))
  })

  test('has a largest size', async () => {
    await put(signed(1))
    await truncate(join(site.directory, 'feed.jsonl'), 2 ** 26 + 1)
    const load = followed(await site.policy({ file: 'feed.jsonl' }))
    expect(await load()).toMatchObject({ version: undefined, failure: refusal('FILE_TOO_LARGE') })
  })

  test('does not wait for servers, of which a few are asked for first versions at a time', async () => {
    const { promise, resolve } = Promise.withResolvers<Looked>()
    outcomes = Array.from({ length: 6 }, () => () => promise)
    const loads = outcomes.map(async () => followed()(one))
    await vi.waitFor(() => expect(look).toHaveBeenCalledTimes(4), 20_000)
    await put(signed(1))
    expect(await followed(await site.policy({ file: 'feed.jsonl' }))()).toMatchObject(inUse(1))
    expect(look).toHaveBeenCalledTimes(4)
    resolve({ bytes: signed(1), etag: undefined })
    expect(await Promise.all(loads)).toMatchObject(loads.map(() => inUse(1)))
  })
})
