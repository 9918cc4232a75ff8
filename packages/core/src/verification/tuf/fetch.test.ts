import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { refusal, scratch } from '../../testing/scratch.ts'
import { serving } from '../../testing/serving.ts'
import { TestTuf } from '../../testing/tuf.ts'
import { fetchRecord } from './fetch.ts'
import type { TufRecord } from './record-text.ts'
import { recordPath, verifyRecord } from './record.ts'
import type { TufRepository } from './repository.ts'

const ROOT = Buffer.from('{"a":1}')
const CONFIG = Buffer.from('{"b":2}')
const BOTH = { 'trusted_root.json': ROOT, 'signing_config.v0.2.json': CONFIG }
const LIMITS = { timeoutMs: 20_000 }

/** Where the library keeps its files for a while. */
let directory: string
beforeEach(() => {
  vi.stubEnv('MODELSEAL_CACHE', join(scratch(), 'cache'))
  directory = scratch()
  vi.stubEnv('TMPDIR', directory)
})
afterEach(() => void vi.unstubAllEnvs())

async function served(tuf = new TestTuf(BOTH)) {
  const asked: string[] = []
  const folders = new Set<string>()
  const url = await serving((request, response) => {
    asked.push(request.url ?? '')
    readdirSync(directory).forEach((name) => folders.add(name))
    tuf.answer(request, response)
  })
  const repository: TufRepository = { name: 'ours', url, anchor: tuf.anchor, included: undefined }
  const fetched = (known?: TufRecord, limits: Parameters<typeof fetchRecord>[2] = LIMITS) =>
    fetchRecord(repository, known, limits)
  return { tuf, repository, asked, folders, fetched }
}

describe('the content of a repository', () => {
  test('is fetched with all the metadata that proves it, and leaves no files behind', async () => {
    const { tuf, repository, asked, folders, fetched } = await served()
    const before = Date.now()
    const record = await fetched()
    expect(Date.parse(record.fetched)).toBeGreaterThanOrEqual(before)
    expect(record).toMatchObject({
      roots: [tuf.anchor],
      timestamp: tuf.files.get('timestamp.json'),
      snapshot: tuf.files.get('1.snapshot.json'),
      targets: tuf.files.get('1.targets.json'),
      trustedRoot: ROOT,
      signingConfig: CONFIG,
    })
    expect((await verifyRecord(record, repository)).root).toEqual(tuf.anchor)
    expect(asked.filter((path) => path.includes('targets/'))).toHaveLength(2)
    expect([...folders]).toEqual([expect.stringMatching(/^modelseal-tuf-./)])
    expect(readdirSync(directory)).toEqual([])
  })

  test('may lack the services to sign with', async () => {
    const { fetched } = await served(new TestTuf({ 'trusted_root.json': ROOT }))
    expect((await fetched()).signingConfig).toBeUndefined()
  })

  test('is fetched again from the newest root that is known, and with all the roots', async () => {
    const { tuf, asked, fetched, repository } = await served()
    tuf.publish(BOTH, { newRoot: true })
    const known = await fetched()
    const roots = (count: number) =>
      Array.from({ length: count }, (_, index) => tuf.files.get(`${index + 1}.root.json`))
    expect(known.roots).toEqual(roots(2))
    tuf.publish(BOTH, { newRoot: true })
    asked.length = 0
    const next = await fetched(known)
    expect(next.roots).toEqual(roots(3))
    expect(asked).not.toContain('/2.root.json')
    expect((await verifyRecord(next, repository)).root).toEqual(tuf.files.get('3.root.json'))
  })

  test('is fetched with the tenth root, and those after it', async () => {
    const { tuf, repository } = await served()
    for (let count = 1; count < 10; count++) tuf.publish(BOTH, { newRoot: true })
    const [ninth = tuf.anchor, tenth = tuf.anchor] = ['9.root.json', '10.root.json'].map((name) => tuf.files.get(name))
    expect((await fetchRecord({ ...repository, anchor: ninth }, undefined, LIMITS)).roots).toEqual([ninth, tenth])
    expect((await fetchRecord({ ...repository, anchor: tenth }, undefined, LIMITS)).roots).toEqual([tenth])
  })

  test('is refused if it is older than what is known', async () => {
    const { tuf, fetched } = await served()
    const first = [...tuf.files]
    tuf.publish(BOTH)
    const known = await fetched()
    for (const [name, bytes] of first) tuf.files.set(name, bytes)
    await expect(fetched(known)).rejects.toThrow(refusal('TUF_ROLLBACK', { file: undefined }))
    expect((await fetched()).timestamp).toEqual(tuf.files.get('timestamp.json'))
  })

  test('is fetched only as far as it has changed', async () => {
    const { asked, fetched } = await served()
    const known = await fetched()
    asked.length = 0
    await fetched(known)
    expect(asked.filter((path) => /snapshot|[.]targets[.]json/.test(path))).toEqual([])
  })

  test('is not fetched from what is known unless that can be verified', async () => {
    const { asked, fetched, repository } = await served()
    const known = await fetched()
    asked.length = 0
    await expect(fetched({ ...known, trustedRoot: Buffer.from('{}') })).rejects.toThrow(
      refusal('TUF_INVALID', { file: recordPath(repository.url) }),
    )
    expect(asked).toEqual([])
    expect(readdirSync(directory)).toEqual([])
  })

  test('is refused without a trusted root', async () => {
    const { fetched, repository } = await served(new TestTuf({ 'signing_config.v0.2.json': CONFIG }))
    await expect(fetched()).rejects.toThrow(
      refusal('TUF_INVALID', {
        found: '"Missing trusted_root.json in targets"',
        message: expect.stringContaining(`"${repository.url}"`),
      }),
    )
    expect(readdirSync(directory)).toEqual([])
  })
})

describe('a file of a repository', () => {
  test('is refused if the server has more than expected', async () => {
    const { tuf, fetched, repository } = await served()
    tuf.files.set('timestamp.json', Buffer.alloc(100_000, ' '))
    await expect(fetched()).rejects.toThrow(
      refusal('TUF_INVALID', {
        found: expect.stringMatching(/^"it has more than the expected \d+ bytes"$/),
        message: expect.stringContaining(`${repository.url}/timestamp.json`),
      }),
    )
  })

  test.each([
    ['/timestamp.json', 404],
    ['/timestamp.json', 500],
    ['/2.root.json', 500],
    ['/2.root.json', 401],
    ['/1.snapshot.json', 404],
    ['/1.targets.json', 500],
    ['/targets/', 404],
  ])('%s that the server refuses with status %i fails the fetch', async (path, status) => {
    const tuf = new TestTuf(BOTH)
    const url = await serving((request, response) => {
      if (request.url?.startsWith(path)) response.writeHead(status).end()
      else tuf.answer(request, response)
    })
    const repository = { name: 'ours', url, anchor: tuf.anchor, included: undefined }
    await expect(fetchRecord(repository, undefined, LIMITS)).rejects.toThrow(
      refusal('SERVICE_REFUSED', {
        message: expect.stringContaining(`The TUF repository "${url}" refused`),
        found: expect.stringMatching(`^HTTP status ${status} for "${url}${path}`),
        hint: expect.stringContaining('stays in use'),
      }),
    )
  })

  test.each([404, 403])('that would be the next root is missing with status %i', async (status) => {
    const tuf = new TestTuf(BOTH)
    const url = await serving((request, response) => {
      if (request.url === '/2.root.json') response.writeHead(status).end()
      else tuf.answer(request, response)
    })
    const repository = { name: 'ours', url, anchor: tuf.anchor, included: undefined }
    expect((await fetchRecord(repository, undefined, LIMITS)).roots).toEqual([tuf.anchor])
  })

  test('that is named like a root is none', async () => {
    const tuf = new TestTuf(BOTH)
    const url = await serving((request, response) => {
      if (request.url === '/x/2.root.json/timestamp.json') response.writeHead(404).end()
      else tuf.answer(Object.assign(request, { url: request.url?.replace('/x/2.root.json', '') }), response)
    })
    const repository = { name: 'ours', url: `${url}/x/2.root.json`, anchor: tuf.anchor, included: undefined }
    await expect(fetchRecord(repository, undefined, LIMITS)).rejects.toThrow(refusal('SERVICE_REFUSED'))
  })

  test('is awaited for as long as the caller says', async () => {
    const url = await serving(() => {})
    const { anchor } = new TestTuf(BOTH)
    const repository = { name: 'ours', url, anchor, included: undefined }
    await expect(fetchRecord(repository, undefined, { timeoutMs: 100 })).rejects.toThrow(
      refusal('SERVICE_UNREACHABLE', {
        message: expect.stringContaining('TUF repository'),
        found: '"no answer within 0.1 s"',
      }),
    )
    const { fetched } = await served()
    await expect(fetched(undefined, { ...LIMITS, signal: AbortSignal.abort() })).rejects.toThrow(refusal('ABORTED'))
  })

  test.each(['/timestamp.json', '/1.snapshot.json', '/1.targets.json'])('%s may not be cut off', async (path) => {
    const tuf = new TestTuf(BOTH)
    const url = await serving((request, response) => {
      if (request.url === path) response.destroy()
      else tuf.answer(request, response)
    })
    const repository = { name: 'ours', url, anchor: tuf.anchor, included: undefined }
    await expect(fetchRecord(repository, undefined, LIMITS)).rejects.toThrow(
      refusal('SERVICE_UNREACHABLE', { message: expect.stringContaining(`${url}${path}`) }),
    )
  })

  test('is not fetched from another place', async () => {
    const away = await served()
    const url = await serving((request, response) => {
      response.writeHead(302, { location: `${away.repository.url}${request.url ?? ''}` }).end()
    })
    await expect(fetchRecord({ ...away.repository, url }, undefined, LIMITS)).rejects.toThrow(
      refusal('SERVICE_UNREACHABLE', { found: '"unexpected redirect"' }),
    )
    expect(away.asked).toEqual([])
  })
})
