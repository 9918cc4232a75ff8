import { readFileSync } from 'node:fs'
import { openVerifiedModel, type OpenOptions } from '@modelseal/core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { refusal } from '../../../core/src/testing/scratch.ts'
import { TestSite } from '../../../core/src/testing/site.ts'
import { SmallHub } from '../testing/small-hub.ts'
import { huggingFaceSource } from './hugging-face-source.ts'

const CONTENT = { 'config.json': '{}', 'onnx/model.onnx': 'graph', 'onnx/model.onnx_data': 'weights'.repeat(50_000) }
const FILE = 'hf://org/vad/onnx/model.onnx'

describe('a file of a repository', () => {
  let site: TestSite
  let hub: SmallHub
  /** Signatures over the whole repository, over the folder, over the file, and by a stranger. */
  const bundles = { whole: '', folder: '', file: '', other: '', stranger: '' }

  beforeAll(async () => {
    site = await TestSite.make()
    for (const key of ['release', 'stranger']) await site.key(key)
    await site.model('vad', CONTENT)
    const sign = async (model: string, key: string) => {
      await site.sign(model, key, 'out.sig')
      return readFileSync(site.file('out.sig'), 'utf8')
    }
    bundles.whole = await sign('vad', 'release')
    bundles.folder = await sign('vad/onnx', 'release')
    bundles.file = await sign('vad/onnx/model.onnx', 'release')
    bundles.other = await sign('vad/config.json', 'release')
    bundles.stranger = await sign('vad', 'stranger')
  })
  afterAll(() => site.remove())
  beforeEach(async () => {
    hub = await SmallHub.start()
  })
  afterEach(() => hub.close())

  const policy = (rule: object = {}) =>
    site.policy({
      version: 1,
      trustRoots: { release: { publicKey: 'release.pub' } },
      rules: [{ name: 'hub', match: { url: 'hf://org/*' }, signers: [{ key: 'release' }], ...rule }],
    })
  const commit = (more: Record<string, string>, branch = 'main') =>
    hub.commit(
      'org/vad',
      new Map(
        Object.entries({ ...CONTENT, ...more }).map(([name, text]): [string, Uint8Array] => [name, Buffer.from(text)]),
      ),
      { branch },
    )
  const open = async (url = FILE, options: OpenOptions = {}) =>
    openVerifiedModel(
      huggingFaceSource(url, { endpoint: hub.origin, token: false }),
      { policy: await policy(), ...options },
      async (reader) => ({ entry: reader.entry, bytes: await reader.read(reader.entry ?? 'config.json') }),
    )
  const fetched = () =>
    hub.asked.filter((each) => each.includes('/resolve/')).map((each) => each.replace(/.*?\/\w{40}\//, ''))

  test.each([
    ['the repository', { 'model.sig': 'whole' }, 'onnx/model.onnx', 3],
    ['its folder', { 'onnx/model.sig': 'folder' }, 'model.onnx', 2],
    ['the file alone', { 'onnx/model.onnx.sig': 'file' }, 'model.onnx', 1],
    ['the repository, under another name', { 'vad.oms.sig': 'whole' }, 'onnx/model.onnx', 3],
  ] as const)('is signed with %s', async (_, signatures, entry, signed) => {
    const added = Object.entries(signatures).map(([name, which]) => [name, bundles[which]])
    commit(Object.fromEntries(added) as Record<string, string>)
    await using model = await open()
    expect(model.gathered.entry).toBe(entry)
    expect(Buffer.from(model.gathered.bytes).toString()).toBe('graph')
    expect(model.verdict).toMatchObject({ decision: 'accepted', files: { signed }, model: { url: 'hf://org/vad' } })
  })

  test('has the nearest signature that covers it', async () => {
    commit({ 'model.sig': bundles.stranger, 'onnx/model.sig': bundles.folder })
    await (await open()).close()
    commit({ 'model.sig': bundles.whole, 'onnx/model.sig': bundles.other })
    const rule = { require: { files: 'ignore-unsigned' } }
    await using model = await open(FILE, { policy: await policy(rule) })
    expect(model.verdict.bundles.map(({ path }) => path)).toEqual(['hf://org/vad/model.sig'])
  })

  test('is all that is fetched where the rule says so, and everything otherwise', async () => {
    commit({ 'model.sig': bundles.whole })
    await (await open(FILE, { policy: await policy({ require: { files: 'loaded' } }) })).close()
    expect(fetched()).toEqual(['model.sig', 'onnx/model.onnx'])
    hub.asked.length = 0
    await (await open()).close()
    expect(fetched().sort()).toEqual(['config.json', 'model.sig', 'onnx/model.onnx', 'onnx/model.onnx_data'])
  })

  test('is refused if its repository was changed, or nobody signed it', async () => {
    commit({ 'model.sig': bundles.whole, 'config.json': '[]' })
    await expect(open()).rejects.toEqual(refusal('FILE_MISMATCH', { file: 'config.json' }))
    commit({})
    const looked = '"hf://org/vad/onnx/model.onnx.sig" or "hf://org/vad/onnx/model.sig"'
    await expect(open()).rejects.toEqual(refusal('BUNDLE_NOT_FOUND', { expected: looked }))
    commit({ 'model.sig': bundles.whole, 'other.onnx': 'x' })
    await expect(open('hf://org/vad/other.onnx')).rejects.toEqual(refusal('FILE_NOT_SIGNED'))
  })

  test('is read with what is beside it where a rule skips the check', async () => {
    commit({})
    const rule = { match: { url: 'hf://org/vad' }, mode: 'skip', reason: 'test', signers: undefined }
    await using model = await open(FILE, { policy: await policy(rule) })
    expect(model.decision).toBe('skipped')
    expect(Buffer.from(await model.read('model.onnx_data'))).toHaveLength(350_000)
    expect(fetched()).toEqual(['onnx/model.onnx', 'onnx/model.onnx_data'])
  })

  describe('or a repository has the signature that the option names', () => {
    test.each([
      ['at the same commit', 'hf://org/vad/signatures/release.sig', 'main'],
      ['at another revision', 'hf://org/vad@signed/signatures/release.sig', 'signed'],
    ])('%s', async (_, signature, branch) => {
      commit({ 'signatures/release.sig': bundles.whole }, branch)
      const revision = commit({
        'model.sig': bundles.stranger,
        ...(branch === 'main' ? { 'signatures/release.sig': bundles.whole } : {}),
      })
      const ignoring = await policy({ require: { files: 'ignore-unsigned' } })
      for (const url of ['hf://org/vad', FILE]) {
        await using model = await open(url, { policy: ignoring, signature })
        expect(model.verdict).toMatchObject({
          model: { revision },
          bundles: [{ path: 'hf://org/vad/signatures/release.sig', counted: true }],
        })
      }
    })

    test('and nothing that is no file of the repository', async () => {
      commit({ 'model.sig': bundles.whole })
      for (const signature of ['hf://org/vad', 'hf://org/other/model.sig', 'https://evil.example/x.sig'])
        await expect(open(FILE, { signature })).rejects.toEqual(refusal('INVALID_ARGUMENT'))
      await expect(open(FILE, { signature: 'hf://org/vad/none.sig' })).rejects.toEqual(refusal('BUNDLE_NOT_FOUND'))
    })
  })
})
