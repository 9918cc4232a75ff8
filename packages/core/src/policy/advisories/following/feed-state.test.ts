import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { chmod, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { ADVISORY_CHANNEL } from '../../../events.ts'
import { keyPair, type KeyPair } from '../../../testing/bundles.ts'
import { DENIED, FeedSite, pem, version } from '../../../testing/feeds.ts'
import { file, redirect, serve, type Answer } from '../../../testing/http-server.ts'
import { refusal } from '../../../testing/scratch.ts'
import type { CompiledPolicy } from '../../policy.ts'
import { exactName } from '../../revocations/revocation-list.ts'
import { writeFeedStatement } from '../feed-statement.ts'
import { advised } from './advised.ts'
import { FeedState } from './feed-state.ts'
import { configureAdvisories } from './settings.ts'
import type { FeedStanding } from './version.ts'

const HOUR = 3_600_000

/** What happens before a process replaces the kept copy. */
let beforeReplacing: () => Promise<void> = () => Promise.resolve()
vi.mock(import('../../../source/write-file.ts'), async (original) => {
  const { writeFileWhole, ...others } = await original()
  return {
    ...others,
    writeFileWhole: (path, bytes, what) => {
      const mayReplace = async (temporary: string) => {
        await beforeReplacing()
        return (await what.mayReplace?.(temporary)) ?? true
      }
      return writeFileWhole(path, bytes, { ...what, mayReplace })
    },
  }
})

let site: FeedSite
let directory: string
let publisher: KeyPair
let other: KeyPair
/** What the server answers. */
let answer: Answer
let asked: (string | undefined)[]
let origin: string

beforeEach(async () => {
  site = await FeedSite.create()
  ;({ directory, publisher, other } = site)
  asked = []
  beforeReplacing = () => Promise.resolve()
  const answering: Answer = (request, response) => {
    asked.push(request.headers['if-none-match'])
    answer(request, response)
  }
  origin = (await serve({ '/feed.jsonl': answering })).origin
})
afterEach(() => {
  vi.unstubAllEnvs()
  vi.useRealTimers()
  configureAdvisories({ refreshFirst: false })
})

const signed: FeedSite['signed'] = (...of) => site.signed(...of)
const policyWith = (feed: object) => site.policy(feed)

/** Follows a feed as a process would that begins now. */
class Process {
  readonly #policy: CompiledPolicy
  readonly #state: FeedState

  static async start(feed: object = { url: `${origin}/feed.jsonl` }): Promise<Process> {
    return new Process(await policyWith(feed))
  }

  private constructor(policy: CompiledPolicy) {
    this.#policy = policy
    this.#state = new FeedState(policy.advisories[0]!, policy)
  }

  async load(waits = true): Promise<FeedStanding> {
    const standing = await this.#state.standing(this.#policy.advisories[0]!, this.#policy, waits)
    this.#state.stop()
    return standing
  }
}

const etagged =
  (content: Buffer, etag: string): Answer =>
  (request, response) => {
    if (request.headers['if-none-match'] === etag) response.writeHead(304).end()
    else file(content, { etag })(request, response)
  }
const never: Answer = () => {}
const endless: Answer = (_, response) => {
  const line = Buffer.alloc(1024 * 1024, '\n')
  const more = () => {
    while (!response.destroyed && response.write(line));
  }
  response.writeHead(200).on('drain', more)
  more()
}
const broken: Answer = (_, response) => void response.writeHead(500).end()

const inUse = (sequence: number) => ({ version: { sequence }, stale: undefined, failure: undefined })
const kept = async () => {
  const names = await readdir(join(directory, 'cache/advisories'))
  return join(directory, 'cache/advisories', names[0] ?? '')
}
const later = (milliseconds: number) => vi.setSystemTime(Date.now() + milliseconds)

test('new versions and failures are published', async () => {
  const told: unknown[] = []
  const listener = (message: unknown) => void told.push(message)
  subscribe(ADVISORY_CHANNEL, listener)
  onTestFinished(() => void unsubscribe(ADVISORY_CHANNEL, listener))
  vi.useFakeTimers({ toFake: ['Date'] })
  configureAdvisories({ refreshFirst: true })
  const source = `${origin}/feed.jsonl`
  answer = broken
  await (await Process.start()).load()
  // Another one, because this one now rests.
  const process = await Process.start()
  const digest: unknown = expect.stringMatching(/^[0-9a-f]{64}$/)
  for (const sequence of [2, 1, 3]) {
    later(6 * 60_000)
    answer = file(signed(version(sequence)))
    await process.load()
  }
  expect(told).toEqual([
    { source, error: expect.objectContaining({ code: 'HTTP_RESPONSE' }) as unknown },
    { source, feed: 'acme', sequence: 2, digest },
    { source, feed: 'acme', sequence: 2, error: expect.objectContaining({ code: 'ADVISORY_ROLLBACK' }) as unknown },
    { source, feed: 'acme', sequence: 3, digest },
  ])
})

describe('a feed with a URL', () => {
  test('is fetched by the first load, and not again before it may be outdated', async () => {
    answer = file(signed(version(1)))
    const process = await Process.start()
    const { version: first } = await process.load()
    expect(first).toMatchObject({ feed: 'acme', sequence: 1 })
    expect(first?.denied.always(exactName('root', DENIED))).toBe(true)
    await process.load()
    expect(asked).toHaveLength(1)
  })

  test('is looked for again in the background, and what was known is used meanwhile', async () => {
    answer = etagged(signed(version(1)), '"1"')
    const process = await Process.start()
    await process.load()
    vi.useFakeTimers({ toFake: ['Date'] })
    later(6 * 60_000)
    answer = etagged(signed(version(2)), '"2"')
    expect(await process.load()).toMatchObject(inUse(1))
    await vi.waitFor(async () => expect(await process.load()).toMatchObject(inUse(2)), { timeout: 20_000 })
    expect(asked).toEqual([undefined, '"1"'])
  })

  test('is confirmed by an answer that it has not changed', async () => {
    answer = etagged(signed(version(1)), '"1"')
    const process = await Process.start({ url: `${origin}/feed.jsonl`, maxAge: '1h' })
    await process.load()
    vi.useFakeTimers({ toFake: ['Date'] })
    later(2 * HOUR)
    const { version: confirmed, stale } = await process.load()
    expect(stale).toBeUndefined()
    expect(confirmed?.confirmedAt).toBeCloseTo(Date.now(), -4)
    expect(asked).toEqual([undefined, '"1"'])
  })

  test('is not confirmed by such an answer to a question that was not asked', async () => {
    answer = (_, response) => void response.writeHead(304).end()
    const { version: none, stale, failure } = await (await Process.start()).load()
    expect(none).toBeUndefined()
    expect(stale).toContain('no valid version')
    expect(failure).toEqual(refusal('HTTP_RESPONSE'))
  })

  test('is kept for later processes, which need no network', async () => {
    answer = file(signed(version(3)))
    await (await Process.start()).load()
    answer = broken
    expect(await (await Process.start()).load()).toMatchObject(inUse(3))
    expect(asked).toHaveLength(1)
  })

  test('is fetched before the kept copy is used where processes end soon', async () => {
    answer = file(signed(version(3)))
    await (await Process.start()).load()
    configureAdvisories({ refreshFirst: true })
    vi.useFakeTimers({ toFake: ['Date'] })
    later(6 * 60_000)
    answer = file(signed(version(4)))
    expect(await (await Process.start()).load()).toMatchObject(inUse(4))
    later(6 * 60_000)
    answer = never
    const before = performance.now()
    expect(await (await Process.start()).load()).toMatchObject({ ...inUse(4), failure: refusal('HTTP_TIMEOUT') })
    expect(performance.now() - before).toBeLessThan(6_000)
  }, 10_000)

  test('is not waited for if it arrives byte by byte', async () => {
    answer = file(signed(version(3)))
    await (await Process.start()).load()
    configureAdvisories({ refreshFirst: true })
    vi.useFakeTimers({ toFake: ['Date'] })
    later(6 * 60_000)
    const content = signed(version(4))
    answer = (_, response) => {
      let sent = 0
      response.writeHead(200)
      const timer = setInterval(() => response.write(content.subarray(sent, ++sent)), 50)
      response.on('close', () => {
        clearInterval(timer)
      })
    }
    const before = performance.now()
    expect(await (await Process.start()).load()).toMatchObject({ ...inUse(3), failure: refusal('HTTP_TIMEOUT') })
    expect(performance.now() - before).toBeLessThan(6_000)
  }, 10_000)

  test('is asked for once by loads at the same time', async () => {
    answer = file(signed(version(1)))
    const process = await Process.start()
    await Promise.all([process.load(), process.load(), process.load()])
    expect(asked).toHaveLength(1)
  })

  test('is not waited for again right after that failed', async () => {
    answer = broken
    const process = await Process.start()
    expect(await process.load()).toMatchObject({ failure: refusal('HTTP_RESPONSE') })
    expect(await process.load()).toMatchObject({ version: undefined, failure: refusal('HTTP_RESPONSE') })
    expect(asked).toHaveLength(1)
  })

  test('needs as many distinct signers as the policy says', async () => {
    const feed = { url: `${origin}/feed.jsonl`, signers: [{ key: 'a' }, { key: 'b' }], threshold: 2 }
    answer = file(signed(version(1), publisher, publisher))
    expect(await (await Process.start(feed)).load()).toMatchObject({ failure: refusal('SIGNATURE_THRESHOLD') })
    answer = file(signed(version(1), publisher, other))
    expect(await (await Process.start(feed)).load()).toMatchObject(inUse(1))
  })
})

describe('the entity tag of a feed', () => {
  const TAGS: [string, string | undefined][] = [
    ['"1"', '"1"'],
    ['W/"1"', 'W/"1"'],
    ['""', '""'],
    ['"\u00e4"', '"\u00e4"'],
    ['1', undefined],
    ['"1', undefined],
    ['"a b"', undefined],
    ['"1", "2"', undefined],
    ['*', undefined],
    ['"a\tb"', undefined],
    [`"${'a'.repeat(501)}"`, undefined],
    [`"${'a'.repeat(12_000)}"`, undefined],
  ]
  test.each(TAGS)('is sent back only if it is one: %j', async (etag, sent) => {
    answer = file(signed(version(1)), { etag })
    const process = await Process.start({ url: `${origin}/feed.jsonl`, maxAge: '1h' })
    expect(await process.load()).toMatchObject(inUse(1))
    vi.useFakeTimers({ toFake: ['Date'] })
    later(2 * HOUR)
    expect(await process.load()).toMatchObject(inUse(1))
    expect(asked).toEqual([undefined, sent])
    // What is kept has the same.
    later(2 * HOUR)
    expect(await (await Process.start({ url: `${origin}/feed.jsonl`, maxAge: '1h' })).load()).toMatchObject(inUse(1))
    expect(asked).toEqual([undefined, sent, sent])
  })

  test.each([
    ['\u0000', refusal('HTTP_UNREACHABLE')],
    ['\u0001', refusal('HTTP_UNREACHABLE')],
    ['\u007f', refusal('HTTP_UNREACHABLE')],
  ])('is not sent back if it has a control character: %j', async (character, failure) => {
    const content = signed(version(1))
    answer = ({ socket }) => {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${content.length}\r\nETag: "a${character}b"\r\n\r\n`, 'latin1')
      socket.end(content)
    }
    const process = await Process.start({ url: `${origin}/feed.jsonl`, maxAge: '1h' })
    expect(await process.load()).toMatchObject({ failure })
    vi.useFakeTimers({ toFake: ['Date'] })
    later(2 * HOUR)
    await process.load()
    expect(asked.every((etag) => etag === undefined)).toBe(true)
  })

  test.each<[string, string, string | undefined, number | undefined]>([
    ['is confirmed by an answer without one', '"1"', undefined, 1],
    ['is confirmed by the weak form of it', '"1"', 'W/"1"', 1],
    ['is not confirmed by an answer about another version', '"1"', '"2"', 2],
    ['is not confirmed by an answer with what is no tag', '"1"', 'unchanged', 2],
  ])('%s', async (_, etag, answered, sequence) => {
    answer = file(signed(version(1)), { etag })
    const process = await Process.start({ url: `${origin}/feed.jsonl`, maxAge: '1h' })
    await process.load()
    const next = signed(version(2))
    answer = (request, response) => {
      if (request.headers['if-none-match'] === undefined) file(next)(request, response)
      else response.writeHead(304, answered === undefined ? {} : { etag: answered }).end()
    }
    vi.useFakeTimers({ toFake: ['Date'] })
    later(2 * HOUR)
    expect(await process.load()).toMatchObject({ version: { sequence }, stale: undefined, failure: undefined })
  })

  test('that answers another version than it names is an error if nothing was asked about', async () => {
    answer = file(signed(version(1)), { etag: '"1"' })
    const process = await Process.start({ url: `${origin}/feed.jsonl`, maxAge: '1h' })
    await process.load()
    answer = (_, response) => void response.writeHead(304, { etag: '"2"' }).end()
    vi.useFakeTimers({ toFake: ['Date'] })
    later(2 * HOUR)
    expect(await process.load()).toMatchObject({
      version: { sequence: 1 },
      stale: expect.stringContaining('last confirmed'),
      failure: refusal('HTTP_RESPONSE'),
    })
    expect(asked).toEqual([undefined, '"1"', undefined])
  })

  test.each<[string, number, object]>([
    ['a newer version is used', 2, { version: { sequence: 2 }, failure: undefined }],
    ['changed content is not', 1, { version: { sequence: 1 }, failure: refusal('ADVISORY_ROLLBACK') }],
  ])('says nothing about content that comes with it: %s', async (_, sequence, expected) => {
    answer = file(signed(version(1)), { etag: '"1"' })
    const process = await Process.start({ url: `${origin}/feed.jsonl`, maxAge: '1h' })
    await process.load()
    answer = file(signed(version(sequence, { denied: {} })), { etag: '"1"' })
    vi.useFakeTimers({ toFake: ['Date'] })
    later(2 * HOUR)
    expect(await process.load()).toMatchObject(expected)
  })
})

describe('a redirect', () => {
  const moved = (location: string): Answer => redirect(location, 307)

  test.each<[string, () => string]>([
    ['to another origin', () => 'http://localhost:1/feed.jsonl'],
    ['to a file', () => 'file:///etc/passwd'],
    ['with credentials', () => origin.replace('//', '//user:password@')],
    ['to itself', () => '/feed.jsonl'],
    ['to nowhere', () => 'http://'],
  ])('%s is not followed', async (_, location) => {
    answer = moved(location())
    expect(await (await Process.start()).load()).toMatchObject({
      version: undefined,
      failure: refusal('HTTP_REDIRECT'),
    })
  })

  test('within its origin is followed', async () => {
    const content = signed(version(1))
    answer = (request, response) => {
      if (request.url?.includes('?') === true) file(content)(request, response)
      else moved('/feed.jsonl?latest')(request, response)
    }
    expect(await (await Process.start()).load()).toMatchObject(inUse(1))
  })
})

describe('with ifStale: warn, a feed', () => {
  const feed = () => ({ url: `${origin}/feed.jsonl`, ifStale: 'warn', maxAge: '1h' })

  test('that was never seen refuses nothing, and the verdict says so', async () => {
    answer = broken
    const { refusal: refused, warnings, advisories } = await advised(await site.policy(feed()), undefined)
    expect(refused).toBeUndefined()
    expect(warnings).toMatchObject([{ code: 'MODELSEAL_ADVISORY_STALE' }])
    expect(advisories).toMatchObject([{ stale: true, error: { code: 'HTTP_RESPONSE' } }])
  })

  test('that is too old still denies what it denied', async () => {
    answer = file(signed(version(1)))
    await (await Process.start(feed())).load()
    vi.useFakeTimers({ toFake: ['Date'] })
    later(2 * HOUR)
    answer = broken
    const { revocations, refusal: refused, warnings } = await advised(await site.policy(feed()), undefined)
    expect(refused).toBeUndefined()
    expect(warnings).toMatchObject([{ code: 'MODELSEAL_ADVISORY_STALE' }])
    expect(revocations.concernsModels).toBe(true)
  })
})

describe('the version in use stays', () => {
  test.each<[string, string, () => Answer]>([
    ['an older one comes', 'ADVISORY_ROLLBACK', () => file(signed(version(1)))],
    [
      'one with the same sequence and other content comes',
      'ADVISORY_ROLLBACK',
      () => file(signed(version(2, { denied: {} }))),
    ],
    ['another feed comes', 'ADVISORY_INVALID', () => file(signed(version(3, { feed: 'else' })))],
    ['somebody else signed a new one', 'SIGNER_NOT_TRUSTED', () => file(signed(version(3), other))],
    ['the new one is truncated', 'ADVISORY_INVALID', () => file(signed(version(3)).subarray(0, -20))],
    ['the new one is no feed', 'ADVISORY_INVALID', () => file('<html>')],
    ['the new one is empty', 'ADVISORY_INVALID', () => file('')],
    [
      'its lines sign different statements',
      'ADVISORY_INVALID',
      () => file(Buffer.concat([signed(version(3)), signed(version(4))])),
    ],
    [
      'the new one is of another version of the format',
      'ADVISORY_INVALID',
      () => {
        const statement = writeFeedStatement(version(3)).toString().replace('advisory-feed:0.1', 'advisory-feed:0.2')
        return file(site.signedStatement(Buffer.from(statement)))
      },
    ],
    [
      'the new one is too large',
      'ADVISORY_TOO_LARGE',
      () => (_, response) => response.writeHead(200, { 'content-length': 2 ** 27 }).flushHeaders(),
    ],
    ['the new one never ends', 'ADVISORY_TOO_LARGE', () => endless],
    ['the server redirects to another origin', 'HTTP_REDIRECT', () => redirect('https://models.example/feed.jsonl')],
    ['the server fails', 'HTTP_RESPONSE', () => broken],
    ['the feed is gone', 'HTTP_RESPONSE', () => (_, response) => void response.writeHead(404).end()],
    ['the server ends the connection', 'HTTP_UNREACHABLE', () => (request) => void request.socket.destroy()],
  ])('if %s (%s)', async (_, code, next) => {
    const feed = { url: `${origin}/feed.jsonl`, maxAge: '1h' }
    answer = file(signed(version(2)))
    const process = await Process.start(feed)
    await process.load()
    vi.useFakeTimers({ toFake: ['Date'] })
    later(0.5 * HOUR)
    answer = next()
    await process.load()
    await vi.waitFor(
      async () =>
        expect(await process.load()).toMatchObject({ version: { sequence: 2 }, stale: undefined, failure: { code } }),
      4_000,
    )
    // What is kept is still good, too.
    expect(await (await Process.start(feed)).load()).toMatchObject({ version: { sequence: 2 }, stale: undefined })
    // Until it is too old.
    later(0.6 * HOUR)
    expect(await process.load()).toMatchObject({
      version: { sequence: 2 },
      stale: expect.stringContaining('last confirmed'),
    })
  })
})

describe('a version may not be relied on', () => {
  test('once it has expired, even if it is the current one', async () => {
    answer = file(signed(version(1, { expires: new Date(Date.now() + HOUR).toISOString() })))
    const process = await Process.start()
    expect(await process.load()).toMatchObject(inUse(1))
    vi.useFakeTimers({ toFake: ['Date'] })
    later(2 * HOUR)
    expect(await process.load()).toMatchObject({ version: { sequence: 1 }, stale: expect.stringContaining('expired') })
  })

  test('if it was issued in the future', async () => {
    const issued = new Date(Date.now() + 48 * HOUR).toISOString()
    answer = file(signed(version(1, { issued })))
    expect(await (await Process.start()).load()).toMatchObject({ stale: expect.stringContaining('future') })
  })

  test('if the clock was ahead when it was confirmed', async () => {
    const content = version(1)
    vi.useFakeTimers({ toFake: ['Date'] })
    const now = Date.now()
    later(3 * HOUR)
    answer = file(signed(content))
    await (await Process.start()).load()
    vi.setSystemTime(now)
    answer = broken
    expect(await (await Process.start()).load()).toMatchObject({ stale: expect.stringContaining('in the future') })
  })
})

describe('the kept copy counts as absent', () => {
  test.each<[string, (path: string) => Promise<unknown>]>([
    [
      'if it was edited',
      async (path) => writeFile(path, (await readFile(path, 'latin1')).replace('payload":"', 'payload":"A')),
    ],
    ['if its first line was damaged', async (path) => writeFile(path, (await readFile(path, 'latin1')).slice(5))],
    ...['-1e400', '-1e300', '1e400', '-1'].map((time): [string, (path: string) => Promise<unknown>] => [
      `if its time is ${time}`,
      async (path) =>
        writeFile(path, (await readFile(path, 'latin1')).replace(/"confirmedAt":\d+/, `"confirmedAt":${time}`)),
    ]),
    ['if others can read it', (path) => chmod(path, 0o640)],
    ['if others can write to it', (path) => chmod(path, 0o666)],
    ['if it is a directory', async (path) => rm(path).then(() => mkdir(path))],
  ])('%s', async (_, damage) => {
    answer = file(signed(version(5)))
    await (await Process.start()).load()
    await damage(await kept())
    answer = broken
    expect(await (await Process.start()).load()).toMatchObject({
      version: undefined,
      failure: { code: 'HTTP_RESPONSE' },
    })
  })

  test('if the policy trusts other signers now', async () => {
    answer = file(signed(version(5)))
    await (await Process.start()).load()
    const path = await kept()
    await writeFile(join(directory, 'a.pub'), pem(keyPair()))
    answer = broken
    expect(await (await Process.start()).load()).toMatchObject({ version: undefined })
    expect(await kept()).toBe(path)
  })
})

test('a process learns of a later version that another one has kept', async () => {
  answer = file(signed(version(1)))
  const first = await Process.start()
  await first.load()
  vi.useFakeTimers({ toFake: ['Date'] })
  // The clock stands still: a look that came to nothing would never be due again.
  const looksAgain = async (process: Process) => {
    later(6 * 60_000)
    return process.load()
  }
  answer = file(signed(version(7)))
  const second = await Process.start()
  await vi.waitFor(async () => expect(await looksAgain(second)).toMatchObject(inUse(7)), { timeout: 20_000 })
  // A server that lags behind, or an attacker.
  answer = file(signed(version(6)))
  await vi.waitFor(
    async () =>
      expect(await looksAgain(first)).toMatchObject({
        version: { sequence: 7 },
        failure: refusal('ADVISORY_ROLLBACK'),
      }),
    { timeout: 20_000 },
  )
})

test('a key that was replaced does not count for a policy that is asked for at the same time as the one before', async () => {
  answer = file(signed(version(5)))
  const feed = { url: `${origin}/feed.jsonl` }
  await (await Process.start(feed)).load()
  const before = await policyWith(feed)
  await writeFile(join(directory, 'a.pub'), pem(other))
  const after = await policyWith(feed)
  expect(after.advisories[0]!.id).toBe(before.advisories[0]!.id)
  const state = new FeedState(after.advisories[0]!, after)
  onTestFinished(() => state.stop())
  const [now, then] = await Promise.all(
    [after, before].map(async (one) => state.standing(one.advisories[0]!, one, true)),
  )
  expect(then).toMatchObject({ version: { sequence: 5 } })
  expect(now).toMatchObject({ version: undefined })
})

test('a later version that another process has kept is not overwritten by confirming an older one', async () => {
  answer = etagged(signed(version(1)), '"1"')
  const first = await Process.start()
  await first.load()
  vi.useFakeTimers({ toFake: ['Date'] })
  later(6 * 60_000)
  configureAdvisories({ refreshFirst: true })
  answer = file(signed(version(7)))
  expect(await (await Process.start()).load()).toMatchObject(inUse(7))
  // A server that lags behind, or an attacker.
  answer = etagged(signed(version(1)), '"1"')
  expect(await first.load()).toMatchObject(inUse(7))
  expect(await (await Process.start()).load()).toMatchObject({ version: { sequence: 7 } })
})

test('another feed that another process has kept is not used instead', async () => {
  answer = file(signed(version(5)))
  const first = await Process.start()
  await first.load()
  await rm(await kept())
  vi.useFakeTimers({ toFake: ['Date'] })
  later(6 * 60_000)
  configureAdvisories({ refreshFirst: true })
  answer = file(signed(version(9, { feed: 'other' })))
  expect(await (await Process.start()).load()).toMatchObject(inUse(9))
  expect(await first.load()).toMatchObject({
    version: { feed: 'acme', sequence: 5 },
    failure: refusal('ADVISORY_INVALID'),
  })
})

test('two processes may keep a copy at once', async () => {
  answer = file(signed(version(1)))
  const processes = await Promise.all(Array.from({ length: 8 }, () => Process.start()))
  await Promise.all(processes.map((process) => process.load()))
  answer = broken
  expect(await (await Process.start()).load()).toMatchObject(inUse(1))
})

test('a slow process does not replace a later version that another one has kept meanwhile', async () => {
  const slow = await Process.start()
  const fast = await Process.start()
  const [first, second] = [signed(version(1)), signed(version(2))]
  answer = file(first)
  // Right before the slow process renames its file.
  let isFirst = true
  beforeReplacing = async () => {
    if (!isFirst) return
    isFirst = false
    answer = file(second)
    expect(await fast.load()).toMatchObject(inUse(2))
  }
  expect(await slow.load()).toMatchObject(inUse(2))
  answer = broken
  expect(await (await Process.start()).load()).toMatchObject(inUse(2))
})

test('what may end this process is told of a later version only once later processes begin with it', async () => {
  answer = file(signed(version(1)))
  const process = await Process.start()
  await process.load()
  vi.useFakeTimers({ toFake: ['Date'] })
  later(6 * 60_000)
  answer = file(signed(version(2)))
  const [writing, written] = [Promise.withResolvers<undefined>(), Promise.withResolvers<undefined>()]
  beforeReplacing = () => {
    writing.resolve(undefined)
    return written.promise
  }
  await process.load(false)
  await writing.promise
  // A load uses it at once.
  expect(await process.load()).toMatchObject(inUse(2))
  let isTold = false
  const told = process.load(false).finally(() => (isTold = true))
  expect(await (await Process.start()).load()).toMatchObject({ version: { sequence: 1 } })
  expect(isTold).toBe(false)
  written.resolve(undefined)
  expect(await told).toMatchObject(inUse(2))
  answer = broken
  expect(await (await Process.start()).load()).toMatchObject({ version: { sequence: 2 } })
})

test('a disk that hangs does not hide a later version for long', async () => {
  answer = file(signed(version(1)))
  const process = await Process.start()
  await process.load()
  vi.useFakeTimers({ toFake: ['Date'] })
  later(6 * 60_000)
  answer = file(signed(version(2)))
  const written = Promise.withResolvers<undefined>()
  onTestFinished(() => {
    written.resolve(undefined)
  })
  beforeReplacing = () => written.promise
  await vi.waitFor(async () => expect(await process.load(false)).toMatchObject(inUse(2)), { timeout: 20_000 })
}, 30_000)

test('a feed that cannot be kept is followed all the same', async () => {
  await chmod(join(directory, 'cache'), 0o777)
  answer = file(signed(version(1)))
  expect(await (await Process.start()).load()).toMatchObject({ ...inUse(1), notKept: refusal('CACHE_UNSAFE') })
})

describe('a feed in a file', () => {
  const feed = { file: 'feed.jsonl' }
  const put = (content: Buffer | string) => writeFile(join(directory, 'feed.jsonl'), content)

  test('is read again whenever it changes', async () => {
    await put(signed(version(1)))
    const process = await Process.start(feed)
    expect(await process.load()).toMatchObject(inUse(1))
    await put(signed(version(2)))
    expect(await process.load()).toMatchObject(inUse(2))
    expect(await process.load()).toMatchObject(inUse(2))
  })

  test('is not followed back', async () => {
    await put(signed(version(2)))
    const process = await Process.start(feed)
    await process.load()
    await put(signed(version(1)))
    expect(await process.load()).toMatchObject({ version: { sequence: 2 }, failure: refusal('ADVISORY_ROLLBACK') })
    // Not by a later process either.
    expect(await (await Process.start(feed)).load()).toMatchObject({ failure: refusal('ADVISORY_ROLLBACK') })
  })

  test('must be there, and nobody else may be able to write to it', async () => {
    const process = await Process.start(feed)
    expect(await process.load()).toMatchObject({ version: undefined, failure: refusal('FILE_NOT_FOUND') })
    await put(signed(version(1)))
    await chmod(join(directory, 'feed.jsonl'), 0o666)
    expect(await process.load()).toMatchObject({ version: undefined, failure: refusal('POLICY_UNTRUSTED') })
  })
})

test('only the kept copy has the feed file, for other processes and policies', async () => {
  answer = etagged(signed(version(1)), '"1"')
  const first = await Process.start()
  const { version: known } = await first.load()
  expect(known).toMatchObject({ sequence: 1, bytes: undefined })
  expect((await readFile(await kept())).includes('"payload"')).toBe(true)
})

test('a feed whose kept copy is gone is fetched and kept again', async () => {
  answer = etagged(signed(version(1)), '"1"')
  const first = await Process.start()
  await first.load()
  await rm(await kept())
  vi.useFakeTimers({ toFake: ['Date'] })
  configureAdvisories({ refreshFirst: true })
  for (let round = 0; round < 2; round++) {
    later(6 * 60_000)
    expect(await first.load()).toMatchObject(inUse(1))
  }
  expect(asked).toEqual([undefined, '"1"', undefined])
  answer = broken
  expect(await (await Process.start()).load()).toMatchObject({ version: { sequence: 1 }, stale: undefined })
})

test('a feed that cannot be kept stays in memory', async () => {
  await rm(join(directory, 'cache'), { recursive: true })
  await writeFile(join(directory, 'cache'), '')
  const content = signed(version(1))
  answer = file(content)
  const { version: known, notKept } = await (await Process.start()).load()
  expect(notKept?.code).toBe('CACHE_UNSAFE')
  expect(known?.bytes).toEqual(content)
})
