import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openVerifiedModel } from '../loading/open-verified-model.ts'
import type { OpenOptions } from '../loading/open-options.ts'
import { explain } from '../policy/explain.ts'
import { file, serve } from '../testing/http-server.ts'
import { memorySource } from '../testing/memory-source.ts'
import { refusal, scratch } from '../testing/scratch.ts'
import { TestSite } from '../testing/site.ts'
import { sourceContract, type SignedFiles } from '../testing/source-contract.ts'
import { localModelSource } from './local/local-model-source.ts'
import { httpModelSource } from './http/http-model-source.ts'
import type { ModelFiles, ModelSource, ReadRequest, Receive, SourceEntry, SourceSession } from './model-source.ts'
import { registerScheme } from './schemes.ts'

function onDisk(files: SignedFiles): ModelSource {
  const directory = scratch()
  for (const [name, bytes] of files) {
    mkdirSync(dirname(join(directory, name)), { recursive: true })
    writeFileSync(join(directory, name), bytes)
  }
  return localModelSource(directory)
}

/** Without `local`, so without threads, links and receipts. */
function asStreams({ place, open }: ModelSource): ModelSource {
  const plain = ({ path, name, isFile, read }: ModelFiles): ModelFiles => ({ path, name, isFile, read })
  return {
    place,
    open: async (load) => {
      const session = await open(load)
      return {
        timeouts: { idle: 10_000, total: 10_000 },
        model: async () => plain(await session.model()),
        bundles: (names) => session.bundles(names),
      }
    },
  }
}

sourceContract('a directory', onDisk)
sourceContract('a directory that is streamed', (files) => asStreams(onDisk(files)))
sourceContract('HTTP', async (files) => {
  const { origin } = await serve(
    Object.fromEntries(
      [...files].map(([name, bytes]) => [
        `/m/${name.split('/').map(encodeURIComponent).join('/')}`,
        (request, response) => {
          const [, start, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? []
          if (start === undefined) {
            file(bytes)(request, response)
            return
          }
          response.writeHead(206).end(bytes.subarray(Number(start), Number(last) + 1))
        },
      ]),
    ),
  )
  return httpModelSource(`${origin}/m/`)
})
sourceContract('memory', (files) => memorySource('store://models/vad', files))

describe('a source from another package', () => {
  let site: TestSite
  let policy: string
  let signed: Map<string, Uint8Array>

  beforeAll(async () => {
    site = await TestSite.make()
    await site.key('release')
    await site.model('model', { 'config.json': '{}', 'weights.bin': 'weights' })
    await site.sign('model', 'release', 'model.sig')
    const { readFileSync } = await import('node:fs')
    signed = new Map([
      ['config.json', Buffer.from('{}')],
      ['weights.bin', Buffer.from('weights')],
      ['model.sig', readFileSync(site.file('model.sig'))],
    ])
    policy = await site.policy({
      version: 1,
      trustRoots: { release: { publicKey: 'release.pub' } },
      rules: [{ name: 'store', match: { url: 'store://models/**' }, signers: [{ key: 'release' }] }],
    })
  })
  afterAll(() => site.remove())

  const URL = 'store://models/vad'
  const TIMEOUTS = { idle: 50, total: 1_000 }
  const never = () => new Promise<never>(() => {})
  const open = (given: { files?: Partial<ModelFiles>; session?: Partial<SourceSession> }, options: OpenOptions = {}) =>
    openVerifiedModel(memorySource(URL, signed, given), { policy, ...options })

  test('is matched by its URL, and the verdict records its revision', async () => {
    await using model = await open({ session: { revision: 'c0ffee' } })
    expect(model.verdict).toMatchObject({
      decision: 'accepted',
      model: { path: URL, url: URL, revision: 'c0ffee' },
      bundles: [{ path: `${URL}/model.sig`, counted: true }],
    })
  })

  test('is told the signed digests, for stores that address files by digest', async () => {
    const digests: string[] = []
    await using model = await open({
      files: {
        read: async ({ name, signed: content }, receive) => {
          digests.push(...(content?.digests ?? []))
          return receive({ chunks: [signed.get(name) ?? Buffer.alloc(0)] })
        },
      },
    })
    expect(digests).toHaveLength(model.files.length)
  })

  test('states digests and sizes, which refuse a model before its files are read', async () => {
    const weights = signed.get('weights.bin') ?? Buffer.alloc(0)
    const sha256 = createHash('sha256').update(weights).digest('hex')
    const asked: string[] = []
    const listing = (stated: Partial<SourceEntry>) => ({
      files: {
        list: () => [...signed.keys()].map((name) => (name === 'weights.bin' ? { name, ...stated } : { name })),
        read: async ({ name }: ReadRequest, receive: Receive) => {
          asked.push(name)
          return receive({ chunks: [name === 'weights.bin' ? Buffer.from('evil') : (signed.get(name) ?? weights)] })
        },
      },
    })
    const problem = { file: 'weights.bin', expected: `sha256:${sha256}` }
    const other = sha256.replace(/^./, (digit) => (digit === '0' ? '1' : '0'))
    const found = `sha256:${other}, as its source states`
    await expect(open(listing({ sha256: other }))).rejects.toEqual(refusal('FILE_MISMATCH', { ...problem, found }))
    expect(asked).toEqual([])
    // A matching or malformed statement proves nothing.
    for (const stated of [sha256, other.toUpperCase(), `${other}0`, 5 as never])
      await expect(open(listing({ sha256: stated }))).rejects.toEqual(refusal('FILE_MISMATCH', problem))
    expect(asked).toContain('weights.bin')
  })

  test('states digests of files that are not read, which count only for rules about the whole model', async () => {
    const list = () =>
      [...signed.keys()].map((name) => ({ name, sha256: name === 'config.json' ? '0'.repeat(64) : undefined }))
    await expect(open({ files: { list } })).rejects.toEqual(refusal('FILE_MISMATCH', { file: 'config.json' }))
    const rule = { name: 'any', match: { format: 'any' }, signers: [{ key: 'release' }], require: { files: 'loaded' } }
    const trustRoots = { release: { publicKey: 'release.pub' } }
    const loaded = await site.policy({ version: 1, trustRoots, rules: [rule] })
    await using model = await open({ files: { list } }, { policy: loaded })
    expect(Buffer.from(await model.read('weights.bin')).toString()).toBe('weights')
    await expect(model.read('config.json')).rejects.toEqual(refusal('FILE_MISMATCH', { file: 'config.json' }))
  })

  test('says what was requested, for the verdict', async () => {
    await using model = await open({ session: { revision: 'c0ffee', requested: 'main' } })
    expect(model.verdict.model).toMatchObject({ revision: 'c0ffee', requested: 'main' })
    expect(explain(model.verdict)).toContain('Its revision is "c0ffee", which "main" names.\n')
  })

  test.each([
    ['a branch', { revision: 'c0ffee', requested: 'main' }, '"main", which is currently "c0ffee"'],
    ['nothing that has revisions', {}, 'a location without revisions'],
    ['a commit', { revision: 'c0ffee', requested: 'c0ffee' }, undefined],
    ['a digest', { revision: 'sha256:c0ffee' }, undefined],
  ])('is named by %s, which a rule can refuse', async (_, session, found) => {
    const rule = { name: 'any', match: { format: 'any' }, signers: [{ key: 'release' }], require: { pinned: true } }
    const trustRoots = { release: { publicKey: 'release.pub' } }
    const pinned = await site.policy({ version: 1, trustRoots, rules: [rule] })
    const load = open({ session }, { policy: pinned })
    if (found === undefined) await (await load).close()
    else {
      const advice = found.includes('c0ffee') ? /^To load exactly that, write "c0ffee"/ : /^The rule/
      const hint = expect.stringMatching(advice) as string
      await expect(load).rejects.toEqual(refusal('REVISION_NOT_PINNED', { found, hint }))
    }
  })

  test('is closed once, with the model or after a refusal', async () => {
    let closed = 0
    const session = {
      close: () => {
        closed++
      },
    }
    const model = await open({ session })
    expect(closed).toBe(0)
    await model.close()
    expect(closed).toBe(1)
    await expect(open({ session, files: { list: () => [{ name: 'added' }] } })).rejects.toEqual(refusal('FILE_MISSING'))
    expect(closed).toBe(2)
  })

  async function* endless<T>(value: T): AsyncGenerator<T> {
    for (;;) yield await Promise.resolve(value)
  }

  function* endlessly<T>(value: T): Generator<T> {
    for (;;) yield value
  }

  test.each<[string, { files?: Partial<ModelFiles>; session?: Partial<SourceSession> }, string, OpenOptions?]>([
    ['lists a name that leads out of the model', { files: { list: () => [{ name: '../evil' }] } }, 'SOURCE_LISTING'],
    ['lists something that is not a name', { files: { list: () => [{ name: 5 as never }] } }, 'SOURCE_LISTING'],
    ['lists nothing', { files: { list: () => [] } }, 'FILE_MISSING'],
    [
      'lists endlessly',
      { files: { list: () => endlessly({ name: 'a' }) }, session: { timeouts: { idle: 1_000, total: 60_000 } } },
      'SOURCE_LISTING',
    ],
    ['lists slowly and endlessly', { files: { list: () => endless({ name: 'a' }) } }, 'SOURCE_TIMEOUT'],
    [
      'never returns its listing',
      { files: { list: () => ({ [Symbol.asyncIterator]: () => ({ next: never }) }) } },
      'SOURCE_TIMEOUT',
    ],
    [
      'fails to list',
      {
        files: {
          list: () => {
            throw new TypeError('broken')
          },
        },
      },
      'SOURCE_FAILED',
    ],
    ['never answers', { files: { read: never } }, 'SOURCE_TIMEOUT'],
    ['never returns the model', { session: { model: never } }, 'SOURCE_TIMEOUT'],
    ['fails', { files: { read: () => Promise.reject(new Error('broken')) } }, 'SOURCE_FAILED'],
    ['has no files', { files: { read: async () => undefined } }, 'FILE_MISSING'],
    [
      'returns something other than bytes',
      { files: { read: (_, receive) => receive({ chunks: ['text'] as never }) } },
      'SOURCE_FAILED',
    ],
    [
      'passes a file twice',
      {
        files: {
          read: async (_, receive) => (await receive({ chunks: [Buffer.from('{}')] }), receive({ chunks: [] })),
        },
      },
      'FILE_MISMATCH',
    ],
    [
      'announces too large a size',
      { files: { read: (_, receive) => receive({ size: 1e12, chunks: [] }) } },
      'FILE_TOO_LARGE',
    ],
    [
      'returns an endless file',
      { files: { read: (_, receive) => receive({ chunks: endless(Buffer.alloc(65_536)) }) } },
      'FILE_TOO_LARGE',
      { maxBytes: 1_000_000 },
    ],
    [
      'stops in the middle',
      { files: { read: (_, receive) => receive({ chunks: { [Symbol.asyncIterator]: () => ({ next: never }) } }) } },
      'SOURCE_TIMEOUT',
    ],
    [
      'hides the refusal of a file',
      { files: { read: (_, receive) => receive({ chunks: [] }).catch(() => undefined) } },
      'FILE_MISMATCH',
    ],
    ['returns endless places of bundles', { session: { bundles: () => endless({ candidates: [] }) } }, 'SOURCE_FAILED'],
    [
      'returns an endless bundle',
      {
        session: {
          bundles: () => [
            { candidates: [{ path: 'b', read: (_, receive) => receive({ chunks: endless(Buffer.alloc(65_536)) }) }] },
          ],
        },
      },
      'BUNDLE_TOO_LARGE',
      { maxBundleBytes: 1_000_000 },
    ],
    [
      'fails to read a bundle',
      {
        session: { bundles: () => [{ candidates: [{ path: 'b', read: () => Promise.reject(new Error('broken')) }] }] },
      },
      'SOURCE_FAILED',
    ],
  ])('is refused if it %s', async (_, given, code, options) => {
    const session = { ...(code === 'SOURCE_TIMEOUT' ? { timeouts: TIMEOUTS } : {}), ...given.session }
    await expect(open({ ...given, session }, options)).rejects.toEqual(refusal(code as never))
  })

  test('is refused if its place is missing or unreadable', async () => {
    for (const place of [{}, { path: '/a', url: URL }, { url: 'store://u:p@models/vad' }]) {
      const source = { ...memorySource(URL, signed), place: place as never }
      await expect(openVerifiedModel(source, { policy })).rejects.toEqual(refusal('INVALID_ARGUMENT'))
    }
  })

  test('cannot change bytes after they were hashed', async () => {
    const shared = Buffer.from('{}')
    await using model = await open({
      files: {
        read: async ({ name }, receive) => {
          if (name !== 'config.json') return receive({ chunks: [signed.get(name) ?? Buffer.alloc(0)] })
          shared.write('{}')
          await receive({ chunks: [shared] })
          shared.write('[]')
        },
      },
    })
    const { path } = await model.place(['config.json'], { isolation: 'copy' })
    expect(Buffer.from(await model.read('config.json')).toString()).toBe('{}')
    const { readFileSync } = await import('node:fs')
    expect(readFileSync(path('config.json'), 'utf8')).toBe('{}')
  })

  test('is used for URLs of the scheme that its package registered', async () => {
    registerScheme('store', (url) => memorySource(url, signed))
    registerScheme('store', () => memorySource('store://elsewhere', new Map()))
    await using model = await openVerifiedModel(URL, { policy })
    expect(model.verdict.decision).toBe('accepted')
    for (const scheme of ['https', 'file', 'Store', 's', ''])
      expect(() => registerScheme(scheme, () => memorySource(URL, signed))).toThrow(refusal('INVALID_ARGUMENT'))
  })

  test('is missing if no package registered the scheme', async () => {
    const load = openVerifiedModel('gs://bucket/model', { policy })
    // Must not name an unpublished package, because anyone could publish one under that name.
    const hint = expect.stringMatching(/registerScheme\('gs', …\)(?!.*@modelseal\/(?!core))/) as string
    await expect(load).rejects.toEqual(refusal('SCHEME_UNKNOWN', { hint }))
  })

  test.each([
    ['hf://org/model', '@modelseal/hub'],
    ['oci://registry.example/model:1', '@modelseal/hub'],
    ['s3://bucket/model', '@modelseal/s3'],
  ])('names the package for %s', async (url, name) => {
    const load = openVerifiedModel(url, { policy })
    const hint = `Install ${name}, and add \`import '${name}'\` to the program, or start it with "node --import ${name}".`
    await expect(load).rejects.toEqual(refusal('SCHEME_UNKNOWN', { hint }))
  })
})
