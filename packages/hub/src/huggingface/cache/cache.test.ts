import { execFileSync, spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import type { ServerResponse } from 'node:http'
import { join } from 'node:path'
import { openVerifiedModel, type OpenOptions } from '@modelseal/core'
import { PartialFile } from '@modelseal/core/http'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { refusal, scratch } from '../../../../core/src/testing/scratch.ts'
import { TestSite } from '../../../../core/src/testing/site.ts'
import { SlowCache } from '../../testing/slow-cache.ts'
import { gitDigest, SmallHub } from '../../testing/small-hub.ts'
import { huggingFaceSource } from '../hugging-face-source.ts'

const WEIGHTS = randomBytes(3_000_000)
const CONFIG = Buffer.from('{}')
const SHA256 = createHash('sha256').update(WEIGHTS).digest('hex')

let site: TestSite
let signed: Map<string, Uint8Array>
let policy: string
let hub: SmallHub
let cache: string

const rule = (key: string, more: object = {}) => ({
  version: 1,
  trustRoots: { [key]: { publicKey: `${key}.pub` } },
  rules: [{ name: 'hub', match: { url: 'hf://org/*' }, signers: [{ key }], ...more }],
})

beforeAll(async () => {
  site = await TestSite.make()
  await site.key('release')
  await site.key('stranger')
  policy = await site.policy(rule('release'))
  await site.write('model/onnx/model.onnx', WEIGHTS)
  await site.write('model/config.json', CONFIG)
  await site.sign('model', 'release', 'model.sig')
  signed = new Map<string, Uint8Array>([
    ['.gitattributes', Buffer.from('*.onnx filter=lfs')],
    ['config.json', CONFIG],
    ['model.sig', readFileSync(site.file('model.sig'))],
    ['onnx/model.onnx', WEIGHTS],
  ])
})
afterAll(() => site.remove())
beforeEach(async () => {
  hub = await SmallHub.start()
  cache = join(scratch(), 'hub')
  vi.stubEnv('HF_HUB_CACHE', cache)
})
afterEach(async () => {
  vi.restoreAllMocks()
  vi.unstubAllEnvs()
  await hub.close()
})

const open = (options: OpenOptions = {}, url = 'hf://org/vad') =>
  openVerifiedModel(huggingFaceSource(url, { endpoint: hub.origin, token: false }), { policy, ...options })
async function loaded(options?: OpenOptions): Promise<Buffer> {
  await using model = await open(options)
  return Buffer.from(await model.read('onnx/model.onnx'))
}
const repository = (...names: string[]) => join(cache, 'models--org--vad', ...names)
const blobs = () => (existsSync(repository('blobs')) ? readdirSync(repository('blobs')).sort() : [])
/** What the storage was asked for since the last call. */
const fetched = () =>
  hub.asked.splice(0).filter((each) => /\/(?:lfs|resolve)\//.test(each) && !each.endsWith('model.sig'))
const BLOBS = () => [SHA256, gitDigest(CONFIG), gitDigest(signed.get('model.sig')!)].sort()

/** The storage sends the beginning of the weights, and then does what it is told. */
function sendsBeginning(bytes: number, then: (response: ServerResponse) => void): void {
  hub.fault = ({ url = '', headers }, response) => {
    if (!url.startsWith('/lfs/') || headers.range !== undefined) return false
    response
      .writeHead(200, { 'content-length': WEIGHTS.length })
      .write(WEIGHTS.subarray(0, bytes), () => then(response))
    return true
  }
}

describe('the cache of the hub', () => {
  test("has what a load accepted, in the layout of the hub's clients, and is used offline", async () => {
    const commit = hub.commit('org/vad', signed)
    expect((await loaded()).equals(WEIGHTS)).toBe(true)
    expect(blobs()).toEqual(BLOBS())
    expect(readFileSync(repository('refs', 'main'), 'utf8')).toBe(commit)
    expect(readlinkSync(repository('snapshots', commit, 'onnx', 'model.onnx'))).toBe(`../../../blobs/${SHA256}`)
    expect(readlinkSync(repository('snapshots', commit, 'config.json'))).toBe(`../../blobs/${gitDigest(CONFIG)}`)
    expect(readFileSync(repository('snapshots', commit, 'onnx', 'model.onnx')).equals(WEIGHTS)).toBe(true)
    vi.stubEnv('HF_HUB_OFFLINE', '1')
    hub.asked.length = 0
    await using model = await open()
    expect(model.verdict.model).toMatchObject({ revision: commit, requested: 'main' })
    expect(hub.asked).toEqual([])
  })

  test('makes the next load local: nothing is fetched, files are loaded in place, and receipts apply', async () => {
    const warm = await site.policy(rule('release', { require: { receipts: { maxAge: '1d' } } }))
    vi.stubEnv('MODELSEAL_CACHE', scratch())
    hub.commit('org/vad', signed)
    await loaded()
    expect(fetched()).not.toEqual([])
    const options: OpenOptions = { policy: warm, isolation: 'in-place' }
    {
      await using model = await open(options)
      const { isolation, path } = await model.place(['onnx/model.onnx'])
      expect(isolation).toBe('in-place')
      expect(readFileSync(path('onnx/model.onnx')).equals(WEIGHTS)).toBe(true)
      model.confirm()
    }
    expect(fetched()).toEqual([])
    // A receipt of files that changed a moment ago proves nothing yet.
    const clock = vi.spyOn(Date, 'now').mockReturnValue(Date.now() + 60_000)
    await using again = await open(options)
    await again.close()
    clock.mockReturnValue(Date.now() + 60_000)
    await using last = await open(options)
    expect(last.verdict.hashed).toBe('receipt')
    expect(fetched()).toEqual([])
  })

  test('is judged again: what was cached under audit is refused under enforce', async () => {
    hub.commit('org/vad', signed)
    const audit = await site.policy(rule('stranger', { mode: 'audit' }))
    expect((await loaded({ policy: audit })).equals(WEIGHTS)).toBe(true)
    expect(blobs()).toContain(SHA256)
    const enforce = await site.policy(rule('stranger'))
    await expect(loaded({ policy: enforce })).rejects.toThrow(refusal('SIGNER_NOT_TRUSTED'))
    // Another content under an accepted signature, which an audit lets pass.
    const other = new Map([...signed, ['config.json', Buffer.from('[]')]])
    hub.commit('org/vad', other)
    const lax = await site.policy(rule('release', { mode: 'audit' }))
    expect((await open({ policy: lax })).decision).toBe('tolerated')
    await expect(loaded()).rejects.toThrow(refusal('FILE_MISMATCH'))
  })

  test.each<[string, () => void]>([
    ['another content', () => hub.replaceStored(WEIGHTS, randomBytes(WEIGHTS.length))],
    ['a shorter file', () => hub.replaceStored(WEIGHTS, WEIGHTS.subarray(1))],
    ['a longer file', () => hub.replaceStored(WEIGHTS, Buffer.concat([WEIGHTS, CONFIG]))],
  ])('has nothing of a hub that sends %s', async (_, lie) => {
    hub.commit('org/vad', signed)
    lie()
    await expect(loaded()).rejects.toThrow(/the hub sent an unexpected response|not what was signed/)
    expect(blobs().filter((name) => name.startsWith(SHA256))).toEqual([])
  })

  test('is not written to once a load has failed', async () => {
    hub.commit('org/vad', signed)
    const slow = new SlowCache()
    hub.fault = ({ url = '' }, response) => {
      if (!url.startsWith('/lfs/')) return false
      void slow.begun.then(() => response.writeHead(200).end(randomBytes(WEIGHTS.length)))
      return true
    }
    await expect(loaded()).rejects.toEqual(refusal('FILE_MISMATCH'))
    expect(slow.adding).toBe(0)
    expect(blobs()).toContain(gitDigest(CONFIG))
  })

  test('has nothing of a model that the policy refuses', async () => {
    hub.commit('org/vad', signed)
    await expect(loaded({ policy: await site.policy(rule('stranger')) })).rejects.toThrow(refusal('SIGNER_NOT_TRUSTED'))
    expect(existsSync(cache)).toBe(false)
  })

  test('is not believed: damaged content is fetched again and replaced', async () => {
    hub.commit('org/vad', signed)
    await loaded()
    const changed = Buffer.from(WEIGHTS)
    changed[1]! ^= 1
    writeFileSync(repository('blobs', SHA256), changed)
    fetched()
    expect((await loaded()).equals(WEIGHTS)).toBe(true)
    expect(fetched().some((each) => each.includes('/lfs/'))).toBe(true)
    expect(readFileSync(repository('blobs', SHA256)).equals(WEIGHTS)).toBe(true)
    expect(blobs()).toEqual(BLOBS())
  })

  test('does not answer for files that nobody signed, since nothing would tell that it has others', async () => {
    hub.commit('org/vad', signed)
    await loaded()
    writeFileSync(repository('blobs', gitDigest(CONFIG)), '[]')
    const session = await huggingFaceSource('hf://org/vad', { endpoint: hub.origin, token: false }).open({
      signal: undefined,
    })
    const files = await session.model()
    let content = ''
    await files.read({ name: 'config.json', signal: new AbortController().signal }, async ({ chunks }) => {
      for await (const chunk of chunks) content += Buffer.from(chunk).toString()
    })
    expect(content).toBe('{}')
    await session.close?.()
  })

  test('continues what a killed process began, and hashes that again', async () => {
    hub.commit('org/vad', signed)
    const killed = Promise.withResolvers<true>()
    sendsBeginning(2_000_000, () => killed.resolve(true))
    const program = `
      import { openVerifiedModel } from '@modelseal/core'
      import { huggingFaceSource } from ${JSON.stringify(new URL('../hugging-face-source.ts', import.meta.url).href)}
      const source = huggingFaceSource('hf://org/vad', { endpoint: ${JSON.stringify(hub.origin)}, token: false })
      await openVerifiedModel(source, { policy: ${JSON.stringify(policy)} })`
    const cwd = join(import.meta.dirname, '../../..')
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], { cwd, stdio: 'inherit' })
    await killed.promise
    const begun = () => blobs().find((name) => name.startsWith(`${SHA256}.modelseal-`))
    while (!begun() || statSync(repository('blobs', begun()!)).size === 0) await new Promise((r) => setTimeout(r, 20))
    child.kill('SIGKILL')
    await once(child, 'exit')
    const { size } = statSync(repository('blobs', begun()!))
    expect(size).toBeLessThanOrEqual(2_000_000)
    const ranges: (string | undefined)[] = []
    hub.fault = ({ url = '', headers }) => {
      if (url.startsWith('/lfs/')) ranges.push(headers.range)
      return false
    }
    expect((await loaded()).equals(WEIGHTS)).toBe(true)
    expect(ranges[0]).toBe(`bytes=${size}-${WEIGHTS.length - 1}`)
    expect(blobs()).toEqual(BLOBS())
  })

  test('does not believe what an interrupted load left', async () => {
    hub.commit('org/vad', signed)
    mkdirSync(repository('blobs'), { recursive: true })
    writeFileSync(repository('blobs', `${SHA256}.modelseal-0123456789ab.incomplete`), randomBytes(1_000_000))
    expect((await loaded()).equals(WEIGHTS)).toBe(true)
    expect(blobs()).toEqual(BLOBS())
  })

  test('is written by several loads at once', async () => {
    hub.commit('org/vad', signed)
    const all = await Promise.all([loaded(), loaded(), loaded()])
    expect(all.every((bytes) => bytes.equals(WEIGHTS))).toBe(true)
    expect(blobs()).toEqual(BLOBS())
  })

  test('that is full does not stop a load', async () => {
    hub.commit('org/vad', signed)
    const full = Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' })
    vi.spyOn(PartialFile.prototype, 'add').mockRejectedValue(full)
    expect((await loaded()).equals(WEIGHTS)).toBe(true)
    expect(blobs()).toEqual([])
  })

  test.each<[string, () => void]>([
    [
      'that others can write to',
      () => {
        mkdirSync(cache, { recursive: true })
        chmodSync(cache, 0o777)
      },
    ],
    [
      'whose directory of blobs is a link',
      () => {
        mkdirSync(repository(), { recursive: true })
        symlinkSync(site.path, repository('blobs'))
      },
    ],
    [
      'whose repository is a link',
      () => {
        mkdirSync(cache, { recursive: true })
        symlinkSync(site.path, repository())
      },
    ],
  ])('%s is not written', async (_, plant) => {
    plant()
    hub.commit('org/vad', signed)
    const before = readdirSync(site.path).sort()
    expect((await loaded()).equals(WEIGHTS)).toBe(true)
    expect(readdirSync(site.path).sort()).toEqual(before)
    expect(existsSync(join(cache, 'models--org--vad', 'snapshots'))).toBe(false)
  })

  test.each<[string, (path: string) => void]>([
    ['a FIFO', (path) => execFileSync('mkfifo', [path])],
    ['a link to another file', (path) => symlinkSync('/etc/hostname', path)],
    ['a directory', (path) => mkdirSync(path)],
  ])('with %s in place of content does not answer with it', async (_, plant) => {
    hub.commit('org/vad', signed)
    await loaded()
    rmSync(repository('blobs', SHA256))
    plant(repository('blobs', SHA256))
    expect((await loaded()).equals(WEIGHTS)).toBe(true)
  })

  test('does not replace a file that another program put into a snapshot', async () => {
    const commit = hub.commit('org/vad', signed)
    mkdirSync(repository('snapshots', commit), { recursive: true })
    writeFileSync(repository('snapshots', commit, 'config.json'), 'precious')
    expect((await loaded()).equals(WEIGHTS)).toBe(true)
    expect(readFileSync(repository('snapshots', commit, 'config.json'), 'utf8')).toBe('precious')
  })
})
