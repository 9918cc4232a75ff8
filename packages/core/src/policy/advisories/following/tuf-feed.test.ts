import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { FeedSite, version } from '../../../testing/feeds.ts'
import { serve, type Answer } from '../../../testing/http-server.ts'
import { refusal } from '../../../testing/scratch.ts'
import { TestTuf, type Publication } from '../../../testing/tuf.ts'
import { FeedState } from './feed-state.ts'
import { configureAdvisories } from './settings.ts'
import type { FeedStanding } from './version.ts'

const HOUR = 3_600_000
const NAME = 'advisories.jsonl'

let site: FeedSite
let tuf: TestTuf
let place: { url: string; root: string; target: string }
let asked: string[]
/** Answers instead of the repository. */
let instead: Answer | undefined

beforeEach(async () => {
  site = await FeedSite.create()
  tuf = new TestTuf({ [NAME]: site.signed(version(1)) }, { version: 3 })
  await writeFile(join(site.directory, 'root.json'), tuf.anchor)
  asked = []
  instead = undefined
  const answering: Answer = (request, response) => {
    asked.push(request.url ?? '')
    ;(instead ?? tuf.answer)(request, response)
  }
  const { origin } = await serve(new Proxy<Record<string, Answer>>({}, { get: () => answering }))
  place = { url: origin, root: 'root.json', target: NAME }
  configureAdvisories({ refreshFirst: true })
})
afterEach(() => {
  vi.unstubAllEnvs()
  vi.useRealTimers()
  configureAdvisories({ refreshFirst: false })
})

/** Follows the feed as a process would that begins now. */
async function start(more: object = {}): Promise<() => Promise<FeedStanding>> {
  const policy = await site.policy({ tuf: place, maxAge: '1h', ...more })
  const state = new FeedState(policy.advisories[0]!, policy)
  return async () => state.standing(policy.advisories[0]!, policy, true)
}

function publish(sequence: number, publication?: Publication): void {
  tuf.publish({ [NAME]: site.signed(version(sequence)) }, publication)
}

const inUse = (sequence: number) => ({ version: { sequence }, stale: undefined, failure: undefined })
/** Later than `refresh`, and earlier than the metadata expires. */
const later = () => {
  vi.useFakeTimers({ toFake: ['Date'] })
  vi.setSystemTime(Date.now() + 10 * 60_000)
}

describe('a feed in a TUF repository', () => {
  test('is fetched, and again once there is a later version', async () => {
    const load = await start()
    expect(await load()).toMatchObject(inUse(1))
    later()
    publish(2)
    expect(await load()).toMatchObject(inUse(2))
  })

  test('is not fetched again if the metadata says that it is the same', async () => {
    const load = await start()
    await load()
    later()
    asked = []
    expect(await load()).toMatchObject(inUse(1))
    expect(asked).toEqual(['/2.root.json', '/timestamp.json'])
    // Nor by a later process.
    later()
    asked = []
    expect(await (await start())()).toMatchObject(inUse(1))
    expect(asked).toEqual(['/2.root.json', '/timestamp.json'])
  })

  test('follows the root from the one that the policy names', async () => {
    await (
      await start()
    )()
    later()
    publish(2, { newRoot: true })
    expect(await (await start())()).toMatchObject(inUse(2))
    later()
    asked = []
    expect(await (await start())()).toMatchObject(inUse(2))
    expect(asked).not.toContain('/2.root.json')
    expect(asked).toContain('/3.root.json')
  })

  test('may have its targets elsewhere', async () => {
    const [name, content] = [...tuf.files].find(([path]) => path.startsWith('targets/'))!
    tuf.files.delete(name)
    let served = content
    const { origin } = await serve({ [`/files/${name.slice(8)}`]: (_, response) => void response.end(served) })
    const tufElsewhere = { tuf: { ...place, targets: `${origin}/files/` } }
    served = Buffer.from('{}')
    expect(await (await start(tufElsewhere))()).toMatchObject({ failure: { code: 'TUF_INVALID' } })
    served = content
    expect(await (await start(tufElsewhere))()).toMatchObject(inUse(1))
  })

  test('must be signed by the signers of the policy all the same', async () => {
    tuf.publish({ [NAME]: site.signed(version(2), site.other) })
    expect(await (await start())()).toMatchObject({ version: undefined, failure: refusal('SIGNER_NOT_TRUSTED') })
  })

  test('must have a root', async () => {
    expect(await (await start({ tuf: { ...place, root: 'none.json' } }))()).toMatchObject({
      version: undefined,
      failure: refusal('FILE_NOT_FOUND'),
    })
  })
})

describe('the version in use stays', () => {
  test.each<[string, string, () => void]>([
    [
      'the metadata has expired',
      'TUF_EXPIRED',
      () => publish(2, { expires: { timestamp: new Date(Date.now() - HOUR) } }),
    ],
    ['the metadata is older', 'TUF_ROLLBACK', () => publish(2, { version: 2 })],
    ['somebody else signed the timestamp', 'TUF_SIGNATURE', () => publish(2, { forged: ['timestamp'] })],
    ['somebody else signed the targets', 'TUF_SIGNATURE', () => publish(2, { forged: ['targets'] })],
    ['the target is gone', 'TUF_INVALID', () => tuf.publish({ other: 'x' })],
    ['the feed is older', 'ADVISORY_ROLLBACK', () => publish(1)],
    [
      'the target was changed',
      'TUF_INVALID',
      () => {
        publish(2)
        for (const name of tuf.files.keys()) if (name.startsWith('targets/')) tuf.files.set(name, Buffer.from('{}'))
      },
    ],
    ['the server fails', 'HTTP_RESPONSE', () => (instead = (_, response) => void response.writeHead(500).end())],
    ['the server hangs', 'HTTP_TIMEOUT', () => (instead = () => {})],
    [
      'the metadata never ends',
      'TUF_INVALID',
      () =>
        (instead = (request, response) => {
          if (request.url?.endsWith('root.json') === true) return void response.writeHead(404).end()
          return void response.writeHead(200).end(Buffer.alloc(1024 * 1024, ' '))
        }),
    ],
    [
      'the server redirects to another origin',
      'HTTP_REDIRECT',
      () => (instead = (_, response) => void response.writeHead(302, { location: 'https://models.example/' }).end()),
    ],
  ])('if %s (%s)', async (_, code, change) => {
    await (
      await start()
    )()
    later()
    change()
    // A process that begins now knows what was there before, too.
    expect(await (await start())()).toMatchObject({ version: { sequence: 1 }, stale: undefined, failure: { code } })
  })
})

test.each(['2.root.json', 'timestamp.json'])('kept metadata of which %s was damaged is fetched again', async (name) => {
  await (
    await start()
  )()
  later()
  publish(2, { newRoot: true })
  expect(await (await start())()).toMatchObject(inUse(2))
  const directory = join(site.directory, 'cache/advisories')
  const path = join(directory, (await readdir(directory)).find((found) => found.endsWith('.tuf.json')) ?? '')
  const kept = JSON.parse(await readFile(path, 'utf8')) as { files: Record<string, string> }
  expect(kept.files[name]).toBeDefined()
  await writeFile(path, JSON.stringify({ ...kept, files: { ...kept.files, [name]: 'AAAA' } }))
  later()
  publish(3)
  expect(await (await start())()).toMatchObject(inUse(3))
})

test('metadata of TUF is kept for this user only', async () => {
  await (
    await start()
  )()
  const names = await readdir(join(site.directory, 'cache/advisories'))
  expect(names.filter((name) => name.endsWith('.tuf.json'))).toHaveLength(1)
})
