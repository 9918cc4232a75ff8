import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { file, redirect, serve, type Answer, type TestServer } from '../../testing/http-server.ts'
import { refusal } from '../../testing/scratch.ts'
import type { OpenOptions } from '../open-options.ts'
import { openVerifiedModel } from '../open-verified-model.ts'
import { TestSite } from '../../testing/site.ts'

let site: TestSite
let policy: string

const RELEASE = { release: { publicKey: 'release.pub' } }
const rule = (match: object, more: object = {}) => ({
  name: 'served',
  match,
  signers: [{ key: 'release' }],
  ...more,
})
const ANY = { url: 'http://127.0.0.1:*/**' }
const CONTENT = { 'config.json': '{}', 'weights.bin': 'weights'.repeat(100), 'shards/a b#1?%2e.bin': 'shard' }

beforeAll(async () => {
  site = await TestSite.make()
  await site.key('release')
  await site.key('stranger')
  policy = await site.policy({ version: 1, trustRoots: RELEASE, rules: [rule(ANY)] })
  await site.model('model', CONTENT)
  await site.sign('model', 'release', 'model/model.sig')
})
afterAll(() => site.remove())

/** All files of a directory of the site, below `/NAME`. */
function tree(name: string, at = `/${name}`): Record<string, Answer> {
  const root = site.file(name)
  return Object.fromEntries(
    readdirSync(root, { recursive: true, encoding: 'utf8' })
      .filter((entry) => statSync(join(root, entry)).isFile())
      .map((entry) => [
        `${at}/${entry.split('/').map(encodeURIComponent).join('/')}`,
        file(readFileSync(join(root, entry))),
      ]),
  )
}

function served(changes: Record<string, Answer> = {}): Promise<TestServer> {
  return serve({ ...tree('model'), ...changes })
}

/** Opens the model with some answers changed. */
async function opened(changes: Record<string, Answer>, options: OpenOptions = {}) {
  const { origin } = await served(changes)
  return openVerifiedModel(`${origin}/model/`, { policy, ...options })
}

describe('a model over HTTP', () => {
  test.each([
    ['a Git LFS pointer', 'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n', /Git LFS pointer/],
    ['a web page', '<!doctype html><title>Sign in</title>', /web page/],
  ])('is refused with a hint if it returns %s instead of a file', async (_, content, hint) => {
    await expect(opened({ '/model/weights.bin': file(content) })).rejects.toEqual(
      refusal('FILE_MISMATCH', { file: 'weights.bin', hint: expect.stringMatching(hint) as string }),
    )
    await expect(opened({ '/model/model.sig': file(content) })).rejects.toEqual(
      refusal('JSON_INVALID', { hint: expect.stringMatching(hint) as string }),
    )
  })

  test('is verified, and its files are read as signed', async () => {
    const { origin } = await served()
    await using model = await openVerifiedModel(`${origin}/model/`, { policy })
    expect(model.files).toEqual(Object.keys(CONTENT).sort())
    for (const [name, text] of Object.entries(CONTENT))
      expect(Buffer.from(await model.read(name)).toString()).toBe(text)
    expect(model.verdict).toMatchObject({
      decision: 'accepted',
      model: { path: `${origin}/model/`, url: `${origin}/model/`, name: 'model' },
      bundles: [{ path: `${origin}/model/model.sig`, counted: true }],
      files: { checked: 3, signed: 3 },
      bytes: Object.values(CONTENT).join('').length,
    })
  })

  test('is found by bundle names without wildcards: the usual ones, and those of the rule', async () => {
    const { '/model/model.sig': bundle = file(''), ...rest } = tree('model')
    const skill = await serve({ ...rest, '/model/skill.oms.sig': bundle })
    for (const path of ['model/', 'model/config.json']) {
      const { verdict } = await openVerifiedModel(`${skill.origin}/${path}`, { policy })
      expect(verdict.bundles).toMatchObject([{ path: `${skill.origin}/model/skill.oms.sig`, counted: true }])
    }
    const bundles = ['signatures/*.sig', 'signatures/a%b.sig']
    const named = await site.policy({ version: 1, trustRoots: RELEASE, rules: [rule(ANY, { bundle: bundles })] })
    const own = await serve({ ...rest, '/model/signatures/a%25b.sig': bundle })
    for (const path of ['model/', 'model/config.json'])
      expect((await openVerifiedModel(`${own.origin}/${path}`, { policy: named })).verdict.decision).toBe('accepted')
    expect(own.asked.filter((path) => path.includes('sig'))).toEqual(Array(2).fill('/model/signatures/a%25b.sig'))
    await expect(openVerifiedModel(`${own.origin}/model/`, { policy })).rejects.toEqual(refusal('BUNDLE_NOT_FOUND'))
    const wild = await site.policy({ version: 1, trustRoots: RELEASE, rules: [rule(ANY, { bundle: '*.sig' })] })
    await expect(openVerifiedModel(`${own.origin}/model/`, { policy: wild })).rejects.toEqual(
      refusal('BUNDLE_NOT_FOUND'),
    )
  })

  test.each([
    ['/model', true],
    ['/model/', false],
    ['/model.onnx', false],
  ])('without a bundle at %s, the hint about the slash of a directory is given: %s', async (place, isGiven) => {
    const { origin } = await serve({ '/model': file('a'), '/model.onnx': file('a') })
    const error: unknown = await openVerifiedModel(`${origin}${place}`, { policy }).catch((thrown: unknown) => thrown)
    expect(error).toEqual(refusal('BUNDLE_NOT_FOUND'))
    expect((error as Error).message.includes('If this is the URL of a directory, end it with "/".')).toBe(isGiven)
  })

  test('is found from one of its files, and only signed files are requested', async () => {
    const { origin, asked } = await served()
    await using model = await openVerifiedModel(`${origin}/model/config.json`, { policy }, (reader) =>
      Promise.resolve(reader.entry),
    )
    expect(model.gathered).toBe('config.json')
    expect(asked.sort()).toEqual([
      '/model/config.json',
      '/model/config.json.sig',
      '/model/model.sig',
      '/model/shards/a%20b%231%3F%252e.bin',
      '/model/weights.bin',
    ])
  })

  test('may have its bundle beside its directory', async () => {
    const { '/model/model.sig': bundle = file(''), ...rest } = tree('model')
    const { origin } = await serve({ ...rest, '/model.sig': bundle })
    await openVerifiedModel(`${origin}/model/`, { policy })
    await openVerifiedModel(`${origin}/model/weights.bin`, { policy })
  })

  test('is found from a file in a directory below', async () => {
    const { origin } = await served()
    await using model = await openVerifiedModel(`${origin}/model/shards/a%20b%231%3F%252e.bin`, { policy })
    expect(model.verdict.model.entry).toBe('shards/a b#1?%2e.bin')
  })

  test('may have its bundle wherever the caller says: a path, or another server', async () => {
    const { '/model/model.sig': bundle = file(''), ...rest } = tree('model')
    const { origin } = await serve(rest)
    const bundles = await serve({ '/bundles/1.sig': bundle })
    const signature = `${bundles.origin}/bundles/1.sig`
    await openVerifiedModel(`${origin}/model/`, { policy, signature })
    await openVerifiedModel(`${origin}/model/config.json`, { policy, signature })
    await openVerifiedModel(`${origin}/model/`, { policy, signature: site.file('model/model.sig') })
  })

  test('that is a single file is verified by the bundle beside it', async () => {
    await site.write('single.onnx', 'weights')
    await site.sign('single.onnx', 'release')
    const answers = {
      '/single.onnx': file('weights'),
      '/single.onnx.sig': file(readFileSync(site.file('single.onnx.sig'))),
    }
    const { origin } = await serve(answers)
    await using model = await openVerifiedModel(`${origin}/single.onnx`, { policy }, (reader) =>
      reader.read(reader.entry ?? ''),
    )
    expect(Buffer.from(model.gathered).toString()).toBe('weights')
  })

  test('keeps the query of its URL in requests, and never shows it', async () => {
    const { origin, asked } = await served()
    const { verdict } = await openVerifiedModel(`${origin}/model/?key=secret#part`, { policy })
    expect(asked.every((url) => url.endsWith('?key=secret'))).toBe(true)
    expect(JSON.stringify(verdict)).not.toContain('secret')
  })

  test('that was signed in shards, or with another algorithm, is verified', async () => {
    for (const options of [{ shardSize: 100 }, { hashType: 'blake2b' as const }]) {
      await site.sign('model', 'release', 'other.sig', options)
      const { origin } = await served()
      await openVerifiedModel(`${origin}/model/`, { policy, signature: site.file('other.sig') })
    }
  })

  test('fetches only loaded files if the rule checks only these', async () => {
    const loaded = await site.policy({
      version: 1,
      trustRoots: RELEASE,
      rules: [rule(ANY, { require: { files: 'loaded' } })],
    })
    const { origin, asked } = await served()
    await openVerifiedModel(`${origin}/model/`, { policy: loaded }, (reader) => reader.read('config.json'))
    expect(asked).toEqual(['/model/model.sig', '/model/config.json'])
  })

  test('reports progress up to its size', async () => {
    const calls: [number, number][] = []
    await opened({}, { onProgress: (done, total) => calls.push([done, total]) })
    const size = Object.values(CONTENT).join('').length
    expect(calls.at(-1)).toEqual([size, size])
    for (const [done, total] of calls) expect(done).toBeLessThanOrEqual(total)
  })

  test('gives its files a path in a private directory, until it is disposed of', async () => {
    const model = await opened({})
    const { directory, isolation, path } = await model.place(['config.json', 'shards/a b#1?%2e.bin'])
    expect(isolation).toBe('copy')
    expect(statSync(directory).mode & 0o777).toBe(0o700)
    expect(readFileSync(path('shards/a b#1?%2e.bin'), 'utf8')).toBe('shard')
    expect(() => path('weights.bin')).toThrow(refusal('FILE_NOT_SIGNED'))
    await model[Symbol.asyncDispose]()
    expect(existsSync(directory)).toBe(false)
  })

  test('creates nothing outside that directory, whatever a caller wants to place', async () => {
    const outside = `modelseal-outside-${process.pid}`
    await using model = await opened({})
    for (const name of [`../${outside}/weights.bin`, site.file(outside, 'weights.bin'), '', '.', 'unsigned.bin'])
      await expect(model.place(['config.json', name])).rejects.toEqual(refusal('FILE_NOT_SIGNED', { file: name }))
    const { directory } = await model.place(['config.json'])
    expect(existsSync(join(directory, '..', outside))).toBe(false)
    expect(existsSync(site.file(outside))).toBe(false)
    expect(readdirSync(directory)).toEqual(['config.json'])
  })

  test('leaves nothing behind that was placed during disposal', async () => {
    const temporary = site.file('tmp')
    mkdirSync(temporary)
    vi.stubEnv('TMPDIR', temporary)
    onTestFinished(() => void vi.unstubAllEnvs())
    for (let turn = 0; turn < 10; turn += 1) {
      const model = await opened({})
      const placing = model.place(['config.json', 'weights.bin']).catch((error: unknown) => error)
      await setTimeout(turn)
      await model[Symbol.asyncDispose]()
      await placing
    }
    expect(readdirSync(temporary)).toEqual([])
  })

  test('leaves nothing behind of a file that changed before it was placed', async () => {
    let asked = 0
    const changing: Answer = (request, response) =>
      file(++asked === 1 ? CONTENT['weights.bin'] : 'evil')(request, response)
    await using model = await opened({ '/model/weights.bin': changing })
    const { directory } = await model.place(['config.json'])
    await expect(model.place(['weights.bin'])).rejects.toEqual(refusal('FILE_MISMATCH', { file: 'weights.bin' }))
    expect(readdirSync(directory)).toEqual(['config.json'])
  })
})

describe('a model over HTTP is refused', () => {
  test.each<[string, string, Record<string, Answer>]>([
    ['with a file of the same length', 'FILE_MISMATCH', { '/model/weights.bin': file('weight5'.repeat(100)) }],
    ['with a longer file', 'FILE_MISMATCH', { '/model/weights.bin': file('weights'.repeat(101)) }],
    ['with a shorter file', 'FILE_MISMATCH', { '/model/weights.bin': file('weights'.repeat(99)) }],
    ['with an empty file', 'FILE_MISMATCH', { '/model/weights.bin': file('') }],
    [
      'with a page instead of a file',
      'FILE_MISMATCH',
      { '/model/weights.bin': file('<html>not found</html>', { 'content-type': 'text/html' }) },
    ],
    ['without a file', 'FILE_MISSING', { '/model/weights.bin': (_, response) => void response.writeHead(404).end() }],
    [
      'with a partial file',
      'HTTP_RESPONSE',
      { '/model/weights.bin': (_, response) => void response.writeHead(206).end('w') },
    ],
    [
      'with a file without permission',
      'HTTP_RESPONSE',
      { '/model/weights.bin': (_, response) => void response.writeHead(403).end() },
    ],
    [
      'with a length that is too small',
      'FILE_MISMATCH',
      {
        '/model/weights.bin': (_, { socket }) =>
          void socket?.end(`HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n${CONTENT['weights.bin']}`),
      },
    ],
    [
      'with a length that is too large',
      'HTTP_UNREACHABLE',
      {
        '/model/weights.bin': (_, { socket }) =>
          void socket?.end(`HTTP/1.1 200 OK\r\ncontent-length: 7000\r\n\r\n${CONTENT['weights.bin']}`),
      },
    ],
    [
      'with two lengths',
      'HTTP_UNREACHABLE',
      {
        '/model/weights.bin': (_, { socket }) =>
          void socket?.end(
            `HTTP/1.1 200 OK\r\ncontent-length: 7\r\ncontent-length: 700\r\n\r\n${CONTENT['weights.bin']}`,
          ),
      },
    ],
    [
      'with an endless header',
      'HTTP_UNREACHABLE',
      {
        '/model/weights.bin': (_, { socket }) =>
          void socket?.end(`HTTP/1.1 200 OK\r\nx: ${'x'.repeat(1 << 20)}\r\n\r\n`),
      },
    ],
    ['with a redirect loop', 'HTTP_REDIRECT', { '/model/weights.bin': redirect('/model/weights.bin') }],
    ['with a redirect to another host', 'HTTP_REDIRECT', { '/model/weights.bin': redirect('http://localhost:1/evil') }],
    [
      'without a bundle',
      'BUNDLE_NOT_FOUND',
      { '/model/model.sig': (_, response) => void response.writeHead(404).end() },
    ],
    ['with a bundle that is a page', 'JSON_INVALID', { '/model/model.sig': file('<html>not found</html>') }],
    ['with an endless bundle', 'BUNDLE_TOO_LARGE', { '/model/model.sig': endless }],
    ['with a bundle of any length', 'BUNDLE_TOO_LARGE', { '/model/model.sig': announcing(1e12) }],
  ])('%s: %s', async (_, code, changes) => {
    const error = await opened(changes).catch((reason: unknown) => reason)
    expect(error).toEqual(refusal(code as never))
    expect(error).toHaveProperty('verdict.decision', 'refused')
  })

  test('with a bundle of someone else', async () => {
    await site.sign('model', 'stranger', 'stranger.sig')
    const bundle = file(readFileSync(site.file('stranger.sig')))
    await expect(opened({ '/model/model.sig': bundle })).rejects.toEqual(refusal('SIGNER_NOT_TRUSTED'))
  })

  test('before any file is fetched, if its signature is invalid', async () => {
    await site.sign('model', 'stranger', 'stranger.sig')
    const { origin, asked } = await served({ '/model/model.sig': file(readFileSync(site.file('stranger.sig'))) })
    await expect(openVerifiedModel(`${origin}/model/`, { policy })).rejects.toEqual(refusal('SIGNER_NOT_TRUSTED'))
    expect(asked).toEqual(['/model/model.sig'])
  })

  test('if a body is endless, compressed or not, once it exceeds the total limit', async () => {
    const bomb = file(gzipSync(Buffer.alloc(50 << 20)), { 'content-encoding': 'gzip' })
    const options = { http: { maxBytes: 1_000_000 } }
    for (const answer of [endless, bomb, announcing(1e12)])
      await expect(opened({ '/model/weights.bin': answer }, options)).rejects.toEqual(refusal('FILE_TOO_LARGE'))
  })

  test('if a file is larger than the loader accepts', async () => {
    const { origin } = await served({ '/model/weights.bin': endless })
    const load = openVerifiedModel(`${origin}/model/`, { policy }, (reader) =>
      reader.readAll([{ name: 'weights.bin', maxBytes: 700 }]),
    )
    await expect(load).rejects.toEqual(refusal('FILE_TOO_LARGE'))
  })

  test('if a file is larger than its known size, at once', async () => {
    await site.sign('model', 'release', 'sharded.sig', { shardSize: 100 })
    const load = opened({ '/model/weights.bin': endless }, { signature: site.file('sharded.sig') })
    await expect(load).rejects.toEqual(refusal('FILE_MISMATCH', { file: 'weights.bin', expected: '700 bytes' }))
  })

  test('if a server stays silent, with no requests left running', async () => {
    const { origin, asked } = await served({ '/model/weights.bin': () => {} })
    const load = openVerifiedModel(`${origin}/model/`, { policy, http: { idleTimeout: 100 } })
    await expect(load).rejects.toEqual(refusal('HTTP_TIMEOUT'))
    const count = asked.length
    await setTimeout(20)
    expect(asked).toHaveLength(count)
  })

  test('if the caller aborts', async () => {
    const controller = new AbortController()
    const answer: Answer = () => controller.abort()
    const load = opened({ '/model/weights.bin': answer }, { signal: controller.signal })
    await expect(load).rejects.toEqual(refusal('ABORTED'))
  })

  test('whenever the caller aborts, with no requests left running', async () => {
    let open = 0
    const slow = Object.fromEntries(
      Object.entries(tree('model')).map(([path, answer]): [string, Answer] => [
        path,
        (request, response) => {
          open += 1
          response.on('close', () => (open -= 1))
          globalThis.setTimeout(() => answer(request, response), 2)
        },
      ]),
    )
    const { origin } = await serve(slow)
    const outcomes = new Set<string>()
    for (let moment = 0; moment < 30; moment += 1) {
      const controller = new AbortController()
      globalThis.setTimeout(() => controller.abort(), moment)
      await openVerifiedModel(`${origin}/model/`, { policy, signal: controller.signal }).then(
        (model) => outcomes.add(model.verdict.decision),
        (error: unknown) => outcomes.add((error as { code: string }).code),
      )
    }
    outcomes.delete('accepted')
    expect([...outcomes]).toEqual(['ABORTED'])
    await expect.poll(() => open, { timeout: 20_000 }).toBe(0)
  })

  test('if a file that is read later no longer matches the signature', async () => {
    let asked = 0
    const changing: Answer = (request, response) => file(++asked === 1 ? '{}' : '[]')(request, response)
    await using model = await opened({ '/model/config.json': changing })
    await expect(model.read('config.json')).rejects.toEqual(refusal('FILE_MISMATCH'))
    await expect(model.read('../model/config.json')).rejects.toEqual(refusal('FILE_NOT_SIGNED'))
  })

  test('after it was closed', async () => {
    const model = await opened({})
    await model[Symbol.asyncDispose]()
    await expect(model.read('config.json')).rejects.toEqual(refusal('INVALID_ARGUMENT'))
    await expect(model.place(['config.json'])).rejects.toEqual(refusal('INVALID_ARGUMENT'))
  })

  test('if the progress callback throws', async () => {
    const onProgress = () => {
      throw new RangeError('no room to draw')
    }
    await expect(opened({}, { onProgress })).rejects.toEqual(refusal('INVALID_ARGUMENT'))
  })

  test('as a single file whose bundle signs another file, or more files', async () => {
    await site.write('other/single.onnx', 'weights')
    const more = { '/single.onnx': file('weights') }
    for (const [bundle, code] of [
      ['single.onnx.sig', 'FILE_UNSIGNED'],
      ['model/model.sig', 'FILE_MISSING'],
    ] as const) {
      if (bundle === 'single.onnx.sig') {
        await site.write('single.onnx', 'weights')
        await site.sign('single.onnx', 'release')
      }
      const name = code === 'FILE_MISSING' ? 'config.json' : 'double.onnx'
      const { origin } = await serve({
        ...more,
        [`/${name}`]: file('{}'),
        [`/${name}.sig`]: file(readFileSync(site.file(bundle))),
      })
      await expect(openVerifiedModel(`${origin}/${name}`, { policy })).rejects.toEqual(refusal(code))
    }
  })
})

describe('by the policy, a model over HTTP', () => {
  test('is matched by its URL, without the query', async () => {
    const { origin } = await served()
    const exact = await site.policy({
      version: 1,
      trustRoots: RELEASE,
      rules: [rule({ url: `${origin}/model/` })],
    })
    await openVerifiedModel(`${origin}/model/?v=1`, { policy: exact })
    await expect(openVerifiedModel(`${origin}/model/config.json`, { policy: exact })).rejects.toEqual(
      refusal('POLICY_NO_MATCH'),
    )
  })

  test('is not matched by paths, and nothing is requested', async () => {
    const { origin, asked } = await served()
    for (const path of ['**', '/**', '../**', 'http:/**']) {
      const paths = await site.policy({ version: 1, trustRoots: RELEASE, rules: [rule({ path })] })
      await expect(openVerifiedModel(`${origin}/model/`, { policy: paths })).rejects.toEqual(
        refusal('POLICY_NO_MATCH', { file: `${origin}/model/` }),
      )
    }
    expect(asked).toEqual([])
  })

  test('is refused if one of its files is revoked by a digest of another algorithm', async () => {
    await site.sign('model', 'release', 'blake.sig', { hashType: 'blake2b' })
    const digest = 'sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a'
    const revoking = await site.policy({
      version: 1,
      trustRoots: RELEASE,
      rules: [rule(ANY)],
      revoked: { fileDigests: [digest] },
    })
    const load = opened({}, { policy: revoking, signature: site.file('blake.sig') })
    await expect(load).rejects.toEqual(refusal('FILE_REVOKED', { file: 'config.json' }))
  })

  test('is not copied if the rule forbids copies, and not read if it allows only copies', async () => {
    const isolated = (isolation: string[]) =>
      site.policy({ version: 1, trustRoots: RELEASE, rules: [rule(ANY, { require: { isolation } })] })
    await using memory = await opened({}, { policy: await isolated(['memory']) })
    await expect(memory.place(['config.json'])).rejects.toEqual(refusal('ISOLATION_REFUSED'))
    await using copy = await opened({}, { policy: await isolated(['copy']) })
    await expect(copy.read('config.json')).rejects.toEqual(refusal('ISOLATION_REFUSED'))
    await copy.place(['config.json'])
    await using inPlace = await opened({}, { policy: await isolated(['in-place']) })
    await expect(inPlace.place(['config.json'])).rejects.toEqual(refusal('ISOLATION_REFUSED'))
  })

  test('is loaded unverified under a rule in the mode skip, file by file as requested', async () => {
    const { origin } = await served({ '/model/model.sig': (_, response) => void response.writeHead(404).end() })
    const skipping = await site.policy({
      version: 1,
      rules: [{ name: 'lab', match: { url: `${origin}/**` }, mode: 'skip', reason: 'laboratory' }],
    })
    await using model = await openVerifiedModel(`${origin}/model/config.json`, { policy: skipping })
    expect(model.verdict.decision).toBe('skipped')
    expect(Buffer.from(await model.read('weights.bin')).toString()).toBe(CONTENT['weights.bin'])
    await expect(model.read('../secret')).rejects.toEqual(refusal('PATH_ESCAPES'))
    await expect(model.read('missing')).rejects.toEqual(refusal('FILE_NOT_FOUND'))
    await expect(model.place(['weights.bin'])).rejects.toEqual(refusal('ISOLATION_REFUSED'))
  })

  test('is not loaded unverified if its files exceed the total limit', async () => {
    const { origin } = await served({ '/model/endless.bin': endless })
    const skip = { name: 'skipped', match: { url: `${origin}/**` }, mode: 'skip', reason: 'local' }
    const skipping = await site.policy({ version: 1, rules: [skip] })
    const weights = Buffer.byteLength(CONTENT['weights.bin'])
    const options = { policy: skipping, http: { maxBytes: weights + 1 } }
    await using model = await openVerifiedModel(`${origin}/model/`, options)
    const requests = ['weights.bin', 'config.json'].map((name) => ({ name }))
    const tooLarge = refusal('FILE_TOO_LARGE')
    await expect(openVerifiedModel(`${origin}/model/`, options, (reader) => reader.readAll(requests))).rejects.toEqual(
      tooLarge,
    )
    await expect(model.read('endless.bin')).rejects.toEqual(tooLarge)
    // Neither refused files nor repeated reads count.
    for (let times = 0; times < 2; times += 1) expect(await model.read('weights.bin')).toHaveLength(weights)
    await expect(model.read('config.json')).rejects.toEqual(tooLarge)
  })

  test('is loaded unverified in the mode audit, except for revoked files', async () => {
    const audit = { ...rule(ANY), mode: 'audit' }
    const auditing = await site.policy({ version: 1, trustRoots: RELEASE, rules: [audit] })
    const changed = { '/model/weights.bin': file('evil') }
    await using model = await opened(changed, { policy: auditing })
    expect(model.verdict).toMatchObject({ decision: 'tolerated', wouldRefuse: { code: 'FILE_MISMATCH' } })

    const digest = 'sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a'
    const revoked = { fileDigests: [digest] }
    const files = await site.policy({ version: 1, trustRoots: RELEASE, rules: [audit], revoked })
    const reading = opened({ '/model/model.sig': file('') }, { policy: files }).then((open) => open.read('config.json'))
    await expect(reading).rejects.toEqual(refusal('FILE_REVOKED'))

    const rootDigests = [`sha256:${'0'.repeat(64)}`]
    const models = await site.policy({ version: 1, trustRoots: RELEASE, rules: [audit], revoked: { rootDigests } })
    await expect(opened(changed, { policy: models })).rejects.toEqual(refusal('MODEL_UNIDENTIFIED'))
  })
})

describe('the URL of a model', () => {
  test.each([
    'http://user:secret@127.0.0.1/model/',
    'http://127.0.0.1/model\\config.json',
    'http://127.0.0.1/a/%2e%2e/model/',
    'http://127.0.0.1/a%2fmodel/',
    'http://127.0.0.1/a%5cmodel/',
    'http://127.0.0.1/a b/',
    'http://',
    'https:///model/',
  ])('%s is refused', async (url) => {
    const error = await openVerifiedModel(url, { policy }).catch((reason: unknown) => reason)
    expect(error).toEqual(refusal('INVALID_ARGUMENT'))
    expect(String(error)).not.toContain('secret')
  })

  test('with an invalid percent-escape is refused once a file must be named', async () => {
    const { origin } = await served()
    await expect(openVerifiedModel(`${origin}/model/%ff.bin`, { policy })).rejects.toEqual(refusal('INVALID_ARGUMENT'))
  })

  test('cannot be combined with the option "url"', async () => {
    await expect(opened({}, { url: 'https://elsewhere.example/model/' })).rejects.toEqual(refusal('INVALID_ARGUMENT'))
  })

  test.each(['http://user:secret@127.0.0.1/model.sig', 'https://'])(
    'of its bundle: %s is refused',
    async (signature) => {
      const error = await opened({}, { signature }).catch((reason: unknown) => reason)
      expect(error).toEqual(refusal('INVALID_ARGUMENT'))
      expect(String(error)).not.toContain('secret')
    },
  )
})

/** An endless body. */
function endless(...[, response]: Parameters<Answer>): void {
  const chunk = Buffer.alloc(64 * 1024)
  const more = () => {
    while (!response.destroyed && response.write(chunk));
  }
  response.on('drain', more)
  more()
}

function announcing(length: number): Answer {
  return (_, response) => void response.writeHead(200, { 'content-length': length }).write('weights')
}
