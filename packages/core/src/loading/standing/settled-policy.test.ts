import { utimesSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { loadPolicy } from '../../policy/load-policy.ts'
import type { CompiledPolicy } from '../../policy/policy.ts'
import type { WatchedPolicy } from '../../policy/watching/watch-policy.ts'
import { DENIED, FeedSite, version as feedVersion } from '../../testing/feeds.ts'
import { refusal, scratch } from '../../testing/scratch.ts'
import type { JudgedBy } from '../judging/judged-by.ts'
import { currentVersion } from './current-version.ts'
import { settledPolicy } from './settled-policy.ts'

const PATIENCE = 60_000
const TEXT = '{ version: 1, rules: [{ name: r, match: { path: models }, mode: skip, reason: ours }] }'

/** A policy that was written so many seconds ago. */
async function written(secondsAgo: number): Promise<CompiledPolicy> {
  const path = `${scratch({ 'p.yaml': TEXT })}/p.yaml`
  const time = Date.now() / 1_000 - secondsAgo
  utimesSync(path, time, time)
  return (await loadPolicy(path)) as CompiledPolicy
}

const watched = (...versions: unknown[]) => {
  const current = vi.fn<() => Promise<unknown>>()
  for (const version of versions) current.mockImplementationOnce(() => Promise.resolve(version))
  return { current } as unknown as WatchedPolicy
}

describe('a watched policy', () => {
  test('has a version that was written long enough ago', async () => {
    const [old, older] = [await written(60), await written(90)]
    const given = watched(old, old, older, old)
    expect(await settledPolicy(given, PATIENCE)).toEqual({ version: { given, read: old, number: 1 }, later: undefined })
    expect((await settledPolicy(given, PATIENCE)).version).toMatchObject({ read: old, number: 1 })
    expect((await settledPolicy(given, PATIENCE)).version).toMatchObject({ read: older, number: 2 })
    // What comes back is a later version.
    expect((await settledPolicy(given, PATIENCE)).version).toMatchObject({ read: old, number: 3 })
  })

  test.each([0, -3_600])('has none that has just been written, or will have been: %i', async (secondsAgo) => {
    const [old, fresh] = [await written(60), await written(secondsAgo)]
    const { version, later } = await settledPolicy(watched(fresh), PATIENCE)
    expect(version).toBeUndefined()
    expect(later).toBeInstanceOf(Promise)
    const given = watched(old, fresh, old)
    await settledPolicy(given, PATIENCE)
    const second = await settledPolicy(given, PATIENCE)
    expect(second.version).toMatchObject({ read: old, number: 1 })
    expect(second.later).toBeInstanceOf(Promise)
    expect(await settledPolicy(given, PATIENCE)).toMatchObject({ version: { read: old, number: 3 }, later: undefined })
  })

  test('keeps its version while the next one cannot be read, or is not read soon', async () => {
    const old = await written(60)
    const given = watched(old, {}, undefined)
    vi.mocked(given.current).mockImplementationOnce(() => Promise.reject(new Error('broken')))
    await settledPolicy(given, PATIENCE)
    for (let count = 0; count < 3; count++)
      expect(await settledPolicy(given, PATIENCE)).toMatchObject({ version: { read: old }, later: undefined })
    vi.mocked(given.current).mockImplementation(() => new Promise(() => {}))
    const { version, later } = await settledPolicy(given, 1)
    expect(version).toMatchObject({ read: old })
    expect(later).toBeInstanceOf(Promise)
    expect((await settledPolicy(watched(), 1)).version).toBeUndefined()
    const unread = watched()
    vi.mocked(unread.current).mockImplementation(() => new Promise(() => {}))
    const none = await settledPolicy(unread, 1)
    expect(none.version).toBeUndefined()
    expect(none.later).toBeInstanceOf(Promise)
  })
})

describe('the version by which a model is judged now', () => {
  test('is the policy itself if it is not watched', async () => {
    const read = await written(0)
    const by: JudgedBy = { given: read, read, number: 1, versions: '' }
    const found = { ...by, policy: read }
    expect(await currentVersion(by)).toEqual({ version: found, later: undefined })
    expect((await currentVersion(by)).version.policy).toBe(read)
  })

  test('denies what the feeds of the policy deny, whose versions it names', async () => {
    const site = await FeedSite.create()
    onTestFinished(() => void vi.unstubAllEnvs())
    const file = join(site.directory, 'feed.jsonl')
    const read = await site.policy({ file })
    const by: JudgedBy = { given: read, read, number: 1, versions: '' }
    const names = new Set<string>()
    for (const [number, denied] of [DENIED, 'cd'.repeat(32)].entries()) {
      await writeFile(file, site.signed(feedVersion(number + 1, { denied: { rootDigests: [denied] } })))
      const { version } = await currentVersion(by)
      expect(version).toMatchObject({ given: read, read, number: 1 })
      expect(version.policy.revocations.rootDigest(denied, undefined)).toEqual(refusal('MODEL_REVOKED'))
      names.add(version.versions)
    }
    expect(names.size).toBe(2)
    expect(read.revocations.concernsModels).toBe(false)
  })

  test('is the newest of a watched one, but never older than the one by which it was judged', async () => {
    const [old, newer] = [await written(90), await written(60)]
    const given = watched(newer, newer)
    const by: JudgedBy = { given, read: old, number: 1, versions: '' }
    const { version } = await currentVersion(by)
    expect(version).toMatchObject({ given, read: newer, number: 1, versions: '', policy: newer })
    const later: JudgedBy = { ...by, number: 5 }
    expect((await currentVersion(later)).version).toMatchObject({ read: old, number: 5, policy: old })
  })

  test('is the one by which it was judged until another one has settled', async () => {
    const [old, fresh] = [await written(90), await written(0)]
    const given = watched(fresh)
    const { version, later } = await currentVersion({ given, read: old, number: 1, versions: '' })
    expect(version).toMatchObject({ read: old, policy: old })
    expect(later).toBeInstanceOf(Promise)
  })
})
