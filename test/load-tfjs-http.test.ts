import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { loadVerifiedModel, verified } from '@modelseal/tfjs'
import * as tensorflow from '@tensorflow/tfjs'
import { afterAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { file, redirect, serve, type Answer, type TestServer } from '../packages/core/src/testing/http-server.ts'
import { blazeFace, Workspace } from './signed-models.ts'

tensorflow.enableProdMode()

const workspace = new Workspace()
const policy = join(workspace.path, 'served.yaml')
writeFileSync(
  policy,
  readFileSync(workspace.policy, 'utf8').replace('path: "models/**"', 'url: "http://127.0.0.1:*/**"'),
)
const loadGraph = vi.fn(tensorflow.loadGraphModel)
const loadLayers = vi.fn(tensorflow.loadLayersModel)
const tf = { ...tensorflow, loadGraphModel: loadGraph, loadLayersModel: loadLayers }
const { loadGraphModel, loadLayersModel } = verified(tf, { policy })

beforeEach(() => {
  loadGraph.mockClear()
  loadLayers.mockClear()
})
afterAll(() => workspace[Symbol.dispose]())

/** All files of a directory, at the root of a server. */
function tree(directory: string): Record<string, Answer> {
  return Object.fromEntries(
    readdirSync(directory, { recursive: true, encoding: 'utf8' })
      .filter((name) => statSync(join(directory, name)).isFile())
      .map((name) => [`/${name}`, file(readFileSync(join(directory, name)))]),
  )
}

async function expectRefused(load: Promise<unknown>, code: string): Promise<void> {
  await expect(load).rejects.toThrow(expect.objectContaining({ name: 'ModelSealError', code }) as Error)
  expect(loadGraph).not.toHaveBeenCalled()
  expect(loadLayers).not.toHaveBeenCalled()
}

describe('BlazeFace over HTTP', async () => {
  const directory = await workspace.sign('blazeface', blazeFace())
  const image = tensorflow.randomUniform([1, 256, 256, 3], 0, 1, 'float32', 7)
  const faces = (model: tensorflow.GraphModel) => [model.execute(image)].flat().map((output) => output.arraySync())
  const blazeface = (changes: Record<string, Answer> = {}): Promise<TestServer> =>
    serve({ ...tree(directory), ...changes })

  test('gives the same result as plain tf, by its URL and by a handler for it', async () => {
    const { origin } = await blazeface()
    const url = `${origin}/model.json`
    const expected = faces(await tensorflow.loadGraphModel(url))
    for (const source of [url, `${origin}/`, tensorflow.io.http(url), tensorflow.io.browserHTTPRequest(url)])
      expect(faces(await loadGraphModel(source))).toEqual(expected)
    const { verdict, format } = await loadVerifiedModel(tf, `${origin}/`, { policy })
    expect(format).toBe('graph-model')
    expect(verdict).toMatchObject({ decision: 'accepted', model: { url: `${origin}/` }, isolation: ['memory'] })
  })

  test('has its bundle judged before any of its files is fetched', async () => {
    using stranger = new Workspace()
    const bundle = readFileSync(join(await stranger.sign('blazeface', blazeFace()), 'model.sig'))
    const { origin, asked } = await blazeface({ '/model.sig': file(bundle) })
    await expectRefused(loadGraphModel(`${origin}/model.json`), 'SIGNER_NOT_TRUSTED')
    expect(asked).toEqual(['/model.json.sig', '/model.sig'])
  })

  test('loads with and without compression', async () => {
    const model = readFileSync(join(directory, 'model.json'))
    const { origin } = await blazeface({ '/model.json': file(gzipSync(model), { 'content-encoding': 'gzip' }) })
    await loadGraphModel(`${origin}/model.json`)
    expect(loadGraph).toHaveBeenCalledOnce()
  })

  test("is requested with the caller's headers and the query of its URL", async () => {
    const seen = new Set<string>()
    const guarded = Object.fromEntries(
      Object.entries(tree(directory)).map(([path, answer]): [string, Answer] => [
        path,
        (request, response) => {
          seen.add(`${request.headers.authorization} ${request.url}`)
          answer(request, response)
        },
      ]),
    )
    const { origin } = await serve(guarded)
    const requestInit = { headers: { Authorization: 'Bearer token' }, credentials: 'include' as const }
    await loadGraphModel(`${origin}/model.json?v=2`, { requestInit })
    await loadGraphModel(tensorflow.io.http(`${origin}/model.json?v=2`, { requestInit }))
    expect([...seen].sort()).toEqual([
      'Bearer token /blazeface.bin?v=2',
      'Bearer token /model.json?v=2',
      'Bearer token /model.sig?v=2',
    ])
    expect(loadGraph.mock.lastCall?.[1]).toEqual({})
  })

  test('is aborted by the signal of the request', async () => {
    const controller = new AbortController()
    const { origin } = await blazeface({ '/blazeface.bin': () => controller.abort() })
    const { signal } = controller
    await expectRefused(loadGraphModel(`${origin}/model.json`, { requestInit: { signal } }), 'ABORTED')
  })

  test('calls tf’s progress callback with fractions that grow to 1', async () => {
    const { origin } = await blazeface()
    const fractions: number[] = []
    await loadGraphModel(`${origin}/model.json`, { onProgress: (fraction) => fractions.push(fraction) })
    expect(fractions.at(-1)).toBe(1)
    expect(fractions).toEqual([...fractions].sort((a, b) => a - b))
  })

  test('is judged by its format only if the caller states the format', async () => {
    const { origin } = await blazeface()
    const byFormat = join(workspace.path, 'by-format.yaml')
    const text = readFileSync(policy, 'utf8')
    writeFileSync(byFormat, text.replace('/**"', '/**", format: tfjs-graph'))
    await expectRefused(loadVerifiedModel(tf, `${origin}/`, { policy: byFormat }), 'POLICY_NO_MATCH')
    await loadVerifiedModel(tf, `${origin}/`, { policy: byFormat, format: 'tfjs-graph' })
    await verified(tf, { policy: byFormat }).loadGraphModel(`${origin}/model.json`)
  })

  const endless: Answer = (_, response) => {
    const chunk = Buffer.alloc(64 * 1024)
    const more = () => {
      while (!response.destroyed && response.write(chunk));
    }
    response.on('drain', more)
    more()
  }

  test.each<[string, string, Answer]>([
    ['changed', 'FILE_MISMATCH', file(Buffer.alloc(blazeFace()['blazeface.bin']?.length ?? 0))],
    ['shorter', 'FILE_MISMATCH', file('weights')],
    ['that never end', 'FILE_TOO_LARGE', endless],
    [
      'that decompress endlessly',
      'FILE_TOO_LARGE',
      file(gzipSync(Buffer.alloc(100 << 20)), { 'content-encoding': 'gzip' }),
    ],
    [
      'of any length',
      'FILE_TOO_LARGE',
      (_, response) => void response.writeHead(200, { 'content-length': 1e12 }).write('.'),
    ],
    ['in part', 'HTTP_RESPONSE', (_, response) => void response.writeHead(206).end('part')],
    ['that break off', 'HTTP_UNREACHABLE', (_, response) => void response.write('part', () => response.destroy())],
    ['that are gone', 'FILE_MISSING', (_, response) => void response.writeHead(404).end()],
    ['at another host', 'HTTP_REDIRECT', redirect('http://localhost:1/blazeface.bin')],
    ['in a redirect loop', 'HTTP_REDIRECT', redirect('/blazeface.bin')],
  ])('with weights %s is refused with %s', async (_, code, answer) => {
    const { origin } = await blazeface({ '/blazeface.bin': answer })
    await expectRefused(loadGraphModel(`${origin}/model.json`), code)
  })

  test('with weights that come too slowly is refused', async () => {
    const { origin } = await blazeface({ '/blazeface.bin': () => {} })
    const impatient = verified(tf, { policy, http: { idleTimeout: 100 } })
    await expectRefused(impatient.loadGraphModel(`${origin}/model.json`), 'HTTP_TIMEOUT')
  })

  test('with an endless or changed model.json is refused', async () => {
    for (const answer of [file('{}'), file(JSON.stringify({ modelTopology: {} }))]) {
      const { origin } = await blazeface({ '/model.json': answer })
      await expectRefused(loadGraphModel(`${origin}/model.json`), 'FILE_MISMATCH')
    }
    const { origin } = await blazeface({ '/model.json': endless })
    const bounded = verified(tf, { policy, http: { maxBytes: 10 << 20 } })
    await expectRefused(bounded.loadGraphModel(`${origin}/model.json`), 'FILE_TOO_LARGE')
  })

  test.each([
    { weightPathPrefix: 'https://evil.example/' },
    { weightUrlConverter: 'https://evil.example/w' },
    { fetchFunc: {} },
    { fromTFHub: true },
    { requestInit: { method: 'POST' } },
    { requestInit: { body: 'x' } },
    { requestInit: { redirect: 'follow' } },
    { requestInit: { headers: { 'a b': 'c' } } },
    { requestInit: { headers: { range: 'bytes=0-1' } } },
    { requestInit: { signal: {} } },
  ])('is refused with the option %j before any request', async (options) => {
    const { origin, asked } = await blazeface()
    await expectRefused(loadGraphModel(`${origin}/model.json`, options as never), 'INVALID_ARGUMENT')
    await expectRefused(loadLayersModel(`${origin}/model.json`, options as never), 'INVALID_ARGUMENT')
    expect(asked).toEqual([])
  })

  describe('whose weights have their own URLs', () => {
    const weights = readFileSync(join(directory, 'blazeface.bin'))
    /** The model without its weights, and another server with the weights under another name. */
    const apart = async (content: Uint8Array = weights) => {
      const headers: unknown[] = []
      const signed: Answer = ({ headers: { authorization } }, response) => {
        headers.push(authorization)
        file(content)({} as never, response)
      }
      const [model, bucket] = await Promise.all([
        blazeface({ '/blazeface.bin': (_, response) => void response.writeHead(403).end() }),
        serve({ '/bucket/17': signed }),
      ])
      const weightUrlConverter = vi.fn(() => Promise.resolve(`${bucket.origin}/bucket/17?signature=x`))
      return { url: `${model.origin}/model.json`, model, bucket, headers, weightUrlConverter }
    }

    test('is fetched from those URLs', async () => {
      const { url, model, bucket, headers, weightUrlConverter } = await apart()
      const requestInit = { headers: { authorization: 'Bearer token' } }
      const expected = faces(await tensorflow.loadGraphModel((await blazeface()).origin + '/model.json'))
      expect(faces(await loadGraphModel(url, { weightUrlConverter, requestInit }))).toEqual(expected)
      expect(faces(await loadGraphModel(tensorflow.io.http(url, { weightUrlConverter })))).toEqual(expected)
      expect(weightUrlConverter.mock.calls).toEqual([['blazeface.bin'], ['blazeface.bin']])
      expect(bucket.asked).toEqual(['/bucket/17?signature=x', '/bucket/17?signature=x'])
      expect(model.asked).not.toContain('/blazeface.bin')
      // Headers are sent only to the origin of the model.
      expect(headers).toEqual([undefined, undefined])
    })

    test('is refused if something else is there', async () => {
      const { url, weightUrlConverter } = await apart(weights.map((byte) => byte ^ 1))
      await expectRefused(loadGraphModel(url, { weightUrlConverter }), 'FILE_MISMATCH')
    })

    test.each([
      ['no URL', 'bucket/17', 'INVALID_ARGUMENT'],
      ['a path on this machine', 'file:///etc/passwd', 'INVALID_ARGUMENT'],
      ['credentials', 'http://user:secret@127.0.0.1/', 'INVALID_ARGUMENT'],
      ['something other than text', 5, 'INVALID_ARGUMENT'],
      ['no server', 'http://127.0.0.1:1/', 'HTTP_UNREACHABLE'],
    ])('is refused if the address is %s', async (_, address, code) => {
      const { url } = await apart()
      const weightUrlConverter = () => Promise.resolve(address as string)
      await expectRefused(loadGraphModel(url, { weightUrlConverter }), code)
    })

    test('is refused if the URL is never provided', async () => {
      const { url } = await apart()
      const weightUrlConverter = () => new Promise<string>(() => {})
      const late = verified(tf, { policy, http: { totalTimeout: 100 } })
      await expectRefused(late.loadGraphModel(url, { weightUrlConverter }), 'HTTP_TIMEOUT')
      const aborted = verified(tf, { policy, signal: AbortSignal.timeout(100) })
      await expectRefused(aborted.loadGraphModel(url, { weightUrlConverter }), 'ABORTED')
    })

    test('is fetched by a function of the caller', async () => {
      const { url, bucket, weightUrlConverter } = await apart()
      const fetchFunc = vi.fn((address: string, init: RequestInit) => fetch(address, init))
      await loadGraphModel(url, { weightUrlConverter, fetchFunc: fetchFunc as never })
      expect(fetchFunc.mock.calls.map(([address]) => address)).toContain(`${bucket.origin}/bucket/17?signature=x`)
    })

    test('is refused if that function returns other bytes, fails, or never answers', async () => {
      const { url } = await apart()
      const answers: [() => Promise<Response>, string][] = [
        [() => Promise.resolve(new Response('other')), 'BUNDLE_MALFORMED'],
        [() => Promise.reject(new Error('no')), 'HTTP_UNREACHABLE'],
        [() => new Promise(() => {}), 'HTTP_TIMEOUT'],
      ]
      for (const [fetchFunc, code] of answers) {
        const loaders = verified(tf, { policy, http: { idleTimeout: 200 } })
        const loading = loaders.loadGraphModel(url, { fetchFunc })
        if (code === 'BUNDLE_MALFORMED') await expect(loading).rejects.toMatchObject({ name: 'ModelSealError' })
        else await expectRefused(loading, code)
      }
    })

    test('is not loaded from there unverified', async () => {
      const { url, weightUrlConverter } = await apart()
      const match = `{ url: "${url.replace('model.json', '**')}" }`
      const text = `version: 1\nrules: [{ name: all, match: ${match}, mode: skip, reason: a test }]`
      const skipping = join(workspace.path, 'skipping.yaml')
      writeFileSync(skipping, text)
      const loaders = verified(tf, { policy: skipping })
      await expectRefused(loaders.loadGraphModel(url, { weightUrlConverter }), 'INVALID_ARGUMENT')
      await expectRefused(loaders.loadGraphModel(url, { fetchFunc: fetch }), 'INVALID_ARGUMENT')
    })
  })

  test('streams nothing to tf that was not completely verified', async () => {
    const { origin } = await blazeface()
    await loadGraphModel(`${origin}/model.json`, { streamWeights: true })
    const handler = loadGraph.mock.lastCall?.[0] as tensorflow.io.IOHandler
    expect(await handler.load?.()).not.toHaveProperty('getWeightStream')
  })
})

describe('a model over HTTP whose weights manifest', () => {
  let count = 0
  async function servedWith(paths: unknown[], weights: unknown[] = []): Promise<TestServer> {
    const json = {
      format: 'layers-model',
      modelTopology: { class_name: 'Sequential', config: { layers: [] } },
      weightsManifest: [{ paths, weights }],
    }
    const directory = await workspace.sign(`manifest-${++count}`, {
      'web/model.json': JSON.stringify(json),
      'web/weights.bin': new Uint8Array(16),
      'outside.bin': new Uint8Array(16),
    })
    return serve(tree(directory))
  }

  test.each([
    '../outside.bin',
    'a/../../outside.bin',
    '/outside.bin',
    '//evil.example/weights.bin',
    '..\\outside.bin',
    '%2e%2e/outside.bin',
    '%2E%2E%2Foutside.bin',
    '%252e%252e%252foutside.bin',
    '..%5coutside.bin',
    'https://evil.example/weights.bin',
    'file:///etc/hostname',
    'data:text/plain,weights',
  ])('names %s is refused, and only signed files are requested', async (path) => {
    const { origin, asked } = await servedWith([path])
    const code = path.startsWith('data:') ? 'FILE_NOT_SIGNED' : 'PATH_ESCAPES'
    await expectRefused(loadLayersModel(`${origin}/web/model.json`), code)
    expect(asked).toEqual(['/web/model.json.sig', '/web/model.sig', '/web.sig', '/model.sig', '/web/model.json'])
  })

  test.each(['weights.bin?v=2', 'weights.bin#part', './other.bin', 'weights%2Dbin', 'model.sig', 'other.bin', 'a//b'])(
    'names the unsigned %s is refused',
    async (path) => {
      const { origin, asked } = await servedWith([path])
      await expectRefused(loadLayersModel(`${origin}/web/model.json`), 'FILE_NOT_SIGNED')
      expect(asked.at(-1)).toBe('/web/model.json')
    },
  )

  test('claims more values than its files have bytes is refused', async () => {
    const { origin } = await servedWith(['weights.bin'], [{ name: 'endless', shape: [1e15], dtype: 'float32' }])
    await expectRefused(loadLayersModel(`${origin}/web/model.json`), 'MODEL_FORMAT')
  })

  test('claims fewer values than its files contain is refused while they arrive', async () => {
    const { origin } = await servedWith(['weights.bin'], [{ name: 'small', shape: [3], dtype: 'float32' }])
    await expectRefused(loadLayersModel(`${origin}/web/model.json`), 'FILE_TOO_LARGE')
  })
})

test('loads fifty shards as they were signed, each in its own buffer', async () => {
  const shard = (index: number) => new Uint8Array(4096).fill(index)
  const names = Array.from({ length: 50 }, (_, index) => `group1-shard${index + 1}of50.bin`)
  const json = {
    format: 'layers-model',
    modelTopology: { class_name: 'Sequential', config: { layers: [] } },
    weightsManifest: [{ paths: names, weights: [{ name: 'w', shape: [50, 1024], dtype: 'float32' }] }],
  }
  const files = Object.fromEntries(names.map((name, index) => [name, shard(index)]))
  const directory = await workspace.sign('shards', { 'model.json': JSON.stringify(json), ...files })
  const { origin } = await serve(tree(directory))
  let artifacts: tensorflow.io.ModelArtifacts | undefined
  loadLayers.mockImplementationOnce(async (handler) => {
    artifacts = await (handler as tensorflow.io.IOHandler).load?.()
    return tensorflow.sequential()
  })
  await loadLayersModel(`${origin}/model.json`)
  expect(artifacts?.weightData).toEqual(names.map((_, index) => shard(index).buffer))
})
