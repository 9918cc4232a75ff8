import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { BundleCandidate, ModelFiles, SourceSession } from '../../source/model-source.ts'
import { filesAt } from '../../source/model-sources.ts'
import { sha256 } from '../../testing/bundles.ts'
import { memorySource } from '../../testing/memory-source.ts'
import { refusal } from '../../testing/scratch.ts'
import { TestSite } from '../../testing/site.ts'
import type { ModelReader } from '../model-reader.ts'
import { openVerifiedModel } from '../open-verified-model.ts'
import type { OpenOptions } from '../open-options.ts'
import type { AcceptedModel } from './open-contents.ts'
import { withoutCache } from './open-contents.ts'

const MODEL = 'store://models/vad'
const CONTENT = { 'config.json': '{}', 'weights.bin': 'weights' }

let site: TestSite
let signature: Buffer

beforeAll(async () => {
  site = await TestSite.make()
  await site.key('a')
  await site.model('model', CONTENT)
  await site.sign('model', 'a', 'model/model.sig')
  signature = await readFile(site.file('model/model.sig'))
})
afterAll(() => site.remove())

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
    await expect(open(source({ 'my-model.sig': 'junk' }, read('my-model.sig')))).rejects.toEqual(
      refusal('FILE_UNSIGNED'),
    )
    const other = groups(bundle(`${MODEL}/model.sig`, junk), bundle('elsewhere'))
    expect((await open(source({}, other))).decision).toBe('accepted')
  })

  test('that are stated to be others are refused before they are read, unless only loaded ones count', async () => {
    const read = vi.fn()
    const list = () => Object.entries(CONTENT).map(([name]) => ({ name, sha256: sha256('other') }))
    await expect(open(source({}, { files: { list, read } }))).rejects.toEqual(refusal('FILE_MISMATCH'))
    expect(read).not.toHaveBeenCalled()
    const loaded = await open(source({}, { files: { list } }), { require: { files: 'loaded' } })
    expect(loaded.verdict.files).toEqual({ checked: 0, signed: 2 })
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
    const seen: unknown[] = []
    await open(source(), {}, async (reader) => {
      seen.push(Buffer.from(await reader.read('weights.bin')).toString(), reader.size('weights.bin'))
    })
    expect(seen).toEqual(['weights', 7])
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
    for (const onDisk of [() => filesAt(site.file('model/config.json')), () => undefined]) {
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

  test('is left out by a load that does without it', () => {
    const model = {
      found: { files: { onDisk: () => {}, path: 'p' }, entry: 'e' },
      rule: {},
    } as unknown as AcceptedModel
    expect(withoutCache(model)).toEqual({ found: { files: { onDisk: undefined, path: 'p' }, entry: 'e' }, rule: {} })
  })
})

test('a model on this machine counts towards the limit, and is reported', async () => {
  const onProgress = vi.fn()
  expect((await open(site.file('model'), { onProgress, maxBytes: 9 })).decision).toBe('accepted')
  expect(onProgress.mock.lastCall?.[0]).toBe(9)
  await expect(open(site.file('model'), { maxBytes: 8 })).rejects.toEqual(refusal('FILE_TOO_LARGE'))
})
