import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { ModelSealError } from '../errors.ts'
import { GRANULARITY } from '../receipts/receipt.ts'
import type { ModelFiles } from '../source/model-source.ts'
import { memorySource } from '../testing/memory-source.ts'
import { refusal, scratch } from '../testing/scratch.ts'
import { TestSite } from '../testing/site.ts'
import type { LoadRequest } from './load.ts'
import type { Gather } from './model-reader.ts'
import { openOptions, type OpenOptions } from './open-options.ts'
import { openJudged } from './open-judged.ts'

const CONTENT = { 'config.json': '{}', 'weights.bin': 'weights' }
const ONLY_LOADED = 'A rule with "require: { files: loaded }" fetches only what is loaded.'

let site: TestSite

beforeAll(async () => {
  site = await TestSite.make()
  for (const key of ['a', 'b']) await site.key(key)
  await site.model('model', CONTENT)
  await site.sign('model', 'a', 'model/model.sig')
})
afterAll(() => site.remove())
beforeEach(() => void vi.stubEnv('MODELSEAL_CACHE', scratch()))
afterEach(() => void vi.unstubAllEnvs())

const VERIFIED = {}
const UNVERIFIED = { mode: 'audit', signers: [{ key: 'b' }] }
const nothing = () => Promise.resolve()

interface Opening {
  rule?: object
  source?: LoadRequest<unknown>['source']
  options?: OpenOptions
  gather?: Gather<unknown>
}

async function open({ rule, source = site.file('model'), options, gather = nothing }: Opening) {
  const policy = await site.policy({
    version: 1,
    trustRoots: { a: { publicKey: 'a.pub' }, b: { publicKey: 'b.pub' } },
    rules: [{ name: 'r', match: { format: 'any' }, signers: [{ key: 'a' }], ...rule }],
    // For the digest of each file, the files of an unverified model are not handed out as they are.
    revoked: { fileDigests: ['0'.repeat(64)] },
  })
  const own = openOptions({ ...options, policy })
  const model = await openJudged({ source, options: own, gather }, [own])
  onTestFinished(() => model.close())
  return model
}

function remote(files: Partial<ModelFiles> = {}) {
  const content = new Map<string, Uint8Array>([['model.sig', readFileSync(site.file('model/model.sig'))]])
  for (const [name, text] of Object.entries(CONTENT)) content.set(name, Buffer.from(text))
  const list = () => Object.keys(CONTENT).map((name) => ({ name }))
  return memorySource('store://models/vad', content, { files: { list, ...files } })
}

describe.each<[string, object]>([
  ['verified', VERIFIED],
  ['unverified', UNVERIFIED],
])('a model that is loaded %s', (_, rule) => {
  test('says where its files were placed if that was not the preferred place', async () => {
    const gather: Gather<unknown> = (reader) => reader.place(['weights.bin'], { isolation: 'copy' })
    const reasonOf = async () =>
      (await open({ rule, gather })).verdict.checks.find(({ check }) => check === 'isolation')?.reason ?? ''
    expect(await reasonOf()).not.toContain('Cannot use')
    vi.stubEnv('TMPDIR', join(scratch(), 'none'))
    expect(await reasonOf()).toContain('Cannot use TMPDIR for copies: ')
  })

  test('is handed to its loader with the name of the requested file', async () => {
    const gather: Gather<unknown> = (reader) => Promise.resolve(reader.entry)
    expect((await open({ rule, gather, source: site.file('model/config.json') })).gathered).toBe('config.json')
    expect((await open({ rule, gather })).gathered).toBeUndefined()
  })
})

test.runIf(process.platform === 'linux')('a verdict says that a receipt replaced hashing', async () => {
  const rule = { require: { receipts: 'allow' } }
  const now = Date.now()
  const clock = vi.spyOn(Date, 'now')
  onTestFinished(() => clock.mockRestore())
  const hashed: unknown[] = []
  for (const loads of [1, 2, 3]) {
    clock.mockReturnValue(now + 2 * loads * GRANULARITY)
    hashed.push((await open({ rule })).verdict.hashed)
  }
  expect(hashed).toEqual(['files', 'receipt', 'receipt'])
})

describe('the advice to fetch less', () => {
  const broken = (error: Error) => remote({ read: () => Promise.reject(error) })

  test('is all that a size limit advises', async () => {
    await expect(open({ source: remote(), options: { maxBytes: 8 } })).rejects.toEqual(
      refusal('FILE_TOO_LARGE', { hint: ONLY_LOADED }),
    )
  })

  test('follows what a source advises', async () => {
    const source = broken(new ModelSealError('FILE_TOO_LARGE', 'No.', { hint: 'Ask for less.' }))
    await expect(open({ source })).rejects.toEqual(refusal('FILE_TOO_LARGE', { hint: `Ask for less. ${ONLY_LOADED}` }))
  })

  test('comes with no other refusal, and not for a model on this machine', async () => {
    const source = broken(new ModelSealError('FILE_UNREADABLE', 'No.', { hint: 'Try again.' }))
    await expect(open({ source })).rejects.toEqual(refusal('FILE_UNREADABLE', { hint: 'Try again.' }))
    const other = await open({ source: broken(new Error('broken')) }).catch((error: unknown) => error)
    expect(other).toEqual(refusal('SOURCE_FAILED'))
    expect((other as ModelSealError).hint).not.toBe(ONLY_LOADED)
    await expect(open({ options: { maxBytes: 8 } })).rejects.toEqual(
      refusal('FILE_TOO_LARGE', { hint: expect.not.stringContaining(ONLY_LOADED) as string }),
    )
  })
})
