import { createHash } from 'node:crypto'
import { readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer, type ServerResponse } from 'node:http'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { openVerifiedModel, type OpenOptions } from '@modelseal/core'
import type { ErrorCode } from '@modelseal/core/errors'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { refusal, scratch } from '../../../core/src/testing/scratch.ts'
import { TestSite } from '../../../core/src/testing/site.ts'
import { sourceContract } from '../../../core/src/testing/source-contract.ts'
import { SmallHub } from '../testing/small-hub.ts'
import type { HuggingFaceOptions } from './hub-settings.ts'
import { huggingFaceSource } from './hugging-face-source.ts'

sourceContract('Hugging Face', async (files) => {
  const hub = await SmallHub.start()
  onTestFinished(() => hub.close())
  hub.commit('org/vad', files)
  return huggingFaceSource('hf://org/vad', { endpoint: hub.origin, token: false })
})

const CONTENT = { 'config.json': '{}', 'weights.bin': 'weights'.repeat(50_000) }
const WEIGHTS = Buffer.from(CONTENT['weights.bin'])

describe('a model on Hugging Face', () => {
  let site: TestSite
  let signed: ReadonlyMap<string, Uint8Array>
  let policy: string
  let hub: SmallHub

  beforeAll(async () => {
    site = await TestSite.make()
    await site.key('release')
    await site.key('stranger')
    signed = await signedBy('release')
    policy = await site.policy({
      version: 1,
      trustRoots: { release: { publicKey: 'release.pub' } },
      rules: [{ name: 'hub', match: { url: 'hf://org/*' }, signers: [{ key: 'release' }] }],
    })
  })
  afterAll(() => site.remove())
  beforeEach(async () => {
    hub = await SmallHub.start()
  })
  afterEach(async () => {
    vi.unstubAllEnvs()
    await hub.close()
  })

  async function signedBy(key: string): Promise<Map<string, Uint8Array>> {
    await site.model('model', CONTENT)
    await site.sign('model', key, `${key}.sig`)
    const own = Object.entries(CONTENT).map(([name, content]): [string, Uint8Array] => [name, Buffer.from(content)])
    return new Map([
      ...own,
      ['.gitattributes', Buffer.from('*.bin filter=lfs')],
      ['model.sig', readFileSync(site.file(`${key}.sig`))],
    ])
  }

  const open = (url = 'hf://org/vad', options: HuggingFaceOptions = {}, more: OpenOptions = {}) =>
    openVerifiedModel(huggingFaceSource(url, { endpoint: hub.origin, token: false, ...options }), { policy, ...more })
  const withFile = (name: string, content: string | Uint8Array) => new Map([...signed, [name, Buffer.from(content)]])

  test('is read at the commit that its revision had, and the verdict has both', async () => {
    const first = hub.commit('org/vad', signed)
    let asked = 0
    // The branch moves while the model is loaded.
    hub.fault = () => {
      if (++asked === 2) hub.commit('org/vad', withFile('config.json', '[]'))
      return false
    }
    await using model = await open('hf://org/vad')
    expect(model.verdict).toMatchObject({
      decision: 'accepted',
      model: {
        path: 'hf://org/vad',
        url: 'hf://org/vad',
        revision: first,
        requested: 'main',
        packageUrl: `pkg:huggingface/org/vad@${first}`,
      },
      bundles: [{ path: 'hf://org/vad/model.sig' }],
    })
    expect(hub.asked.filter((each) => each.includes('/revision/'))).toHaveLength(1)
  })

  test.each([
    ['hf://org/vad@v1', 'org/vad', 'v1'],
    ['hf://org/vad@refs%2Fpr%2F3', 'org/vad', 'refs/pr/3'],
    ['hf://org/vad@refs/pr/3', 'org/vad', 'refs/pr/3'],
  ])('is found as %s', async (url, repository, branch) => {
    hub.commit(repository, signed, { branch })
    await using model = await open(url)
    expect(Buffer.from(await model.read('config.json')).toString()).toBe('{}')
    expect(model.verdict.model).toMatchObject({ requested: branch })
  })

  test('is found by its commit, and a hub that resolves it to another is refused', async () => {
    const commit = hub.commit('org/vad', signed)
    const other = hub.commit('org/vad', withFile('config.json', '[]'))
    await using model = await open(`hf://org/vad@${commit}`)
    expect(model.verdict.model.revision).toBe(commit)
    hub.fault = ({ url }, response) => {
      if (url?.includes('/revision/') !== true) return false
      response.end(JSON.stringify({ sha: other }))
      return true
    }
    await expect(open(`hf://org/vad@${commit}`)).rejects.toEqual(refusal('SOURCE_FAILED', { expected: commit }))
  })

  test('can be a dataset, and a folder of a repository', async () => {
    const rules = [{ name: 'hub', match: { url: 'hf://datasets/org/*' }, signers: [{ key: 'release' }] }]
    const datasets = await site.policy({ version: 1, trustRoots: { release: { publicKey: 'release.pub' } }, rules })
    hub.commit('datasets/org/data', new Map([...signed].map(([name, bytes]) => [`a b/train/${name}`, bytes])))
    await using model = await open('hf://datasets/org/data/a%20b/train', {}, { policy: datasets })
    expect(model.verdict.model.url).toBe('hf://datasets/org/data')
    expect(model.verdict.bundles[0]?.path).toBe('hf://datasets/org/data/a b/train/model.sig')
    await expect(open('hf://datasets/org/data/none', {}, { policy: datasets })).rejects.toEqual(
      refusal('MODEL_NOT_FOUND'),
    )
  })

  test('has its bundle in the folder, in the repository, or under a name that ends with .oms.sig', async () => {
    const bundle = signed.get('model.sig')!
    const inFolder = (beside: [string, Uint8Array]) =>
      new Map([
        ...Object.entries(CONTENT).map(([name, content]): [string, Uint8Array] => [
          `onnx/${name}`,
          Buffer.from(content),
        ]),
        beside,
      ])
    for (const name of ['onnx/model.sig', 'onnx/vad.oms.sig', 'model.sig', 'vad.oms.sig']) {
      hub.commit('org/vad', inFolder([name, bundle]))
      await using model = await open('hf://org/vad/onnx')
      expect(model.verdict.bundles[0]?.path).toBe(`hf://org/vad/${name}`)
    }
    // The bundle of the whole repository is not that of a folder that has its own.
    hub.commit('org/vad', new Map([...inFolder(['onnx/vad.oms.sig', bundle]), ['model.sig', Buffer.from('{')]]))
    await (await open('hf://org/vad/onnx')).close()
    hub.commit('org/vad', inFolder(['onnx/model.sig', bundle]))
    const hint = expect.stringContaining('"hf://org/vad/onnx"') as string
    await expect(open('hf://org/vad')).rejects.toEqual(refusal('BUNDLE_NOT_FOUND', { hint }))
  })

  test.each([
    [{ url: 'hf://Xenova/*' }, 'Xenova/vad'],
    [{ url: 'hf://gpt2' }, 'gpt2'],
    [{ source: 'hf://Xenova/*' }, 'Xenova/vad'],
    [{ source: ['oci://**', 'hf://gpt2'] }, 'gpt2'],
  ])('is matched by rules with capitals, or without an organisation: %j', async (match, repository) => {
    const rules = [{ name: 'hub', match, signers: [{ key: 'release' }] }]
    const own = await site.policy({ version: 1, trustRoots: { release: { publicKey: 'release.pub' } }, rules })
    hub.commit(repository, signed)
    await using model = await open(`hf://${repository}@main`, {}, { policy: own })
    expect(model.verdict).toMatchObject({ rule: 'hub', model: { url: `hf://${repository}` } })
  })

  test('is refused under another spelling of its name, or one that it had before', async () => {
    const rules = [
      { name: 'strict', match: { source: 'hf://org/*' }, signers: [{ key: 'release' }], require: { pinned: true } },
      { name: 'others', match: { source: 'hf://**' }, signers: [{ key: 'release' }], mode: 'audit' },
    ]
    const own = await site.policy({ version: 1, trustRoots: { release: { publicKey: 'release.pub' } }, rules })
    hub.commit('org/vad', signed)
    for (const name of ['Org/VAD', 'former/vad', 'vad']) {
      hub.alias(name, 'org/vad')
      await expect(open(`hf://${name}`, {}, { policy: own })).rejects.toEqual(
        refusal('MODEL_NOT_FOUND', { expected: `"hf://${name}"`, found: '"hf://org/vad"' }),
      )
    }
    expect(hub.asked.filter((each) => each.includes('/resolve/'))).toEqual([])
  })

  test('is listed in pages', async () => {
    hub.pageSize = 2
    hub.commit('org/vad', signed)
    await using model = await open()
    expect(model.verdict.files.checked).toBe(2)
    expect(hub.asked.filter((each) => each.includes('/tree/'))).toHaveLength(2)
  })

  describe('is refused before its weights are fetched', () => {
    const refused = async (code: ErrorCode, details: object = {}) => {
      await expect(open()).rejects.toEqual(refusal(code, details))
      expect(hub.asked.filter((each) => each.startsWith('storage'))).toEqual([])
      expect(hub.sent).toBeLessThan(10_000)
    }

    test('if nobody accepted signed it', async () => {
      hub.commit('org/vad', await signedBy('stranger'))
      await refused('SIGNER_NOT_TRUSTED')
    })

    test('if the hub lists other weights', async () => {
      hub.commit('org/vad', withFile('weights.bin', Buffer.alloc(WEIGHTS.length, 'Weights')))
      const found = expect.stringMatching(/^sha256:\w{64}, as its source states$/) as string
      await refused('FILE_MISMATCH', { file: 'weights.bin', found })
    })

    test('if the hub lists other names', async () => {
      hub.commit('org/vad', withFile('added.bin', 'added'))
      await refused('FILE_UNSIGNED', { file: 'added.bin' })
    })
  })

  test('is refused if the hub lists the signed digest and sends something else', async () => {
    hub.commit('org/vad', signed)
    hub.replaceStored(WEIGHTS, Buffer.alloc(WEIGHTS.length, 'Weights'))
    await expect(open()).rejects.toEqual(refusal('FILE_MISMATCH', { file: 'weights.bin' }))
    hub.replaceStored(WEIGHTS, WEIGHTS.subarray(1))
    await expect(open()).rejects.toEqual(refusal('HTTP_RESPONSE', { file: 'weights.bin' }))
  })

  describe('with a token', () => {
    test('sends it to the hub alone', async () => {
      hub.commit('org/vad', signed, { tokens: ['hf_secret'] })
      await using model = await open('hf://org/vad', { token: 'hf_secret' })
      expect(model.decision).toBe('accepted')
      for (const { to, authorization } of hub.tokens)
        expect(authorization).toBe(to === 'hub' ? 'Bearer hf_secret' : undefined)
      expect(hub.tokens.map(({ to }) => to)).toContain('storage')
    })

    test.each([
      ['no token', false, 'status 401', /gated.*Set HF_TOKEN/],
      ['another token', 'hf_other', 'status 403', /gated.*Use a token/],
    ] as const)('is refused with %s', async (_, token, found, hint) => {
      hub.commit('org/vad', signed, { tokens: ['hf_secret'] })
      const error: unknown = await open('hf://org/vad', { token }).catch((reason: unknown) => reason)
      expect(error).toEqual(refusal('HTTP_RESPONSE', { found, hint: expect.stringMatching(hint) as string }))
      expect(JSON.stringify(error)).not.toContain('hf_')
    })
  })

  test.each([
    ['hf://org/none', /no such repository/],
    ['hf://org/vad@none', /no revision "none"/],
    ['hf://org/vad/none', /no such folder or file/],
  ])('is refused as %s if it does not exist', async (url, message) => {
    hub.commit('org/vad', signed)
    await expect(open(url)).rejects.toThrow(
      expect.objectContaining({ code: 'MODEL_NOT_FOUND', message: expect.stringMatching(message) as string }),
    )
  })

  describe('on a hub that fails', () => {
    const answering = (matches: RegExp, answer: (response: ServerResponse, count: number) => void) => {
      let count = 0
      hub.commit('org/vad', signed)
      hub.fault = ({ url = '' }, response) => {
        if (!matches.test(url)) return false
        answer(response, ++count)
        return response.headersSent || response.writableEnded || response.destroyed
      }
    }

    test('is asked again, as often as may help', async () => {
      const failures = [500, 429, 503]
      answering(/\/lfs\//, (response, count) => {
        const status = failures[count - 1]
        if (status !== undefined) response.writeHead(status, { 'retry-after': '0' }).end()
      })
      await using model = await open()
      expect(model.decision).toBe('accepted')
      answering(/\/lfs\//, (response) => void response.writeHead(503, { 'retry-after': '0' }).end())
      await expect(open()).rejects.toEqual(refusal('HTTP_RESPONSE', { found: 'status 503' }))
      expect(hub.asked.filter((each) => each.startsWith('storage'))).toHaveLength(8)
    })

    test('is not waited for if it asks for a long pause', async () => {
      answering(/\/revision\//, (response) => void response.writeHead(429, { 'retry-after': '3600' }).end())
      await expect(open()).rejects.toEqual(refusal('HTTP_RESPONSE', { found: 'status 429 and "Retry-After" "3600"' }))
      expect(hub.asked).toHaveLength(1)
    })

    test('is not waited for after an abort', async () => {
      const controller = new AbortController()
      answering(/\/revision\//, (response) => {
        response.writeHead(503, { 'retry-after': '29' }).end()
        setTimeout(() => controller.abort(), 20)
      })
      await expect(open('hf://org/vad', {}, { signal: controller.signal })).rejects.toEqual(refusal('ABORTED'))
    })

    const redirecting = (location: string) => (response: ServerResponse) =>
      void response.writeHead(302, { location }).end()
    const sending =
      (content: string | Uint8Array, headers: Record<string, string> = {}) =>
      (response: ServerResponse) =>
        void response.writeHead(200, headers).end(content)
    test.each<[string, RegExp, (response: ServerResponse) => void, ErrorCode]>([
      ['redirects to a file', /resolve.*bin/, redirecting('file:///etc/passwd'), 'HTTP_REDIRECT'],
      ['redirects to plain HTTP elsewhere', /resolve.*bin/, redirecting('http://192.0.2.1/x'), 'HTTP_REDIRECT'],
      ['redirects forever', /resolve.*bin/, redirecting('/org/vad/resolve/x/x.bin'), 'HTTP_REDIRECT'],
      [
        'compresses a file into a bomb',
        /\/lfs\//,
        sending(gzipSync(Buffer.alloc(1e7)), { 'content-encoding': 'gzip' }),
        'HTTP_RESPONSE',
      ],
      ['sends more than it lists', /\/lfs\//, sending(Buffer.alloc(400_000)), 'HTTP_RESPONSE'],
      [
        'sends a file of another commit',
        /resolve.*json/,
        sending('{}', { 'x-repo-commit': '0'.repeat(40) }),
        'HTTP_RESPONSE',
      ],
      [
        'refuses a range that nobody asked for',
        /\/lfs\//,
        (response) => void response.writeHead(416).end(),
        'HTTP_RESPONSE',
      ],
      [
        'has a storage that denies access',
        /\/lfs\//,
        (response) => void response.writeHead(403).end(),
        'HTTP_RESPONSE',
      ],
      ['names no commit', /revision/, sending('{}'), 'SOURCE_FAILED'],
      ['names a commit that is a path', /revision/, sending('{"sha":"../../../evil"}'), 'SOURCE_FAILED'],
      ['sends no JSON', /revision/, sending('<html>'), 'JSON_INVALID'],
      [
        'compresses a listing into a bomb',
        /tree/,
        sending(gzipSync(Buffer.alloc(3e7, ' ')), { 'content-encoding': 'gzip' }),
        'SOURCE_FAILED',
      ],
      ['lists a million entries on one page', /tree/, sending(`[${'0,'.repeat(1_000_000)}0]`), 'JSON_TOO_COMPLEX'],
      ['lists no array', /tree/, sending('{}'), 'SOURCE_LISTING'],
      ['lists something else', /tree/, sending('[5]'), 'SOURCE_LISTING'],
      [
        'lists a name with ".."',
        /tree/,
        sending(
          JSON.stringify([
            { type: 'file', path: '../evil' },
            { type: 'file', path: 'model.sig' },
          ]),
        ),
        'SOURCE_LISTING',
      ],
      [
        'lists a name twice',
        /tree/,
        sending(JSON.stringify(['a', 'a'].map((path) => ({ type: 'file', path })))),
        'SOURCE_LISTING',
      ],
      [
        'lists a name in two cases',
        /tree/,
        sending(JSON.stringify(['a', 'A'].map((path) => ({ type: 'file', path })))),
        'SOURCE_LISTING',
      ],
      [
        'lists a bundle whose name is no Unicode',
        /tree/,
        sending(JSON.stringify([{ type: 'file', path: '\ud800.oms.sig' }])),
        'SOURCE_LISTING',
      ],
      [
        'has its next page elsewhere',
        /tree/,
        sending('[]', { link: '<https://evil.example/>; rel="next"' }),
        'SOURCE_LISTING',
      ],
      [
        'has its next page in another repository',
        /tree/,
        sending('[]', { link: '</api/models/org/evil/tree/x>; rel="next"' }),
        'SOURCE_LISTING',
      ],
    ])('is refused if it %s', async (_, matches, answer, code) => {
      answering(matches, answer)
      await expect(open()).rejects.toEqual(refusal(code))
    })

    test('is refused if its pages never end', async () => {
      let page = 0
      answering(/tree/, (response) => {
        const link = `<${hub.origin}/api/models/org/vad/tree/${'x'.repeat(40)}?cursor=${page++}>; rel="next"`
        sending('[]', { link: link.replace('x'.repeat(40), hub.asked[1]!.split('/').at(-1)!.split('?')[0]!) })(response)
      })
      await expect(open()).rejects.toEqual(refusal('SOURCE_LISTING'))
      expect(page).toBe(1_000)
    })
  })

  describe('in the cache of other clients', () => {
    /** As `hf download` writes it. */
    function cached(commit: string, references: Record<string, string>): string {
      const hashed = [...signed].map(([name, bytes]) => ({
        name,
        bytes,
        hash: createHash('sha256').update(bytes).digest('hex'),
      }))
      const repository = 'models--org--vad'
      const directory = scratch({
        ...Object.fromEntries(hashed.map(({ hash, bytes }) => [`${repository}/blobs/${hash}`, bytes])),
        ...Object.fromEntries(Object.entries(references).map(([name, sha]) => [`${repository}/refs/${name}`, sha])),
        [`${repository}/snapshots/${commit}/.placeholder`]: '',
      })
      rmSync(join(directory, repository, 'snapshots', commit, '.placeholder'))
      for (const { name, hash } of hashed)
        symlinkSync(`../../blobs/${hash}`, join(directory, repository, 'snapshots', commit, name))
      return directory
    }

    test('is found without the hub', async () => {
      const commit = 'a'.repeat(40)
      vi.stubEnv('HF_HUB_OFFLINE', '1')
      vi.stubEnv('HF_HUB_CACHE', cached(commit, { main: commit, 'refs/pr/1': commit }))
      for (const url of ['hf://org/vad', 'hf://org/vad@refs/pr/1', `hf://org/vad@${commit}`]) {
        await using model = await open(url)
        expect(model.verdict).toMatchObject({ decision: 'accepted', model: { url: 'hf://org/vad', revision: commit } })
        expect(Buffer.from(await model.read('config.json')).toString()).toBe('{}')
      }
      for (const url of ['hf://org/vad@v1', 'hf://org/other', `hf://org/vad@${'b'.repeat(40)}`])
        await expect(open(url)).rejects.toEqual(
          refusal('MODEL_NOT_FOUND', { hint: expect.stringContaining('HF_HUB_OFFLINE') as string }),
        )
      expect(hub.asked).toEqual([])
    })

    test('is refused if it differs from what was signed', async () => {
      const commit = 'a'.repeat(40)
      const cache = cached(commit, { main: commit })
      const hash = createHash('sha256').update(WEIGHTS).digest('hex')
      writeFileSync(join(cache, 'models--org--vad/blobs', hash), 'evil')
      vi.stubEnv('HF_HUB_OFFLINE', '1')
      vi.stubEnv('HF_HUB_CACHE', cache)
      await expect(open()).rejects.toEqual(refusal('FILE_MISMATCH', { file: 'weights.bin' }))
    })
  })

  test('is not sought on another server, or with a token in the clear', async () => {
    const closed = createServer()
    await new Promise<void>((resolve) => closed.listen(0, '127.0.0.1', resolve))
    const { port } = closed.address() as { port: number }
    await new Promise((resolve) => closed.close(resolve))
    await expect(open('hf://org/vad', { endpoint: `http://127.0.0.1:${port}` })).rejects.toEqual(
      refusal('HTTP_UNREACHABLE'),
    )
    for (const endpoint of ['ftp://hub', 'https://me:secret@hub', 'https://hub/?token=secret', 'hub'])
      await expect(open('hf://org/vad', { endpoint })).rejects.toEqual(refusal('INVALID_ARGUMENT'))
    const plain = { endpoint: 'http://hub.example', token: 'hf_secret' }
    await expect(open('hf://org/vad', plain)).rejects.toEqual(refusal('INVALID_ARGUMENT'))
  })
})
