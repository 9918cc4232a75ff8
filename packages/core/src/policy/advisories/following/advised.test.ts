import { chmod, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { DENIED, FeedSite, version } from '../../../testing/feeds.ts'
import { serve } from '../../../testing/http-server.ts'
import { refusal } from '../../../testing/scratch.ts'
import { advised, advisedSoFar } from './advised.ts'
import { FeedState } from './feed-state.ts'
import { advisorySettings, configureAdvisories } from './settings.ts'

let site: FeedSite
beforeEach(async () => {
  site = await FeedSite.create()
})
afterEach(() => {
  vi.unstubAllEnvs()
  vi.useRealTimers()
})

const put = (content: Buffer | string, name = 'feed.jsonl') => writeFile(join(site.directory, name), content)
const FEED = { file: 'feed.jsonl' }
const source = () => join(site.directory, 'feed.jsonl')

describe('the feeds of a policy', () => {
  test('add what they deny, and are in the verdict', async () => {
    const content = version(3)
    await put(site.signed(content))
    const policy = await site.policy(FEED)
    const { revocations, advisories, versions, warnings, refusal: refused } = await advised(policy, undefined)
    expect([refused, warnings]).toEqual([undefined, []])
    expect(versions).toMatch(/^[0-9a-f]{64}$/)
    const { feed, sequence, issued, expires } = content
    expect(advisories).toEqual([
      {
        source: source(),
        feed,
        sequence,
        issued,
        expires,
        stale: false,
        confirmedAt: expect.stringMatching(/^\d{4}-.*Z$/) as string,
      },
    ])
    const when = { earliest: -Infinity, latest: Infinity }
    expect(revocations.rootDigest(DENIED, when)?.code).toBe('MODEL_REVOKED')
    expect(policy.revocations.rootDigest(DENIED, when)).toBeUndefined()
  })

  test('are told apart by their versions', async () => {
    await put(site.signed(version(1)))
    await put(site.signed(version(1, { feed: 'other' })), 'other.jsonl')
    const policy = await site.policy(
      FEED,
      { file: 'other.jsonl', ifStale: 'warn' },
      { file: 'none.jsonl', ifStale: 'warn' },
    )
    const { versions, advisories } = await advised(policy, undefined)
    expect(versions).toMatch(/^[0-9a-f]{64},[0-9a-f]{64},$/)
    expect(advisories.map(({ feed, stale }) => [feed, stale])).toEqual([
      ['acme', false],
      ['other', false],
      [undefined, true],
    ])
    expect((await advised(policy, undefined)).versions).toBe(versions)
    await put(site.signed(version(2)))
    expect((await advised(policy, undefined)).versions).not.toBe(versions)
  })

  test('are known without waiting, too', async () => {
    await put(site.signed(version(1)))
    expect(await advisedSoFar(await site.policy(FEED))).toMatchObject({ advisories: [{ sequence: 1 }] })
    const { origin } = await serve({ '/feed.jsonl': () => {} })
    const before = performance.now()
    const policy = await site.policy({ url: `${origin}/feed.jsonl` })
    expect((await advisedSoFar(policy)).refusal).toEqual(refusal('ADVISORY_STALE'))
    expect(performance.now() - before).toBeLessThan(5_000)
  })

  test('are not asked for once that was aborted', async () => {
    await put(site.signed(version(1)))
    const policy = await site.policy(FEED)
    await expect(advised(policy, AbortSignal.abort())).rejects.toEqual(refusal('ABORTED'))
    const controller = new AbortController()
    const asking = advised(policy, controller.signal)
    controller.abort()
    await expect(asking).rejects.toEqual(refusal('ABORTED'))
    const { signal } = new AbortController()
    const remove = vi.spyOn(signal, 'removeEventListener')
    expect(await advised(policy, signal)).toMatchObject({ advisories: [{ sequence: 1 }] })
    expect(remove.mock.calls).toEqual([['abort', expect.any(Function)]])
  })
})

describe('a feed that may not be relied on', () => {
  test('refuses everything, and says why it could not be read', async () => {
    const { refusal: refused, advisories, warnings } = await advised(await site.policy(FEED), undefined)
    expect(refused).toEqual(
      refusal('ADVISORY_STALE', {
        file: source(),
        expected: 'a valid version of it that was the current one at most 24h ago',
        message: expect.stringContaining('no valid version') as string,
        hint: expect.stringMatching(/The last attempt to get it failed: .* Check that the file/) as string,
        cause: refusal('FILE_NOT_FOUND'),
      }),
    )
    expect(advisories).toEqual([
      { source: source(), stale: true, error: expect.objectContaining({ code: 'FILE_NOT_FOUND' }) as object },
    ])
    expect(warnings).toEqual([])
  })

  test('that has expired is in the verdict all the same', async () => {
    await put(site.signed(version(1, { issued: '2026-01-01T00:00:00Z', expires: '2026-01-02T00:00:00Z' })))
    const { refusal: refused, advisories } = await advised(await site.policy(FEED), undefined)
    expect(refused).toEqual(
      refusal('ADVISORY_STALE', { hint: expect.stringMatching(/^Check that the file/) as string }),
    )
    expect(refused?.cause).toBeUndefined()
    expect(advisories).toMatchObject([{ sequence: 1, stale: true }])
    expect(advisories[0]).not.toHaveProperty('error')
  })

  test('is a warning if the policy says so', async () => {
    const policy = await site.policy({ ...FEED, ifStale: 'warn' })
    const { refusal: refused, warnings, revocations } = await advised(policy, undefined)
    expect(refused).toBeUndefined()
    expect(revocations.rootDigest(DENIED, undefined)).toBeUndefined()
    expect(warnings).toEqual([
      { code: 'MODELSEAL_ADVISORY_STALE', message: expect.stringContaining('no valid version') as string },
    ])
  })

  test('refuses for the first of several', async () => {
    await put(site.signed(version(1)))
    const policy = await site.policy(FEED, { file: 'a.jsonl' }, { file: 'b.jsonl' })
    expect((await advised(policy, undefined)).refusal?.file).toBe(join(site.directory, 'a.jsonl'))
  })
})

describe('a new version that cannot be used', () => {
  test.each(['x', ''])('is a warning while the one before may be relied on: %j', async (content) => {
    await put(site.signed(version(1)))
    const policy = await site.policy(FEED)
    await advised(policy, undefined)
    await put(content)
    const { refusal: refused, warnings, advisories } = await advised(policy, undefined)
    expect(refused).toBeUndefined()
    expect(warnings.map(({ code }) => code)).toEqual(['MODELSEAL_ADVISORY_REFUSED'])
    expect(advisories).toMatchObject([{ sequence: 1, stale: false, error: { code: 'ADVISORY_INVALID' } }])
  })
})

test('a file that cannot be read any more is no warning while its last version may be relied on', async () => {
  await put(site.signed(version(1)))
  const policy = await site.policy(FEED)
  await advised(policy, undefined)
  await rm(source())
  const { refusal: refused, warnings, advisories } = await advised(policy, undefined)
  expect([refused, warnings]).toEqual([undefined, []])
  expect(advisories).toMatchObject([{ sequence: 1, error: { code: 'FILE_NOT_FOUND' } }])
})

test('a feed that cannot be kept is a warning', async () => {
  await chmod(join(site.directory, 'cache'), 0o777)
  await put(site.signed(version(1)))
  const { refusal: refused, warnings } = await advised(await site.policy(FEED), undefined)
  expect(refused).toBeUndefined()
  expect(warnings).toEqual([
    {
      code: 'MODELSEAL_ADVISORY_NOT_KEPT',
      message: expect.stringMatching(/^Cannot keep the advisory feed .*: ./) as string,
    },
  ])
})

test('beyond 256 feeds, the least recently used are forgotten', async () => {
  const policy = await site.policy(FEED)
  const feed = policy.advisories[0]!
  const nothing = { version: undefined, stale: undefined, failure: undefined, notKept: undefined }
  const standing = vi.spyOn(FeedState.prototype, 'standing').mockReturnValue(nothing)
  const stop = vi.spyOn(FeedState.prototype, 'stop')
  onTestFinished(() => {
    standing.mockRestore()
    stop.mockRestore()
  })
  const ask = async (name: number) => {
    const advisories = [{ ...feed, id: `${name}`, source: join(site.directory, `${name}`) }]
    await advised(Object.create(policy, { advisories: { value: advisories } }) as typeof policy, undefined)
    return stop.mock.calls.length
  }
  for (let name = 0; name < 256; name++) await ask(name)
  stop.mockClear()
  expect(await ask(0)).toBe(0)
  expect(await ask(256)).toBe(1)
  expect([await ask(0), await ask(256), await ask(2)]).toEqual([1, 1, 1])
  expect(await ask(1)).toBe(2)
})

describe('the settings of a process', () => {
  test('are the usual ones unless it says otherwise', () => {
    expect(advisorySettings.refreshFirst).toBe(false)
    configureAdvisories({ refreshFirst: true })
    expect(advisorySettings.refreshFirst).toBe(true)
    configureAdvisories()
    expect(advisorySettings.refreshFirst).toBe(false)
  })

  test('are refused if they are none', () => {
    for (const given of [{ refreshFirst: 1 }, { refresh: true }, 'x'])
      expect(() => configureAdvisories(given as never)).toThrow(refusal('INVALID_ARGUMENT'))
    expect(() => configureAdvisories({ refresh: true } as never)).toThrow('configureAdvisories')
  })
})
