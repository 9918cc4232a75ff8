import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { ModelSealError, type ErrorCode } from '../../errors.ts'
import { refusal, scratch } from '../../testing/scratch.ts'
import { serving } from '../../testing/serving.ts'
import { TestSigstore } from '../../testing/sigstore.ts'
import { TestTuf, type Publication } from '../../testing/tuf.ts'
import { loadSigstoreTrust, trustRootPath } from './trust.ts'
import type { TufSource } from '../tuf/repository.ts'
import { updateTrustRoot } from './update-trust-root.ts'

const PAST = new Date(Date.now() - 3_600_000)
const SERVICE = { url: 'https://service.test', majorApiVersion: 1, validFor: { start: '2020-01-01T00:00:00Z' } }
const SIGNING_CONFIG = JSON.stringify({
  mediaType: 'application/vnd.dev.sigstore.signingconfig.v0.2+json',
  caUrls: [SERVICE],
  rekorTlogUrls: [SERVICE],
  rekorTlogConfig: { selector: 'ANY' },
  tsaConfig: { selector: 'ANY' },
})

let first: string
let second: string
beforeEach(async () => {
  const [one, other] = [new TestSigstore(), new TestSigstore()]
  first = JSON.stringify(await one.root())
  second = JSON.stringify(await other.root())
  vi.stubEnv('MODELSEAL_CACHE', join(scratch(), 'cache'))
})
afterEach(() => vi.unstubAllEnvs())

/** A served repository, and the options with which a client requests it. */
async function published(publication: Publication = {}): Promise<{ tuf: TestTuf; instance: TufSource }> {
  const tuf = new TestTuf({ 'trusted_root.json': first, 'signing_config.v0.2.json': SIGNING_CONFIG }, publication)
  const tufUrl = await serving(tuf.answer)
  const tufRoot = join(scratch({ 'root.json': tuf.anchor }), 'root.json')
  return { tuf, instance: { tufUrl, tufRoot } }
}

async function codeOf(work: Promise<unknown>): Promise<ErrorCode> {
  const error = await work.then(
    () => new Error('It was accepted.'),
    (reason: unknown) => reason,
  )
  if (error instanceof ModelSealError) return error.code
  throw error
}

describe('a trusted root', () => {
  test('is fetched, stored only for this user, and used from then on without the network', async () => {
    const { tuf, instance } = await published()
    expect(await codeOf(loadSigstoreTrust(instance))).toBe('TRUST_ROOT_MISSING')
    const info = await updateTrustRoot(instance)
    expect(info).toMatchObject({ name: instance.tufUrl, source: 'refreshed' })
    expect(Date.parse(info.expires ?? '')).toBeGreaterThan(Date.now())

    tuf.files.clear()
    const { info: read, text, signingConfig } = await loadSigstoreTrust(instance)
    expect(read).toEqual(info)
    expect(text.toString()).toBe(first)
    expect(signingConfig?.caUrls[0]?.url).toBe('https://service.test')
    const file = trustRootPath(instance)!
    expect(statSync(file).mode & 0o777).toBe(0o600)
    expect(statSync(join(file, '..')).mode & 0o777).toBe(0o700)
  })

  test('is the requested one, even if the arguments or the working directory change', async () => {
    const { instance } = await published()
    const changing = { ...instance, tufRoot: relative(process.cwd(), instance.tufRoot) }
    const options = { signal: undefined as AbortSignal | undefined }
    const start = process.cwd()
    const updating = updateTrustRoot(changing, options)
    changing.tufUrl = 'https://strange.test'
    options.signal = AbortSignal.abort()
    process.chdir('/')
    try {
      expect(await updating).toMatchObject({ source: 'refreshed' })
    } finally {
      process.chdir(start)
    }
  })

  test('is replaced by the next one, even if all keys change', async () => {
    const { tuf, instance } = await published()
    const before = await updateTrustRoot(instance)
    tuf.publish({ 'trusted_root.json': second }, { newRoot: true })
    tuf.publish({ 'trusted_root.json': second }, { newRoot: true })
    const after = await updateTrustRoot(instance)
    expect(after.digest).not.toBe(before.digest)
    expect((await loadSigstoreTrust(instance)).text.toString()).toBe(second)
    expect((await loadSigstoreTrust(instance)).signingConfig).toBeUndefined()
    expect(await updateTrustRoot(instance)).toMatchObject({ digest: after.digest })
  })

  test('is still used after its metadata expired, and says so', async () => {
    const { instance } = await published({ expires: { timestamp: new Date(Date.now() + 2000) } })
    await updateTrustRoot(instance)
    vi.useFakeTimers({ now: Date.now() + 60_000, toFake: ['Date'] })
    try {
      const { info } = await loadSigstoreTrust(instance)
      expect(Date.parse(info.expires ?? '')).toBeLessThan(Date.now())
      expect(await codeOf(updateTrustRoot(instance))).toBe('TUF_EXPIRED')
    } finally {
      vi.useRealTimers()
    }
  })
})

describe('a repository is refused, and the previous root stays in use, if', () => {
  const faults: [string, ErrorCode, (tuf: TestTuf) => void][] = [
    ...(['timestamp', 'snapshot', 'targets'] as const).flatMap(
      (role): [string, ErrorCode, (tuf: TestTuf) => void][] => [
        [
          `its ${role} metadata has expired`,
          'TUF_EXPIRED',
          (tuf) => tuf.publish({ 'trusted_root.json': second }, { expires: { [role]: PAST } }),
        ],
        [
          `its ${role} metadata is signed by another key`,
          'TUF_SIGNATURE',
          (tuf) => tuf.publish({ 'trusted_root.json': second }, { forged: [role] }),
        ],
      ],
    ),
    [
      'its root metadata has expired',
      'TUF_EXPIRED',
      (tuf) => tuf.publish({ 'trusted_root.json': second }, { newRoot: true, expires: { root: PAST } }),
    ],
    [
      'a new root is not signed by the former keys',
      'TUF_SIGNATURE',
      (tuf) => tuf.publish({ 'trusted_root.json': second }, { newRoot: true, forged: ['root'] }),
    ],
    ['it was rolled back', 'TUF_ROLLBACK', (tuf) => tuf.publish({ 'trusted_root.json': second }, { version: 1 })],
    [
      'its snapshot metadata was changed',
      'TUF_INVALID',
      (tuf) => {
        tuf.publish({ 'trusted_root.json': second })
        replace(tuf, '3.snapshot.json', (text) => text.replace('"version":3', '"version":4'))
      },
    ],
    [
      'its targets metadata was changed',
      'TUF_INVALID',
      (tuf) => {
        tuf.publish({ 'trusted_root.json': second })
        replace(tuf, '3.targets.json', (text) => text.replace('trusted_root', 'trusted_ROOT'))
      },
    ],
    [
      'its trusted root was modified',
      'TUF_INVALID',
      (tuf) => {
        tuf.publish({ 'trusted_root.json': second })
        for (const name of tuf.files.keys())
          if (name.endsWith('trusted_root.json')) replace(tuf, name, (text) => text.replace('rekor', 'REKOR'))
      },
    ],
    ['it has no trusted root', 'TUF_INVALID', (tuf) => tuf.publish({ 'other.json': second })],
    [
      'its trusted root is invalid',
      'TRUST_ROOT_INVALID',
      (tuf) => tuf.publish({ 'trusted_root.json': '{"mediaType":"none"}' }),
    ],
    [
      'its signing configuration is invalid',
      'SIGNING_CONFIG_INVALID',
      (tuf) => tuf.publish({ 'trusted_root.json': second, 'signing_config.v0.2.json': '{"mediaType":"none"}' }),
    ],
    ['it sends garbage', 'TUF_INVALID', (tuf) => tuf.files.set('timestamp.json', Buffer.from('garbage'))],
    ['it sends too much', 'TUF_INVALID', (tuf) => tuf.files.set('timestamp.json', Buffer.alloc(100_000, 0x20))],
    ['one of its files is missing', 'SERVICE_REFUSED', (tuf) => tuf.files.delete('timestamp.json')],
  ]
  test.each(faults)('%s', async (_, code, spoil) => {
    const { tuf, instance } = await published()
    tuf.publish({ 'trusted_root.json': first })
    const before = await updateTrustRoot(instance)
    const kept = readFileSync(trustRootPath(instance)!)
    spoil(tuf)
    await expect(updateTrustRoot(instance)).rejects.toEqual(refusal(code))
    expect(readFileSync(trustRootPath(instance)!).equals(kept)).toBe(true)
    expect((await loadSigstoreTrust(instance)).info).toEqual(before)
  })

  test('it is unreachable, or belongs to another instance', async () => {
    const { instance } = await published()
    const away = { ...instance, tufUrl: 'http://127.0.0.1:1' }
    await expect(updateTrustRoot(away)).rejects.toEqual(
      refusal('SERVICE_UNREACHABLE', { message: expect.stringContaining('TUF repository "http://127.0.0.1:1/') }),
    )
    const { instance: other } = await published()
    expect(await codeOf(updateTrustRoot({ ...instance, tufUrl: other.tufUrl }))).toBe('TUF_SIGNATURE')
    expect(existsSync(trustRootPath(away)!)).toBe(false)
  })

  test.each([
    ['never answers', () => {}],
    ['answers byte by byte', (_: unknown, response: { write: (text: string) => void }) => response.write('{')],
  ])('it %s: within the timeout, and with its name', async (_, answer) => {
    const tufUrl = await serving(answer)
    const { instance } = await published()
    await expect(updateTrustRoot({ ...instance, tufUrl }, { timeoutMs: 200 })).rejects.toEqual(
      refusal('SERVICE_UNREACHABLE', { message: expect.stringContaining(tufUrl), found: '"no answer within 0.2 s"' }),
    )
  })

  test('others could have written what was fetched before', async () => {
    const { instance } = await published()
    await updateTrustRoot(instance)
    const path = trustRootPath(instance)!
    chmodSync(path, 0o666)
    expect(await codeOf(updateTrustRoot(instance))).toBe('CACHE_UNSAFE')
    chmodSync(path, 0o600)
    // What merely cannot be verified is replaced.
    const record = JSON.parse(readFileSync(path, 'utf8')) as object
    writeFileSync(path, JSON.stringify({ ...record, trustedRoot: Buffer.from(second).toString('base64') }))
    expect(await updateTrustRoot(instance)).toMatchObject({ source: 'refreshed' })
  })

  test('an option is unknown', async () => {
    const { instance } = await published()
    await expect(updateTrustRoot(instance, { timeout: 1 } as object)).rejects.toEqual(
      refusal('INVALID_ARGUMENT', { message: expect.stringContaining('updateTrustRoot') }),
    )
  })

  test('the caller aborts', async () => {
    const { instance } = await published()
    expect(await codeOf(updateTrustRoot(instance, { signal: AbortSignal.abort() }))).toBe('ABORTED')
  })

  test.each(['ftp://tuf.test', 'tuf.test', 'https://me@tuf.test', 'https://tuf.test/?a=b'])(
    'its URL is %s',
    async (tufUrl) => {
      expect(await codeOf(updateTrustRoot({ tufUrl, tufRoot: 'root.json' }))).toBe('INVALID_ARGUMENT')
    },
  )
})

describe('a root in the cache is verified whenever it is read, and refused if', () => {
  const decoded = (text: string) => Buffer.from(text, 'base64').toString()
  const encoded = (text: string) => Buffer.from(text).toString('base64')
  const record = (change: (record: Record<string, string> & { roots: string[] }) => void) => (path: string) => {
    const json = JSON.parse(readFileSync(path, 'utf8')) as Record<string, string> & { roots: string[] }
    change(json)
    writeFileSync(path, JSON.stringify(json))
  }
  const field = (name: string, from: string, to: string) =>
    record((json) => (json[name] = encoded(decoded(json[name] ?? '').replace(from, to))))

  const faults: [string, ErrorCode, (path: string) => void][] = [
    ['the root was changed', 'TUF_INVALID', field('trustedRoot', 'rekor', 'REKOR')],
    ['the signing configuration was changed', 'TUF_INVALID', field('signingConfig', 'service.test', 'evil.test')],
    ['the targets metadata was changed', 'TUF_INVALID', field('targets', '"length":', '"length":1')],
    ['the snapshot metadata was changed', 'TUF_INVALID', field('snapshot', '"version":1', '"version":2')],
    ['the timestamp metadata was changed', 'TUF_SIGNATURE', field('timestamp', '"version":1', '"version":2')],
    [
      'a root was inserted that the previous one did not sign',
      'TUF_SIGNATURE',
      record((json) => {
        const other = new TestTuf({})
        other.publish({}, { newRoot: true })
        json.roots.push(other.files.get('2.root.json')?.toString('base64') ?? '')
      }),
    ],
    [
      'an intermediate root was removed',
      'TUF_ROLLBACK',
      record((json) => {
        json.roots = json.roots.toSpliced(1, 1)
      }),
    ],
    ['a field is missing', 'TRUST_ROOT_INVALID', record((json) => delete json['targets'])],
    ['a field is not base64', 'BASE64_INVALID', record((json) => (json['targets'] = '!'))],
    ['it is of another format', 'TRUST_ROOT_INVALID', record((json) => (json['format'] = 'another'))],
    ['it is garbage', 'JSON_INVALID', (path) => writeFileSync(path, 'garbage')],
    ['other users can write to the directory', 'CACHE_UNSAFE', (path) => chmodSync(join(path, '..'), 0o777)],
  ]
  test.each(faults)('%s', async (_, code, spoil) => {
    const { tuf, instance } = await published()
    if (code === 'TUF_ROLLBACK')
      for (let count = 0; count < 2; count++) tuf.publish({ 'trusted_root.json': first }, { newRoot: true })
    await updateTrustRoot(instance)
    spoil(trustRootPath(instance)!)
    await expect(loadSigstoreTrust(instance)).rejects.toEqual(refusal(code))
  })

  test('and an update replaces it', async () => {
    const { instance } = await published()
    const info = await updateTrustRoot(instance)
    writeFileSync(trustRootPath(instance)!, 'garbage')
    expect((await updateTrustRoot(instance)).digest).toBe(info.digest)
    expect((await loadSigstoreTrust(instance)).text.toString()).toBe(first)
  })

  test('another instance was requested', async () => {
    const { instance } = await published()
    await updateTrustRoot(instance)
    const { instance: other } = await published()
    expect(await codeOf(loadSigstoreTrust({ ...instance, tufRoot: other.tufRoot }))).toBe('TUF_SIGNATURE')
  })
})

test('the included root is used if there is nothing newer', async () => {
  for (const instance of ['public-good', 'staging'] as const) {
    const { info } = await loadSigstoreTrust(instance)
    expect(info).toMatchObject({ name: instance, source: 'carried' })
    expect(info.fetched).toBeUndefined()
  }
})

test('the error for a cache that cannot be created names it', async () => {
  const { instance } = await published()
  const blocked = join(scratch({ file: 'x' }), 'file')
  vi.stubEnv('MODELSEAL_CACHE', blocked)
  await expect(updateTrustRoot(instance)).rejects.toEqual(refusal('CACHE_UNSAFE', { file: blocked }))
  vi.stubEnv('MODELSEAL_CACHE', join(blocked, 'below'))
  await expect(updateTrustRoot(instance)).rejects.toEqual(refusal('FILE_WRITE_FAILED'))
  const open = join(scratch(), 'open')
  mkdirSync(open)
  chmodSync(open, 0o777)
  vi.stubEnv('MODELSEAL_CACHE', open)
  await expect(updateTrustRoot(instance)).rejects.toEqual(refusal('CACHE_UNSAFE'))
})

test.runIf(process.platform === 'linux')(
  'a user without a home directory has no cache, in no working directory',
  async () => {
    const { instance } = await published()
    vi.stubEnv('MODELSEAL_CACHE', '')
    vi.stubEnv('XDG_CACHE_HOME', 'relative')
    for (const home of ['', 'relative']) {
      vi.stubEnv('HOME', home)
      expect(trustRootPath(instance)).toBeUndefined()
      expect((await loadSigstoreTrust('public-good')).info.source).toBe('carried')
      await expect(updateTrustRoot(instance)).rejects.toEqual(refusal('FILE_WRITE_FAILED'))
    }
  },
)

function replace(tuf: TestTuf, name: string, change: (text: string) => string): void {
  const [before, after] = [tuf.files.get(name)?.toString() ?? '', change(tuf.files.get(name)?.toString() ?? '')]
  if (before === after) throw new Error(`${name} is as it was.`)
  tuf.files.set(name, Buffer.from(after))
}
