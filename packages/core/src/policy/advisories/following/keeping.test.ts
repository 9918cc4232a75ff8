import { chmod, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { withTimerCount } from '../../../testing/timers.ts'
import { refusal, scratch } from '../../../testing/scratch.ts'
import type { PolicyFacts } from '../../policy-facts.ts'
import type { FollowedFeed } from '../followed-feed.ts'
import { Keeping } from './keeping.ts'
import { readKeptCopy } from './kept-copy.ts'
import { sha256InTurns } from './verified-version.ts'
import type { FeedVersion, KnownVersion } from './version.ts'

const ID = 'ab'.repeat(32)
const BYTES = Buffer.from('{"a":1}\n')
const [POLICY, OTHER] = [{}, {}] as [PolicyFacts, PolicyFacts]
const MINUTE = 60_000
const feed = (milliseconds: number) => ({ maxAge: { written: '', milliseconds } }) as FollowedFeed

let cache: string
let keeping: Keeping
/** The version that is kept. */
let known: KnownVersion
beforeEach(async () => {
  cache = join(scratch({ 'cache/.keep': '' }), 'cache')
  await chmod(cache, 0o700)
  vi.stubEnv('MODELSEAL_CACHE', cache)
  keeping = new Keeping(ID)
  known = { bytes: BYTES, fileDigest: await sha256InTurns(BYTES), confirmedAt: 5, etag: '"1"' } as KnownVersion
})
afterEach(() => void vi.unstubAllEnvs())

const verified = () => Promise.resolve({ sequence: 1, bytes: BYTES } as FeedVersion)
const invalid = () => Promise.resolve(undefined)

describe('a kept copy is read', () => {
  test('if it is valid, without its bytes', async () => {
    expect(await keeping.read(POLICY, verified)).toBeUndefined()
    expect(await keeping.replace(known, POLICY)).toBe(true)
    const given: Buffer[] = []
    const version = await keeping.read(POLICY, (bytes) => {
      given.push(bytes)
      return verified()
    })
    expect(given).toEqual([BYTES])
    expect(version).toEqual({ sequence: 1, bytes: undefined, confirmedAt: 5, etag: '"1"' })
    expect(await keeping.read(POLICY, invalid)).toBeUndefined()
  })

  test('again if it has changed since, or for another policy', async () => {
    expect(await keeping.isSeen(POLICY)).toBe(false)
    await keeping.read(POLICY, invalid)
    expect([await keeping.isSeen(POLICY), await keeping.isSeen(OTHER)]).toEqual([true, false])
    const another = new Keeping(ID)
    await another.read(OTHER, invalid)
    await another.replace(known, OTHER)
    expect([await keeping.isSeen(POLICY), await another.isSeen(OTHER)]).toEqual([false, true])
  })
})

describe('a version is kept', () => {
  test('in place of the copy whose content is known only', async () => {
    expect(await keeping.replace(known, POLICY)).toBe(false)
    await keeping.read(POLICY, invalid)
    expect(keeping.keptAt).toBe(-Infinity)
    expect(await keeping.replace(known, POLICY)).toBe(true)
    expect(keeping.keptAt).toBe(5)
    expect(await readKeptCopy(ID)).toEqual({ bytes: BYTES, confirmedAt: 5, etag: '"1"' })
    const another = new Keeping(ID)
    await another.read(POLICY, invalid)
    await another.replace({ ...known, confirmedAt: 6 }, POLICY)
    expect(await keeping.replace({ ...known, confirmedAt: 7 }, POLICY)).toBe(false)
    expect(keeping.keptAt).toBe(5)
    expect(await readKeptCopy(ID)).toMatchObject({ confirmedAt: 6 })
  })

  test('with the bytes that are on the disk, if they are not in memory', async () => {
    await keeping.read(POLICY, invalid)
    await keeping.replace(known, POLICY)
    const later = { ...known, bytes: undefined, confirmedAt: 9 }
    expect(await keeping.replace({ ...later, fileDigest: 'x' }, POLICY)).toBeUndefined()
    expect(await keeping.replace(later, POLICY)).toBe(true)
    expect(await readKeptCopy(ID)).toEqual({ bytes: BYTES, confirmedAt: 9, etag: '"1"' })
    await rm(join(cache, 'advisories', `${ID}.jsonl`))
    expect(await keeping.replace(later, POLICY)).toBeUndefined()
  })

  test('which makes up for a failure', async () => {
    await keeping.read(POLICY, invalid)
    await writeFile(join(cache, 'advisories'), '')
    await expect(keeping.replace(known, POLICY)).rejects.toEqual(refusal('CACHE_UNSAFE'))
    await rm(join(cache, 'advisories'))
    keeping.failure = refusal('FILE_WRITE_FAILED') as never
    await keeping.read(POLICY, invalid)
    expect(await keeping.replace(known, POLICY)).toBe(true)
    expect(keeping.failure).toBeUndefined()
  })

  test('one work after the other, even if one fails', async () => {
    const order: number[] = []
    const work = (index: number, fails = false) =>
      keeping.inTurn(async () => {
        order.push(index)
        await new Promise((go) => setImmediate(go))
        order.push(-index)
        if (fails) throw new Error('no')
      })
    const [first, second] = [work(1, true), work(2)]
    await expect(first).rejects.toThrow('no')
    await second
    expect(order).toEqual([1, -1, 2, -2])
  })
})

test('what was known is passed on once all tasks have ended, and no timer stays', () =>
  withTimerCount(async (timers) => {
    const known = {}
    expect(await keeping.afterWriting(known)).toBe(known)
    const tasks = [Promise.withResolvers<undefined>(), Promise.withResolvers<undefined>()]
    const done = tasks.map(({ promise }) => keeping.inTurn(() => promise))
    let told: unknown
    const telling = keeping.afterWriting(Promise.resolve(known)).then((result) => (told = result))
    for (const { resolve } of tasks) {
      await new Promise((go) => setTimeout(go, 5))
      expect(told).toBeUndefined()
      resolve(undefined)
    }
    await Promise.all(done)
    await new Promise((go) => setTimeout(go, 5))
    expect(told).toBe(known)
    await telling
    expect(timers()).toBe(0)
  }))

describe('a confirmation need not be written', () => {
  test('within a minute of the last one', async () => {
    keeping.keptAt = 1_000_000
    const isRecent = (since: number, maxAge: number) => keeping.isRecent(1_000_000 + since, feed(maxAge), POLICY)
    expect(await isRecent(0, MINUTE)).toBe(true)
    expect(await isRecent(MINUTE - 1, MINUTE)).toBe(true)
    expect(await isRecent(MINUTE, MINUTE)).toBe(false)
    expect(await isRecent(-1, MINUTE)).toBe(false)
    // Nothing is known of the copy.
    expect(await isRecent(MINUTE, 48 * MINUTE)).toBe(false)
  })

  test('within a part of the maximum age, as long as the copy is the same', async () => {
    await keeping.read(POLICY, invalid)
    await keeping.replace({ ...known, confirmedAt: 1_000_000 }, POLICY)
    const isRecent = (since: number, policy = POLICY) => keeping.isRecent(1_000_000 + since, feed(48 * MINUTE), policy)
    expect(await isRecent(MINUTE)).toBe(true)
    expect(await isRecent(2 * MINUTE - 1)).toBe(true)
    expect(await isRecent(2 * MINUTE)).toBe(false)
    expect(await isRecent(MINUTE, OTHER)).toBe(false)
    await rm(join(cache, 'advisories', `${ID}.jsonl`))
    expect(await isRecent(MINUTE)).toBe(false)
    expect(await isRecent(MINUTE - 1)).toBe(true)
  })

  test('only if one was, and has not failed since', async () => {
    expect(await keeping.isRecent(1, feed(MINUTE), POLICY)).toBe(false)
    keeping.keptAt = 1
    expect(await keeping.isRecent(1, feed(MINUTE), POLICY)).toBe(true)
    keeping.failure = refusal('FILE_WRITE_FAILED') as never
    expect(await keeping.isRecent(1, feed(MINUTE), POLICY)).toBe(false)
  })
})
