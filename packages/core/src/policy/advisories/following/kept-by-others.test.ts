import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { ModelSealError } from '../../../errors.ts'
import { ADVISORY_CHANNEL } from '../../../events.ts'
import { FeedSite, version } from '../../../testing/feeds.ts'
import { refusal } from '../../../testing/scratch.ts'
import { onPolicyChange } from '../../watching/changes.ts'
import { FeedPlace } from './feed-place.ts'
import { FeedState } from './feed-state.ts'
import type { Looked } from './fetch-feed.ts'
import { configureAdvisories } from './settings.ts'
import type { FeedStanding } from './version.ts'

let site: FeedSite
/** What comes of the next look at the source. */
let outcome: () => Promise<Looked>
/** What is told of new versions. */
let told: unknown[]
const changed = vi.fn()
onPolicyChange(changed)

beforeEach(async () => {
  site = await FeedSite.create()
  vi.useFakeTimers({ toFake: ['Date'] })
  configureAdvisories({ refreshFirst: true })
  vi.spyOn(FeedPlace.prototype, 'look').mockImplementation(() => outcome())
  told = []
  const listener = ({ sequence, error }: { sequence?: number; error?: unknown }) => {
    if (error === undefined) told.push(sequence)
  }
  subscribe(ADVISORY_CHANNEL, listener as never)
  onTestFinished(() => void unsubscribe(ADVISORY_CHANNEL, listener as never))
})
afterEach(() => {
  vi.restoreAllMocks()
  vi.unstubAllEnvs()
  vi.useRealTimers()
  configureAdvisories({ refreshFirst: false })
})

const serve = (sequence: number) => {
  const bytes = site.signed(version(sequence))
  outcome = () => Promise.resolve({ bytes, etag: undefined })
}
const fail = () => {
  outcome = () => Promise.reject(new ModelSealError('HTTP_RESPONSE', 'No.'))
}

/** Follows a feed as a process would that begins now. @returns what a load may rely on, some time after the one before */
async function startProcess(): Promise<() => Promise<FeedStanding>> {
  const policy = await site.policy({ url: 'https://models.example/feed.jsonl', refresh: '5m', maxAge: '1h' })
  const state = new FeedState(policy.advisories[0]!, policy)
  onTestFinished(() => state.stop())
  return async () => {
    vi.setSystemTime(Date.now() + 6 * 60_000)
    return state.standing(policy.advisories[0]!, policy, true)
  }
}

describe('a version that another process has kept is told as a new one', () => {
  test('if it is the first', async () => {
    serve(1)
    await (
      await startProcess()
    )()
    const load = await startProcess()
    fail()
    told = []
    changed.mockClear()
    expect(await load()).toMatchObject({ version: { sequence: 1 }, failure: refusal('HTTP_RESPONSE') })
    await load()
    expect([told, changed.mock.calls.length]).toEqual([[1], 1])
  })

  test('if it is later than the one in use, and than the one that is served', async () => {
    serve(1)
    const load = await startProcess()
    await load()
    serve(3)
    await (
      await startProcess()
    )()
    told = []
    changed.mockClear()
    serve(2)
    expect(await load()).toMatchObject({ version: { sequence: 3 }, failure: refusal('ADVISORY_ROLLBACK') })
    expect([told, changed.mock.calls.length]).toEqual([[3], 1])
  })
})
