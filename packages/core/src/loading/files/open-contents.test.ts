import { readFile, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { ModelSealError } from '../../errors.ts'
import { Contents } from '../../manifest/contents.ts'
import type { BundleCandidate, ModelFiles, SourceSession } from '../../source/model-source.ts'
import { filesAt } from '../../source/model-sources.ts'
import { sha256 } from '../../testing/bundles.ts'
import { memorySource } from '../../testing/memory-source.ts'
import { refusal, scratch } from '../../testing/scratch.ts'
import { TestSite } from '../../testing/site.ts'
import { openVerifiedDataset } from '../datasets/open-verified-dataset.ts'
import type { ModelReader, SavingReader } from '../model-reader.ts'
import { openJudged } from '../open-judged.ts'
import { openVerifiedModel } from '../open-verified-model.ts'
import { openOptions, type OpenOptions } from '../open-options.ts'
import type { AcceptedModel } from './open-contents.ts'
import { withoutCache } from './open-contents.ts'

const MODEL = 'store://models/vad'
const CONTENT = { 'config.json': '{}', 'weights.bin': 'weights' }

let site: TestSite
let signature: Buffer

beforeAll(async () => {
  site = await TestSite.make()
  await site.key('a')
  await site.key('b')
  await site.model('model', CONTENT)
  await site.sign('model', 'a', 'model/model.sig')
  signature = await readFile(site.file('model/model.sig'))
})
afterAll(() => site.remove())
afterEach(() => vi.restoreAllMocks())

const policy = (require: object = {}) =>
  site.policy({
    version: 1,
    trustRoots: { a: { publicKey: 'a.pub' } },
    rules: [{ name: 'r', match: { format: 'any' }, signers: [{ key: 'a' }], require }],
  })

/** The model in a source that lists these files besides. */
function source(
  more: Record<string, string> = {},
  { files, ...session }: Partial<SourceSession> & { files?: Partial<ModelFiles> } = {},
) {
  const content = new Map<string, Uint8Array>([['model.sig', signature]])
  for (const [name, text] of Object.entries({ ...CONTENT, ...more })) content.set(name, Buffer.from(text))
  return memorySource(MODEL, content, { session, files: files ?? {} })
}

async function open(
  given: Parameters<typeof openVerifiedModel>[0],
  { require, ...options }: OpenOptions & { require?: object } = {},
  gather: (reader: ModelReader) => Promise<unknown> = () => Promise.resolve(),
) {
  const model = await openVerifiedModel(given, { ...options, policy: await policy(require) }, gather)
  await model.close()
  return model
}

const bundle = (path: string, bytes: Uint8Array = signature): BundleCandidate => ({
  path,
  read: async (_, receive) => receive({ size: bytes.length, chunks: [bytes] }),
})
const groups = (...candidates: BundleCandidate[]) => ({ bundles: () => [{ candidates }] })

describe('the files of a source', () => {
  test('are those that were signed, and the bundle', async () => {
    const { files, verdict } = await open(source())
    expect([files, verdict.files]).toEqual([Object.keys(CONTENT), { checked: 2, signed: 2 }])
    await expect(open(source({ more: '' }))).rejects.toEqual(
      refusal('FILE_UNSIGNED', { problems: [{ code: 'FILE_UNSIGNED', file: 'more' }] }),
    )
    expect((await open(source({ more: '' }), { require: { files: 'ignore-unsigned' } })).decision).toBe('accepted')
    expect((await open(source({ more: '' }), { require: { unsigned: ['more'] } })).decision).toBe('accepted')
  })

  test('may contain other bundles, wherever the source says that it is', async () => {
    const own = bundle(`${MODEL}/own.sig`)
    for (const path of [MODEL, `${MODEL}/`]) {
      const session = { ...groups(own), files: { path } }
      expect((await open(source({ 'own.sig': 'a bundle' }, session))).decision).toBe('accepted')
    }
    // It is the bundle of a neighbour.
    const beside = { ...groups(bundle(`${MODEL}-2/own.sig`)) }
    await expect(open(source({ 'own.sig': 'a bundle' }, beside))).rejects.toEqual(refusal('FILE_UNSIGNED'))
  })

  test('may contain no file that is only called a bundle, but model.sig', async () => {
    const junk = Buffer.from('junk')
    const read = (name: string) => groups(bundle(`${MODEL}/${name}`, junk), bundle(`${MODEL}/model.sig`))
    await expect(open(source({ 'own.sig': 'junk' }, read('own.sig')))).rejects.toEqual(
      refusal('FILE_UNSIGNED', { problems: [{ code: 'FILE_UNSIGNED', file: 'own.sig' }] }),
    )
    for (const name of ['my-model.sig', 'model.sig.old'])
      await expect(open(source({ [name]: 'junk' }, read(name)))).rejects.toEqual(refusal('FILE_UNSIGNED'))
    const other = groups(bundle(`${MODEL}/model.sig`, junk), bundle('elsewhere'))
    expect((await open(source({}, other))).decision).toBe('accepted')
  })

  test('may contain a bundle that was signed as content', async () => {
    await site.sign('model', 'b', 'other.sig')
    const other = await readFile(site.file('other.sig'))
    const files = { ...CONTENT, 'own.sig': other.toString() }
    await site.model('nested', files)
    await site.sign('nested', 'a', 'nested.sig')
    const nested = await readFile(site.file('nested.sig'))
    const both = groups(bundle(`${MODEL}/own.sig`, other), bundle(`${MODEL}/model.sig`, nested))
    expect((await open(source(files, both))).files.toSorted()).toEqual(Object.keys(files).toSorted())
    await expect(open(source({ 'own.sig': 'other' }, both))).rejects.toEqual(
      refusal('FILE_MISMATCH', { file: 'own.sig' }),
    )
  })

  test('that are stated to be others are refused before any is read, unless only loaded ones count', async () => {
    const read = vi.fn()
    const list = () => [{ name: 'config.json', sha256: sha256('other') }, { name: 'weights.bin' }]
    const reading = (reader: ModelReader) => reader.read('weights.bin')
    await expect(open(source({}, { files: { list, read } }), {}, reading)).rejects.toEqual(refusal('FILE_MISMATCH'))
    const dataset = openVerifiedDataset(source({}, { files: { list, read } }), { policy: await policy() })
    await expect(dataset).rejects.toEqual(refusal('FILE_MISMATCH'))
    expect(read).not.toHaveBeenCalled()
    const loaded = await open(source({}, { files: { list } }), { require: { files: 'loaded' } }, reading)
    expect(loaded.verdict.files).toEqual({ checked: 1, signed: 2 })
  })

  test('count towards the limit of the caller', async () => {
    expect((await open(source(), { maxBytes: 9 })).decision).toBe('accepted')
    await expect(open(source(), { maxBytes: 8 })).rejects.toEqual(
      refusal('FILE_TOO_LARGE', { expected: expect.stringContaining('at most 8 bytes') as string }),
    )
  })

  test('are reported as they arrive', async () => {
    const onProgress = vi.fn()
    await open(source(), { onProgress })
    expect(onProgress.mock.lastCall?.[0]).toBe(9)
  })

  test('can be read, and have sizes', async () => {
    for (const given of [source(), site.file('model')]) {
      const seen: unknown[] = []
      await open(given, {}, async (reader) => {
        seen.push(Buffer.from(await reader.read('weights.bin')).toString(), reader.size('weights.bin'))
      })
      expect(seen).toEqual(['weights', 7])
    }
  })

  test('can be saved', async () => {
    for (const given of [source(), site.file('model')]) {
      const directory = scratch()
      const options = openOptions({ policy: await policy() })
      const request = { source: given, options, gather: (reader: SavingReader) => reader.save!(directory) }
      await (await openJudged({ ...request, keepsBundles: true }, [options])).close()
      for (const [name, text] of Object.entries(CONTENT))
        expect(await readFile(join(directory, name), 'utf8')).toBe(text)
    }
  })
})

describe('a file of a directory that is signed as a whole', () => {
  test('must be one of those that were signed, even if a bundle that cannot be read came first', async () => {
    const opened = await memorySource(MODEL, new Map()).open({ signal: undefined })
    const above = { entry: 'other', files: () => opened.model() }
    const candidates = [bundle('junk', Buffer.from('junk')), bundle('model.sig')]
    const session = { bundles: () => [{ candidates, directory: above }] }
    const file = { files: { isFile: true, name: 'other' } }
    await expect(open(source({}, { ...session, ...file }))).rejects.toEqual(
      refusal('FILE_NOT_SIGNED', { file: 'other' }),
    )
  })
})

describe('a cache of the source', () => {
  const cachedIn = (onDisk: ModelFiles['onDisk'], more: Partial<ModelFiles> = {}) => {
    const read = vi.fn<ModelFiles['read']>(async ({ name }, receive) => {
      await receive({ chunks: [Buffer.from(CONTENT[name as keyof typeof CONTENT])] })
    })
    return { read, from: source({}, { files: { onDisk, read, ...more } }) }
  }

  test('is used only if it is a directory', async () => {
    const directory = cachedIn(() => filesAt(site.file('model')))
    expect((await open(directory.from)).decision).toBe('accepted')
    expect(directory.read).not.toHaveBeenCalled()
    const remote = () => ({ path: 'p', name: 'n', isFile: false, read: () => expect.unreachable() })
    for (const onDisk of [() => filesAt(site.file('model/config.json')), () => undefined, remote]) {
      const { from, read } = cachedIn(onDisk)
      expect((await open(from)).decision).toBe('accepted')
      expect(read).toHaveBeenCalled()
    }
  })

  test('is asked for all signed files, with the signal of the load', async () => {
    const onDisk = vi.fn<NonNullable<ModelFiles['onDisk']>>(() => filesAt(site.file('model')))
    const { signal } = new AbortController()
    await open(cachedIn(onDisk).from, { signal })
    expect(onDisk.mock.calls).toEqual([[Object.keys(CONTENT), signal]])
  })

  test('does not keep a load that is aborted going', async () => {
    const stop = new AbortController()
    const onDisk = () => {
      stop.abort()
      return filesAt(site.file('model'))
    }
    const { from, read } = cachedIn(onDisk)
    await expect(open(from, { signal: stop.signal })).rejects.toEqual(refusal('ABORTED'))
    expect(read).not.toHaveBeenCalled()
  })

  test.each([
    ['that is aborted, ends', new ModelSealError('ABORTED', 'No.'), 'ABORTED'],
    ['that has a fault of its own, says so', new Error('broken'), 'INTERNAL'],
  ] as const)('does not keep a load %s', async (_, error, code) => {
    vi.spyOn(Contents, 'compareNames').mockRejectedValueOnce(error)
    await expect(open(cachedIn(() => filesAt(site.file('model'))).from)).rejects.toEqual(refusal(code))
  })

  test('is not looked for by a single file, or a dataset', async () => {
    const onDisk = vi.fn(() => filesAt(site.file('model')))
    await site.sign('model/config.json', 'a', 'single.sig')
    const single = await readFile(site.file('single.sig'))
    const { from } = cachedIn(onDisk, { isFile: true, name: 'config.json' })
    const session = await from.open({ signal: undefined })
    const bundles = groups(bundle('single.sig', single)).bundles
    await open({ place: from.place, open: () => ({ ...session, bundles }) })
    await (await openVerifiedDataset(cachedIn(onDisk).from, { policy: await policy() })).close()
    expect(onDisk).not.toHaveBeenCalled()
  })

  test('is left out by a load that does without it', () => {
    const model = {
      found: { files: { onDisk: () => {}, path: 'p' }, entry: 'e' },
      rule: {},
    } as unknown as AcceptedModel
    expect(withoutCache(model)).toEqual({ found: { files: { onDisk: undefined, path: 'p' }, entry: 'e' }, rule: {} })
  })
})

describe('a model on this machine', () => {
  test('counts towards the limit, and is reported', async () => {
    const onProgress = vi.fn()
    expect((await open(site.file('model'), { onProgress, maxBytes: 9 })).decision).toBe('accepted')
    expect(onProgress.mock.lastCall?.[0]).toBe(9)
    await expect(open(site.file('model'), { maxBytes: 8 })).rejects.toEqual(refusal('FILE_TOO_LARGE'))
  })

  test('may contain its bundle', async () => {
    await site.model('around', { ...CONTENT, 'own.sig': signature.toString() })
    await symlink('around', site.file('link'))
    for (const name of ['around', 'link'])
      expect((await open(site.file(name), { signature: site.file(name, 'own.sig') })).decision).toBe('accepted')
  })

  test('is refused for the size of a file, unless only loaded ones count', async () => {
    await site.model('grown', CONTENT)
    await site.sign('grown', 'a', 'grown.sig', { shardSize: 4 })
    await site.write('grown/config.json', '{"a":1}')
    const options = { signature: site.file('grown.sig') }
    const mismatch = refusal('FILE_MISMATCH', { file: 'config.json' })
    await expect(open(site.file('grown'), options)).rejects.toEqual(mismatch)
    const dataset = openVerifiedDataset(site.file('grown'), { ...options, policy: await policy() })
    await expect(dataset).rejects.toEqual(mismatch)
    const reading = (reader: ModelReader) => reader.read('weights.bin')
    const loaded = await open(site.file('grown'), { ...options, require: { files: 'loaded' } }, reading)
    expect(loaded.verdict.files).toEqual({ checked: 1, signed: 2 })
  })
})
