import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { FeedSite, version } from '../../../testing/feeds.ts'
import { serve, type Answer } from '../../../testing/http-server.ts'
import { refusal } from '../../../testing/scratch.ts'
import { onPolicyChange } from '../../watching/changes.ts'
import type { CompiledPolicy } from '../../policy.ts'
import { advised } from './advised.ts'
import { FeedState } from './feed-state.ts'
import type { FeedStanding } from './version.ts'

let site: FeedSite
let origin: string
let versions: Record<number, Buffer>
let asked: { at: number; prefer: string | undefined; etag: string | undefined; response: ServerResponse }[]
let answer: (request: IncomingMessage, response: ServerResponse, count: number) => void

beforeEach(async () => {
  site = await FeedSite.create()
  asked = []
  versions = {}
  const answering: Answer = (request, response) => {
    const { prefer, 'if-none-match': etag } = request.headers
    asked.push({ at: performance.now(), prefer: prefer as string | undefined, etag, response })
    answer(request, response, asked.length)
  }
  origin = (await serve({ '/feed.jsonl': answering })).origin
})
afterEach(() => {
  vi.unstubAllEnvs()
})

/** Follows the feed until the end of the test. */
async function follow(feed: object = {}): Promise<() => Promise<FeedStanding>> {
  const policy = await site.policy({ url: `${origin}/feed.jsonl`, ...feed })
  const state = new FeedState(policy.advisories[0]!, policy)
  onTestFinished(() => state.stop())
  return async () => state.standing(policy.advisories[0]!, policy, true)
}

const send = (response: ServerResponse, sequence: number, headers: object = {}) => {
  versions[sequence] ??= site.signed(version(sequence))
  response.writeHead(200, { etag: `"${sequence}"`, ...headers }).end(versions[sequence])
}
const same = (response: ServerResponse, headers: object = {}) => response.writeHead(304, { ...headers }).end()
const pause = (milliseconds: number) => new Promise((go) => setTimeout(go, milliseconds))
const granted = (seconds: number) => ({ 'preference-applied': `wait=${seconds}` })

describe('a server that waits for a change', () => {
  test('makes it known at once, however seldom the policy looks for one', async () => {
    const open: ServerResponse[] = []
    answer = (request, response) => {
      if (request.headers.prefer === undefined) send(response, 1)
      else open.push(response)
    }
    const load = await follow({ refresh: '5m' })
    expect(await load()).toMatchObject({ version: { sequence: 1 } })
    for (const sequence of [2, 3]) {
      await vi.waitFor(() => expect(open).toHaveLength(1), 3_000)
      const changed = new Promise<number>((resolve) => onPolicyChange(() => resolve(performance.now())))
      const pushed = performance.now()
      send(open.pop()!, sequence, granted(30))
      expect((await changed) - pushed).toBeLessThan(500)
      expect(await load()).toMatchObject({ version: { sequence } })
    }
    await vi.waitFor(() => expect(open).toHaveLength(1), 3_000)
    expect(asked.map(({ prefer, etag }) => [prefer, etag])).toEqual([
      [undefined, undefined],
      ['wait=30', '"1"'],
      ['wait=30', '"2"'],
      ['wait=30', '"3"'],
    ])
  })

  test('is asked to wait for no longer than policies allow', async () => {
    answer = (_, response) => send(response, 1)
    await (
      await follow({ refresh: '7s' })
    )()
    await vi.waitFor(() => expect(asked.at(-1)?.prefer).toBe('wait=7'), 3_000)
    await (
      await follow({ refresh: '10s', maxAge: '10s' })
    )()
    await vi.waitFor(() => expect(asked.at(-1)?.prefer).toBe('wait=5'), 3_000)
  })

  test('is not asked in a busy loop if it answers at once', async () => {
    answer = (_, response, count) => (count === 1 ? send(response, 1) : same(response, granted(30)))
    await (
      await follow({ refresh: '5m' })
    )()
    await pause(3_000)
    expect(asked).toHaveLength(2)
  })

  test('is asked twice a second if it always has something new', async () => {
    answer = (_, response, count) => send(response, count, granted(30))
    await (
      await follow({ refresh: '5m' })
    )()
    await pause(4_000)
    expect(asked.length).toBeGreaterThan(4)
    expect(asked.length).toBeLessThan(18)
  })

  test('is not waited for by a load', async () => {
    answer = (request, response) => {
      if (request.headers.prefer === undefined) send(response, 1)
    }
    const load = await follow({ refresh: '4s', maxAge: '4s' })
    await load()
    await vi.waitFor(() => expect(asked).toHaveLength(2), 3_000)
    await once(asked[1]!.response, 'close', { signal: AbortSignal.timeout(100) }).catch(() => {})
    expect(asked[1]!.response.destroyed).toBe(false)
    vi.useFakeTimers({ toFake: ['Date'] })
    onTestFinished(() => void vi.useRealTimers())
    vi.setSystemTime(Date.now() + 5_000)
    const before = performance.now()
    expect(await load()).toMatchObject({ version: { sequence: 1 }, stale: undefined })
    expect(performance.now() - before).toBeLessThan(1_000)
    expect(asked.map(({ prefer }) => prefer)).toEqual([undefined, 'wait=2', undefined])
  })

  test('is asked as others are once a long request broke off', { timeout: 20_000 }, async () => {
    answer = (request, response) => {
      if (request.headers.prefer !== undefined) setTimeout(() => response.destroy(), 1_500)
      else if (request.headers['if-none-match']) same(response)
      else send(response, 1)
    }
    const load = await follow({ refresh: '5m' })
    await load()
    await vi.waitFor(async () => expect(await load()).toMatchObject({ failure: refusal('HTTP_UNREACHABLE') }), 5_000)
    expect(await load()).toMatchObject({ version: { sequence: 1 }, stale: undefined })
    await vi.waitFor(async () => expect(await load()).toMatchObject({ failure: undefined }), 9_000)
    expect(asked.at(-1)).toMatchObject({ prefer: undefined, etag: '"1"' })
  })
})

describe('a server that does not wait', () => {
  test('is asked as often as the policy says', async () => {
    answer = (_, response, count) => (count === 1 ? send(response, 1) : same(response))
    await (
      await follow({ refresh: '1s' })
    )()
    await pause(4_500)
    expect(asked.length).toBeGreaterThanOrEqual(4)
    expect(asked.length).toBeLessThanOrEqual(7)
  })

  test('is asked again though it never had a version', async () => {
    answer = (_, response, count) => (count === 1 ? response.writeHead(500).end() : send(response, 1))
    const load = await follow({ refresh: '1s' })
    expect(await load()).toMatchObject({ version: undefined, failure: refusal('HTTP_RESPONSE') })
    await vi.waitFor(() => expect(asked.length).toBeGreaterThan(1), 20_000)
    await vi.waitFor(
      async () => expect(await load()).toMatchObject({ version: { sequence: 1 }, failure: undefined }),
      20_000,
    )
    expect(asked.map(({ prefer, etag }) => [prefer, etag]).slice(0, 2)).toEqual(Array(2).fill([undefined, undefined]))
  })

  test('is not asked to if it does not identify versions', async () => {
    answer = (_, response) => void response.writeHead(200).end(site.signed(version(1)))
    await (
      await follow({ refresh: '1s' })
    )()
    await vi.waitFor(() => expect(asked.length).toBeGreaterThan(2), 4_000)
    expect(asked.every(({ prefer }) => prefer === undefined)).toBe(true)
  })
})

describe('many feeds of one policy', () => {
  const COUNT = 100

  async function many(answers: Answer): Promise<{ policy: CompiledPolicy; most: () => number }> {
    let open = 0
    let most = 0
    const counted: Answer = (request, response) => {
      open += 1
      most = Math.max(most, open)
      response.on('close', () => (open -= 1))
      answers(request, response)
    }
    const names = Array.from({ length: COUNT }, (_, index) => `/${index}.jsonl`)
    const server = await serve(Object.fromEntries(names.map((name) => [name, counted])))
    const policy = await site.policy(...names.map((name) => ({ url: `${server.origin}${name}`, refresh: '1h' })))
    return { policy, most: () => most }
  }

  test('are fetched a few at a time, and not waited for once they are known', { timeout: 20_000 }, async () => {
    const content = site.signed(version(1))
    const { policy, most } = await many((_, response) => void setTimeout(() => response.end(content), 20))
    const { revocations, refusal: refused, advisories } = await advised(policy, undefined)
    expect(refused).toBeUndefined()
    expect(advisories).toHaveLength(COUNT)
    expect(revocations.concernsModels).toBe(true)
    expect(most()).toBeLessThanOrEqual(8)
    const before = performance.now()
    for (let loads = 0; loads < 10; loads++) await advised(policy, undefined)
    expect((performance.now() - before) / 10).toBeLessThan(50)
  })

  test('do not wait for others whose servers hang', { timeout: 30_000 }, async () => {
    const content = site.signed(version(1))
    const { policy } = await many((request, response) => {
      if (!/^\/1?\d\.jsonl$/.test(request.url ?? '')) response.end(content)
    })
    const before = performance.now()
    const { advisories, refusal: refused } = await advised(policy, undefined)
    expect(performance.now() - before).toBeLessThan(12_000)
    expect(refused).toEqual(refusal('ADVISORY_STALE'))
    expect(advisories.filter(({ stale }) => stale)).toHaveLength(20)
  })
})
