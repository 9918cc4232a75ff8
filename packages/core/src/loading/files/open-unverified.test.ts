import { closeSync, openSync, readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import type { ModelFiles, SourceSession } from '../../source/model-source.ts'
import { digestModel } from '../../signing/digest-model.ts'
import { memorySource } from '../../testing/memory-source.ts'
import { sha256 } from '../../testing/bundles.ts'
import { refusal, scratch } from '../../testing/scratch.ts'
import { TestSite } from '../../testing/site.ts'
import type { ModelReader } from '../model-reader.ts'
import type { OpenOptions } from '../open-options.ts'
import { openVerifiedModel } from '../open-verified-model.ts'
import { LinkedFiles } from './linked-files.ts'
import { unidentified } from './open-unverified.ts'
import { UnverifiedFiles } from './unverified-files.ts'

const MODEL = 'store://models/vad'
const CONTENT = { 'config.json': '{}', 'weights.bin': 'weights' }

let site: TestSite
let rootDigest: string
let signature: Buffer

beforeAll(async () => {
  site = await TestSite.make()
  await site.key('a')
  await site.model('model', CONTENT)
  rootDigest = await site.sign('model', 'a', 'model/model.sig')
  signature = await readFile(site.file('model/model.sig'))
})
afterAll(() => site.remove())

const policy = (revoked: object = {}) =>
  site.policy({
    version: 1,
    rules: [
      { name: 'r', match: { url: 'store://models/**' }, mode: 'skip', reason: 'ours' },
      { name: 'l', match: { path: 'model/**' }, mode: 'skip', reason: 'ours' },
    ],
    revoked,
  })

async function open(
  source: Parameters<typeof openVerifiedModel>[0],
  { revoked, ...options }: OpenOptions & { revoked?: object } = {},
  gather: (reader: ModelReader) => Promise<unknown> = () => Promise.resolve(),
) {
  return openVerifiedModel(source, { ...options, policy: await policy(revoked) }, gather)
}

function remote({ files, ...session }: Partial<SourceSession> & { files?: Partial<ModelFiles> } = {}) {
  const content = new Map<string, Uint8Array>([['model.sig', signature]])
  for (const [name, text] of Object.entries(CONTENT)) content.set(name, Buffer.from(text))
  return memorySource(MODEL, content, { session, files: files ?? {} })
}
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString()

describe('a model elsewhere that is loaded unverified', () => {
  test('has the files that its source lists', async () => {
    await using model = await open(remote(), {}, async (reader) => {
      await reader.read('config.json')
      return reader.size('config.json')
    })
    expect(model.files).toEqual(['model.sig', ...Object.keys(CONTENT)])
    expect(text(await model.read('weights.bin'))).toBe('weights')
    expect(model.gathered).toBe(2)
    await expect(model.read('none')).rejects.toEqual(refusal('FILE_NOT_FOUND', { file: 'none' }))
    await expect(model.read('../x')).rejects.toEqual(refusal('PATH_ESCAPES', { file: '../x' }))
    await expect(model.place(['weights.bin'])).rejects.toEqual(refusal('ISOLATION_REFUSED'))
  })

  test('has the files that are known without a listing', async () => {
    const list = vi.fn(() => [])
    const source = remote({ files: { list }, bundles: () => [] })
    const { open: opening, place } = source
    const session = await opening({ signal: undefined })
    const files = await session.model()
    const known = { ...session, unverified: () => ({ files, entry: 'weights.bin', names: ['weights.bin'] }) }
    await using model = await open({ place, open: () => known }, {}, async (reader) => {
      expect([reader.entry, reader.files]).toEqual(['weights.bin', ['weights.bin']])
      return reader.readAll([{ name: 'weights.bin' }])
    })
    expect(model.files).toEqual(['weights.bin'])
    expect(list).not.toHaveBeenCalled()
  })

  test('is refused if root digests are revoked, which nobody can compute', async () => {
    const revoked = { rootDigests: ['0'.repeat(64)] }
    await expect(open(remote(), { revoked })).rejects.toEqual(refusal('MODEL_UNIDENTIFIED'))
    expect(unidentified('m')).toEqual(refusal('MODEL_UNIDENTIFIED'))
  })

  test('has its files looked up as they are read', async () => {
    await using model = await open(remote(), { revoked: { fileDigests: [sha256('weights')] } })
    expect(text(await model.read('config.json'))).toBe('{}')
    await expect(model.read('weights.bin')).rejects.toEqual(refusal('FILE_REVOKED', { file: 'weights.bin' }))
  })

  test('counts towards the limit of the caller', async () => {
    await using model = await open(remote(), { maxBytes: 8 })
    await model.read('weights.bin')
    await expect(model.read('config.json')).rejects.toEqual(refusal('FILE_TOO_LARGE'))
  })
})

describe('a model on this machine that is loaded unverified', () => {
  test('is refused by its root digest', async () => {
    const revoked = { rootDigests: [rootDigest] }
    await expect(open(site.file('model'), { revoked })).rejects.toEqual(refusal('MODEL_REVOKED'))
    await using model = await open(site.file('model'), { revoked: { rootDigests: ['0'.repeat(64)] } })
    expect(model.decision).toBe('skipped')
  })

  test('counts towards the limit of the caller as it is read, or hashed for its root digest', async () => {
    await using model = await open(site.file('model'), { maxBytes: 8 })
    await model.read('weights.bin')
    await expect(model.read('config.json')).rejects.toEqual(refusal('FILE_TOO_LARGE'))
    const revoked = { rootDigests: ['0'.repeat(64)] }
    await expect(open(site.file('model'), { maxBytes: 8, revoked })).rejects.toEqual(refusal('FILE_TOO_LARGE'))
  })

  test('is the directory that the bundles sign, or the file and those beside it', async () => {
    const inDirectory = await open(site.file('model/config.json'), {}, (reader) => Promise.resolve(reader.entry))
    expect(inDirectory.gathered).toBe('config.json')
    expect(inDirectory.files).toContain('weights.bin')
    await inDirectory.close()
    await site.model('model/sub/deep', { f: 'f', g: 'g' })
    await site.sign('model/sub/deep/f', 'a', 'model/sub/deep/f.sig')
    await using alone = await open(site.file('model/sub/deep/f'))
    expect(alone.files).toEqual(['f'])
    expect(text(await alone.read('g'))).toBe('g')
  })

  test('is refused by the root digest that it has now, whatever its bundle claims', async () => {
    await site.model('model/whole', CONTENT)
    await site.sign('model/whole', 'a', 'model/whole/model.sig')
    await site.model('model/one', { f: 'f', g: 'g' })
    await site.sign('model/one/f', 'a', 'model/one/f.sig')
    await site.write('model/whole/weights.bin', 'changed')
    await site.write('model/one/f', 'changed')
    for (const [path, file] of [
      ['model/whole', 'model/whole/config.json'],
      ['model/one/f', 'model/one/f'],
    ] as const) {
      const { rootDigest: now } = await digestModel(site.file(path), { ignorePaths: ['model.sig'] })
      await expect(open(site.file(file), { revoked: { rootDigests: [now] } })).rejects.toEqual(refusal('MODEL_REVOKED'))
    }
  })

  test('that is a single file is refused by the root digest of that file', async () => {
    await site.model('model/single', { f: 'f', g: 'g' })
    const single = await site.sign('model/single/f', 'a', 'elsewhere.sig')
    const path = site.file('model/single/f')
    await expect(open(path, { revoked: { rootDigests: [single] } })).rejects.toEqual(refusal('MODEL_REVOKED'))
    await using model = await open(path, { revoked: { rootDigests: ['0'.repeat(64)] } })
    await site.write('model/single/g', 'changed')
    expect(text(await model.read('g'))).toBe('changed')
  })
})

test.runIf(process.platform === 'linux')(
  'a judged file that can be reached only through a link in procfs is copied, whatever the caller prefers',
  async () => {
    const root = scratch({ a: 'a' })
    const linked = await LinkedFiles.open({ root, names: ['a'] }, { hashTypes: ['sha256'], check: () => {} }, {})
    const fd = openSync(root, 'r')
    onTestFinished(() => closeSync(fd))
    const [file] = await linked.find(['a'])
    vi.spyOn(linked, 'find').mockResolvedValue([{ ...file!, path: `/proc/self/fd/${fd}/a` }])
    const handing = { entry: undefined, isolation: 'in-place', isJudged: () => true } as const
    const files = new UnverifiedFiles(linked, handing, async () => {})
    const placed = await files.place(['a'])
    expect([placed.isolation, readFileSync(placed.path('a'), 'utf8')]).toEqual(['copy', 'a'])
    await files.dispose()
  },
)
