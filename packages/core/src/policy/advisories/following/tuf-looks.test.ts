import { chmod, readdir, readFile, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { serve, type Answer } from '../../../testing/http-server.ts'
import { refusal, scratch } from '../../../testing/scratch.ts'
import { TestTuf } from '../../../testing/tuf.ts'
import { MAX_FEED_BYTES } from '../feed-statement.ts'
import type { TufPlace } from '../followed-feed.ts'
import { TufDownload } from './tuf-download.ts'
import { TufFeed } from './tuf-feed.ts'

const ID = 'ab'.repeat(32)
const ASKING = { milliseconds: 60_000, isDetached: false }
const DAY = 86_400_000

let directory: string
let tuf: TestTuf
let place: TufPlace
let asked: string[]
/** Answers instead of the repository, if it does. */
let instead: (...of: Parameters<Answer>) => boolean

beforeEach(async () => {
  directory = scratch({ 'cache/.keep': '', 'tmp/.keep': '' })
  await chmod(join(directory, 'cache'), 0o700)
  vi.stubEnv('MODELSEAL_CACHE', join(directory, 'cache'))
  tuf = new TestTuf({ feed: 'one' }, { version: 3 })
  await writeFile(join(directory, 'root.json'), tuf.anchor)
  asked = []
  instead = () => false
  const answering: Answer = (request, response) => {
    asked.push(request.url ?? '')
    if (request.headers['cache-control'] !== 'no-cache') response.writeHead(400).end()
    else if (!instead(request, response)) tuf.answer(request, response)
  }
  const { origin } = await serve(new Proxy<Record<string, Answer>>({}, { get: () => answering }))
  place = { url: origin, root: join(directory, 'root.json'), target: 'feed', targets: `${origin}/targets` }
})
afterEach(() => void vi.unstubAllEnvs())

const start = () => new TufFeed(place, { id: ID, source: 'the feed' })
const content = async (feed: TufFeed) => (await feed.look(undefined, ASKING)).bytes?.toString()
const fails = (feed: TufFeed, code: string, more: object = {}) =>
  expect(feed.look(undefined, ASKING)).rejects.toEqual(refusal(code as 'TUF_INVALID', more))
const answerWith =
  (pattern: RegExp, status: number, body?: Buffer): typeof instead =>
  ({ url = '' }, response) => {
    if (!pattern.test(url)) return false
    response.writeHead(status).end(body)
    return true
  }

describe('a target of a TUF repository', () => {
  test('is fetched unless it is known', async () => {
    const feed = start()
    const { bytes, etag } = await feed.look(undefined, ASKING)
    expect(bytes?.toString()).toBe('one')
    expect(etag).toMatch(/^"[0-9a-f]{64}"$/)
    expect(asked.at(-1)).toBe(`/targets/${etag?.slice(1, -1)}.feed`)
    asked = []
    expect(await feed.look(etag, ASKING)).toEqual({ bytes: undefined, etag })
    expect(asked).toEqual(['/2.root.json', '/timestamp.json'])
    expect((await feed.look(`"${'a'.repeat(64)}"`, ASKING)).bytes?.toString()).toBe('one')
    tuf.publish({ feed: 'two' })
    expect((await feed.look(etag, ASKING)).bytes?.toString()).toBe('two')
  })

  test('is fetched each time if the metadata does not identify it by its SHA-256', async () => {
    tuf.publish({ feed: 'two' }, { hash: 'sha512' })
    const feed = start()
    const { bytes, etag } = await feed.look(undefined, ASKING)
    expect([bytes?.toString(), etag]).toEqual(['two', undefined])
    expect(await content(feed)).toBe('two')
  })

  test('must be one', async () => {
    place.target = 'other'
    await fails(start(), 'TUF_INVALID', { found: '"Missing other in targets"' })
  })

  test('has a largest size', async () => {
    const bytes = Buffer.alloc(MAX_FEED_BYTES + 1)
    tuf.publish({ feed: bytes })
    await fails(start(), 'ADVISORY_TOO_LARGE', { file: 'the feed' })
    expect(asked.some((url) => url.startsWith('/targets'))).toBe(false)
    tuf.publish({ feed: bytes.subarray(1) })
    expect((await start().look(undefined, ASKING)).bytes).toHaveLength(MAX_FEED_BYTES)
  })

  test('leaves no files behind', async () => {
    vi.stubEnv('TMPDIR', join(directory, 'tmp'))
    await content(start())
    tuf.publish({ other: 'x' })
    await fails(start(), 'TUF_INVALID')
    expect(await readdir(join(directory, 'tmp'))).toEqual(['.keep'])
  })

  test('is refused if its root exceeds the size limit of roots', async () => {
    await writeFile(place.root, Buffer.concat([tuf.anchor, Buffer.alloc(2 ** 23, ' ')]))
    await expect(start().look(undefined, ASKING)).rejects.toMatchObject({ file: place.root })
    expect(asked).toEqual([])
  })
})

describe('metadata that is older', () => {
  test('is refused, also by a later process', async () => {
    const feed = start()
    await content(feed)
    tuf.publish({ feed: 'old' }, { version: 2 })
    await fails(feed, 'TUF_ROLLBACK')
    await fails(start(), 'TUF_ROLLBACK')
  })

  test('is refused though nothing can be kept', async () => {
    await chmod(join(directory, 'cache'), 0o777)
    const feed = start()
    expect(await content(feed)).toBe('one')
    tuf.publish({ feed: 'old' }, { version: 2 })
    await fails(feed, 'TUF_ROLLBACK')
    expect(await content(start())).toBe('old')
  })

  test('is refused though only some of what is known was new', async () => {
    tuf.publish({ feed: 'two' }, { newRoot: true })
    await content(start())
    tuf.publish({ feed: 'three' })
    expect(await content(start())).toBe('three')
    tuf.publish({ feed: 'old' }, { version: 4 })
    await fails(start(), 'TUF_ROLLBACK')
  })

  test('is that of another repository if the root is another one', async () => {
    const feed = start()
    await content(feed)
    tuf = new TestTuf({ feed: 'elsewhere' })
    await writeFile(place.root, tuf.anchor)
    expect(await content(feed)).toBe('elsewhere')
    tuf.publish({ feed: 'more' })
    expect(await content(start())).toBe('more')
    tuf.publish({ feed: 'old' }, { version: 1 })
    await fails(start(), 'TUF_ROLLBACK')
  })

  test('is refused though an attempt ends late that began before', async () => {
    const feed = start()
    const held = Promise.withResolvers<undefined>()
    let isHeld = false
    instead = (request, response) => {
      if (isHeld || request.url !== '/3.targets.json') return false
      isHeld = true
      void held.promise.then(() => tuf.answer(request, response))
      return true
    }
    const slow = feed.look(undefined, ASKING)
    await vi.waitFor(() => expect(isHeld).toBe(true), 20_000)
    tuf.publish({ feed: 'two' }, { version: 9 })
    expect(await content(feed)).toBe('two')
    held.resolve(undefined)
    expect((await slow).bytes?.toString()).toBe('one')
    tuf.publish({ feed: 'old' }, { version: 5 })
    await fails(feed, 'TUF_ROLLBACK')
  })
})

test('what is kept is written only if it is new', async () => {
  const feed = start()
  await content(feed)
  const path = join(directory, 'cache/advisories', `${ID}.tuf.json`)
  await utimes(path, 1, 1)
  const kept = JSON.parse(await readFile(path, 'utf8')) as { files: object }
  expect(Object.keys(kept.files).sort()).toEqual(['snapshot.json', 'targets.json', 'timestamp.json'])
  await content(feed)
  await content(start())
  expect((await stat(path)).mtimeMs).toBe(1_000)
  tuf.publish({ feed: 'two' })
  await content(feed)
  expect((await stat(path)).mtimeMs).not.toBe(1_000)
})

test('later roots are fetched once, and verified from the first one each time', async () => {
  tuf.publish({ feed: 'two' }, { newRoot: true })
  const feed = start()
  for (const [one, roots] of [
    [feed, ['/2.root.json', '/3.root.json']],
    [feed, ['/3.root.json']],
    [start(), ['/3.root.json']],
  ] as const) {
    asked = []
    expect(await content(one)).toBe('two')
    expect(asked.filter((url) => url.includes('root'))).toEqual(roots)
  }
  // The root is another one now, which did not sign those that are known.
  const other = new TestTuf({ feed: 'x' })
  await writeFile(place.root, other.anchor)
  await fails(feed, 'TUF_SIGNATURE')
  tuf = other
  expect(await content(feed)).toBe('x')
})

test('there may be more than nine roots', async () => {
  for (let roots = 1; roots < 11; roots++) tuf.publish({ feed: 'two' }, { newRoot: true })
  for (const one of [start(), start()]) expect(await content(one)).toBe('two')
  expect(asked.filter((url) => url === '/11.root.json')).toHaveLength(1)
  expect(asked.filter((url) => url === '/12.root.json')).toHaveLength(2)
})

describe('a server', () => {
  test.each([403, 404])('may answer %d for what comes after the last root', async (status) => {
    instead = answerWith(/root\.json$/, status)
    expect(await content(start())).toBe('one')
  })

  test.each<[string, string, typeof instead]>([
    ['403 for other files', 'HTTP_RESPONSE', answerWith(/timestamp/, 403)],
    ['404 for other files', 'HTTP_RESPONSE', answerWith(/snapshot/, 404)],
    ['500 for roots', 'HTTP_RESPONSE', answerWith(/root\.json$/, 500)],
    ['too much', 'TUF_INVALID', answerWith(/timestamp/, 200, Buffer.alloc(1024 * 1024, ' '))],
  ])('must not answer %s', async (_, code, answering) => {
    instead = answering
    await fails(start(), code)
  })

  test('has time for all files together', async () => {
    instead = (request, response) => {
      setTimeout(() => tuf.answer(request, response), 150)
      return true
    }
    const time = (milliseconds: number) => start().look(undefined, { milliseconds, isDetached: false })
    await expect(time(500)).rejects.toEqual(refusal('HTTP_TIMEOUT'))
    expect((await time(30_000)).bytes?.toString()).toBe('one')
  })
})

test('only root metadata is taken from what is known, or may be absent', async () => {
  const known = new Map(['2.root.json', 'x2.root.json', '2.root.jsonx'].map((name) => [name, Buffer.from('known')]))
  const download = new TufDownload({ url: place.url, directory }, known, ASKING)
  expect((await download.downloadBytes(`${place.url}/2.root.json`, 100)).toString()).toBe('known')
  expect(asked).toEqual([])
  await expect(download.downloadBytes(`${place.url}/3.root.json`, 100)).rejects.toMatchObject({ statusCode: 404 })
  expect(download.failure).toBeUndefined()
  for (const path of ['targets/2.root.json', 'x2.root.json', '2.root.jsonx', 'targets/3.root.json'])
    await expect(download.downloadBytes(`${place.url}/${path}`, 100)).rejects.toEqual(refusal('HTTP_RESPONSE'))
  expect(download.failure).toEqual(refusal('HTTP_RESPONSE'))
  expect([...download.roots.keys()]).toEqual(['2.root.json'])
})

test('no file may be larger than the library allows', async () => {
  const download = new TufDownload({ url: place.url, directory }, new Map(), ASKING)
  const { length } = tuf.files.get('timestamp.json')!
  const url = `${place.url}/timestamp.json`
  expect(await download.downloadBytes(url, length)).toHaveLength(length)
  await expect(download.downloadBytes(url, length - 1)).rejects.toEqual(
    refusal('TUF_INVALID', { found: expect.stringContaining(`more than ${length - 1} bytes`) as string }),
  )
})

test('metadata that has expired is refused', async () => {
  tuf.publish({ feed: 'two' }, { expires: { snapshot: new Date(Date.now() - DAY) } })
  await fails(start(), 'TUF_EXPIRED')
})
