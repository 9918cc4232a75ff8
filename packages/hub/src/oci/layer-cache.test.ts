import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openVerifiedModel, pullModels } from '@modelseal/core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { refusal, scratch } from '../../../core/src/testing/scratch.ts'
import { TestSite } from '../../../core/src/testing/site.ts'
import { sha256, TestRegistry } from '../testing/oci-registry.ts'
import { SlowCache } from '../testing/slow-cache.ts'
import { ociSource, type OciOptions } from './oci-source.ts'

const FILES = { 'config.json': '{}', 'empty.txt': '', 'weights.bin': 'weights'.repeat(100_000) }
const WEIGHTS = sha256(Buffer.from(FILES['weights.bin'])).slice('sha256:'.length)

let site: TestSite
let policy: string
let files: Map<string, Buffer>
let registry: TestRegistry
let cache: string

beforeAll(async () => {
  site = await TestSite.make()
  for (const key of ['release', 'stranger']) await site.key(key)
  await site.model('model', FILES)
  await site.sign('model', 'release', 'model/model.sig')
  policy = await site.policy({
    version: 1,
    trustRoots: { release: { publicKey: 'release.pub' } },
    rules: [{ name: 'any', match: { source: 'oci://**' }, signers: [{ key: 'release' }] }],
  })
  files = new Map([...Object.keys(FILES), 'model.sig'].map((name) => [name, readFileSync(site.file(`model/${name}`))]))
})
afterAll(() => site.remove())
beforeEach(async () => {
  registry = await TestRegistry.start()
  registry.pushFiles(files)
  cache = join(scratch(), 'oras')
  vi.stubEnv('ORAS_CACHE', cache)
})
afterEach(() => {
  vi.restoreAllMocks()
  vi.unstubAllEnvs()
})

/** Loads the model. @returns how many of its files were fetched */
async function load(options: OciOptions = {}): Promise<number> {
  registry.asked.length = 0
  await (await openVerifiedModel(ociSource(registry.url(), options), { policy })).close()
  // One is the bundle.
  return registry.asked.filter((path) => path.includes('/blobs/')).length - 1
}
const blobs = () => (existsSync(cache) ? readdirSync(join(cache, 'blobs/sha256')).sort() : [])
const ALL = Object.values(FILES)
  .map((text) => sha256(Buffer.from(text)).slice('sha256:'.length))
  .sort()

describe('the cache of ORAS', () => {
  test('has the layers that a load accepted, so that the next one fetches none', async () => {
    expect(await load()).toBe(2)
    expect(blobs()).toEqual(ALL)
    expect(await load()).toBe(0)
    // Of another tag, or in another repository.
    const other = await TestRegistry.start()
    other.pushFiles(files, '2.0')
    await (await openVerifiedModel(ociSource(other.url(':2.0')), { policy })).close()
    expect(other.asked.filter((path) => path.includes('/blobs/'))).toHaveLength(1)
  })

  test('is not believed: damaged content is fetched again and replaced', async () => {
    await load()
    const path = join(cache, 'blobs/sha256', WEIGHTS)
    writeFileSync(path, 'Weights'.repeat(100_000))
    expect(await load()).toBe(1)
    expect(readFileSync(path, 'utf8')).toBe(FILES['weights.bin'])
  })

  test('is read by a pull, which adds nothing', async () => {
    const pull = async () => {
      registry.asked.length = 0
      await pullModels([{ source: ociSource(registry.url()), directory: join(scratch(), 'vad') }], { policy })
      return registry.asked.filter((path) => path.includes('/blobs/')).length - 1
    }
    expect(await pull()).toBe(2)
    expect(blobs()).toEqual([])
    await load()
    expect(await pull()).toBe(0)
  })

  test('has nothing of a model that is refused', async () => {
    const strict = await site.policy({
      version: 1,
      trustRoots: { stranger: { publicKey: 'stranger.pub' } },
      rules: [{ name: 'any', match: { source: 'oci://**' }, signers: [{ key: 'stranger' }] }],
    })
    const refused = openVerifiedModel(ociSource(registry.url()), { policy: strict })
    await expect(refused).rejects.toEqual(refusal('SIGNER_NOT_TRUSTED'))
    expect(blobs()).toEqual([])
  })

  test('is not written to once a load has failed', async () => {
    const slow = new SlowCache()
    registry.faults.push({
      path: `blobs/sha256:${WEIGHTS}`,
      answer: (_, response) => void slow.begun.then(() => response.end('Weights'.repeat(100_000))),
    })
    await expect(load()).rejects.toEqual(refusal('FILE_MISMATCH'))
    expect(slow.adding).toBe(0)
    expect(blobs()).toContain(sha256(Buffer.from(FILES['config.json'])).slice('sha256:'.length))
  })

  test('is neither read nor written if the program says so, or if no variable names it', async () => {
    expect(await load({ cache: false })).toBe(2)
    expect(blobs()).toEqual([])
    await load()
    expect(await load({ cache: false })).toBe(2)
    vi.stubEnv('ORAS_CACHE', '')
    expect(await load()).toBe(2)
  })

  test.skipIf(process.platform === 'win32')('is not written if others could put links into it', async () => {
    mkdirSync(join(cache, 'blobs'), { recursive: true })
    chmodSync(join(cache, 'blobs'), 0o777)
    expect(await load()).toBe(2)
    expect(readdirSync(join(cache, 'blobs'))).toEqual([])
  })
})
