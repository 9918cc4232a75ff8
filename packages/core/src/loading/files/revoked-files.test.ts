import { createHash } from 'node:crypto'
import type * as FileSystem from 'node:fs'
import { chmodSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { GRANULARITY } from '../../receipts/receipt.ts'
import { scratch } from '../../testing/scratch.ts'
import type { DigestOptions } from '../../signing/digest-model.ts'
import { openVerifiedModel, type ModelReader } from '../open-verified-model.ts'
import { TestSite } from '../../testing/site.ts'

// The bytes that are looked up among the revoked files must be the bytes that are handed out. Here, the weights on disk
// are revoked, and every read after the first returns other bytes, as with a writer through a memory map, which leaves
// no trace in the state of the file.
const REVOKED = 'revoked'
const OTHER = 'another'

const disk = vi.hoisted(() => ({ paths: new Map<number, string>(), readings: 0, changing: false }))
vi.mock('node:fs', async (original) => {
  const real = await original<typeof FileSystem>()
  return {
    ...real,
    openSync: (path: string, ...rest: [string | number, number?]) => {
      const fd = real.openSync(path, ...rest)
      disk.paths.set(fd, path)
      return fd
    },
    readSync: (fd: number, into: Uint8Array, offset: number, length: number, position: number) => {
      const count = real.readSync(fd, into, offset, length, position)
      if (disk.changing && disk.paths.get(fd)?.endsWith('/weights.bin') && position === 0 && ++disk.readings > 1)
        into.set(Buffer.from(OTHER), offset)
      return count
    },
  }
})

let site: TestSite
const sha256 = createHash('sha256').update(REVOKED).digest('hex')
const SIGNED: Record<string, DigestOptions> = {
  blake2b: { hashType: 'blake2b' },
  blake3: { hashType: 'blake3' },
  'sha256 shards': { shardSize: 4 },
  'blake2b shards': { hashType: 'blake2b', shardSize: 4 },
}
const nameOf = (signed: string) => signed.replace(' ', '-')

beforeAll(async () => {
  site = await TestSite.make()
  await site.key('a')
  for (const [signed, options] of Object.entries(SIGNED)) {
    const name = nameOf(signed)
    await site.model(name, { 'config.json': '{}', 'weights.bin': REVOKED })
    for (const file of ['config.json', 'weights.bin']) chmodSync(site.file(name, file), 0o644)
    await site.sign(name, 'a', `${name}.sig`, options)
  }
  await new Promise((resolve) => setTimeout(resolve, GRANULARITY + 100))
})
afterAll(() => site.remove())
beforeEach(() => {
  Object.assign(disk, { readings: 0, changing: true })
  vi.stubEnv('MODELSEAL_CACHE', scratch())
  return () => {
    disk.changing = false
    vi.unstubAllEnvs()
  }
})

/** A rule in the mode skip must name its places. */
const SKIPPED = ['blake2b', 'plain', 'plain/**', 'solo/**']

interface PolicyText {
  mode?: string
  require?: object
  revoked?: object
}

function policy({ mode = 'enforce', require = {}, revoked = { fileDigests: [sha256] } }: PolicyText = {}) {
  const signers = mode === 'skip' ? { reason: 'a test' } : { signers: [{ key: 'a' }], require }
  return site.policy({
    version: 1,
    trustRoots: { a: { publicKey: 'a.pub' } },
    rules: [{ name: 'all', match: { path: mode === 'skip' ? SKIPPED : '**' }, mode, ...signers }],
    revoked,
  })
}

const WAYS: Record<string, (reader: ModelReader) => Promise<unknown>> = {
  'is read': (reader) => reader.read('weights.bin'),
  'is read with others': (reader) => reader.readAll([{ name: 'config.json' }, { name: 'weights.bin' }]),
  'is placed': (reader) => reader.place(['weights.bin']),
  'is only checked': () => Promise.resolve(),
}

describe.each(Object.keys(SIGNED))('a revoked file of a model signed with %s', (signed) => {
  test.each(Object.keys(WAYS))('is refused when it %s, whatever a second read returns', async (way) => {
    const loading = openVerifiedModel(site.file(nameOf(signed)), { policy: await policy() }, WAYS[way]!)
    await expect(loading).rejects.toMatchObject({ code: 'FILE_REVOKED', file: 'weights.bin' })
    expect(disk.readings).toBe(1)
  })

  test.each(['memory', 'copy', 'in-place'] as const)('is refused under the isolation %s', async (isolation) => {
    const way = isolation === 'memory' ? WAYS['is read']! : WAYS['is placed']!
    const options = { policy: await policy({ require: { files: 'loaded' } }), isolation }
    const loading = openVerifiedModel(site.file(nameOf(signed)), options, way)
    await expect(loading).rejects.toMatchObject({ code: 'FILE_REVOKED', file: 'weights.bin' })
    expect(disk.readings).toBe(1)
  })

  test('is refused when it is read from the opened model', async () => {
    const options = { policy: await policy({ require: { files: 'loaded' } }) }
    await using model = await openVerifiedModel(site.file(nameOf(signed)), options)
    await expect(model.read('weights.bin')).rejects.toMatchObject({ code: 'FILE_REVOKED' })
    await expect(model.read('config.json')).resolves.toBeDefined()
  })
})

describe.each(['audit', 'skip'])('under %s, a revoked file', (mode) => {
  test.each(['is read', 'is read with others', 'is placed'])('is refused when it %s', async (way) => {
    const loading = openVerifiedModel(site.file('blake2b'), { policy: await policy({ mode }) }, WAYS[way]!)
    await expect(loading).rejects.toMatchObject({ code: 'FILE_REVOKED', file: 'weights.bin' })
    expect(disk.readings).toBe(1)
  })
})

describe('under skip, if files are revoked, a placed file', () => {
  const plain = async (mode = 0o644) => {
    disk.changing = false
    await site.model('plain', { 'weights.bin': 'harmless', 'sub/config.json': '{}' })
    chmodSync(site.file('plain', 'weights.bin'), mode)
  }
  const exchange = () => {
    writeFileSync(site.file('evil'), REVOKED)
    renameSync(site.file('evil'), site.file('plain', 'weights.bin'))
  }

  test.each(['auto', 'in-place', 'copy', 'memory'] as const)(
    'is the one that was looked up, even if it is replaced by another file (%s)',
    async (isolation) => {
      await plain()
      await using model = await openVerifiedModel(site.file('plain'), {
        policy: await policy({ mode: 'skip' }),
        isolation,
      })
      const placed = await model.place(['weights.bin', 'sub/config.json'])
      exchange()
      expect(readFileSync(placed.path('weights.bin'), 'utf8')).toBe('harmless')
      expect(readFileSync(placed.path('sub/config.json'), 'utf8')).toBe('{}')
      expect(placed.isolation).toBe(isolation === 'copy' || process.platform !== 'linux' ? 'copy' : 'in-place')
      if (placed.isolation === 'copy') {
        expect(new TextDecoder().decode(await model.read('weights.bin'))).toBe('harmless')
        model.confirm()
      }
    },
  )

  test('is a copy if others can write to the file', async () => {
    await plain(0o666)
    await using model = await openVerifiedModel(site.file('plain'), { policy: await policy({ mode: 'skip' }) })
    const placed = await model.place(['weights.bin'])
    writeFileSync(site.file('plain', 'weights.bin'), REVOKED)
    expect(readFileSync(placed.path('weights.bin'), 'utf8')).toBe('harmless')
    expect(placed.isolation).toBe('copy')
  })

  test('is refused by confirm() if it was written to in place', async () => {
    await plain()
    await using model = await openVerifiedModel(site.file('plain'), { policy: await policy({ mode: 'skip' }) })
    await model.place(['weights.bin'])
    writeFileSync(site.file('plain', 'weights.bin'), REVOKED)
    expect(() => model.confirm()).toThrow(expect.objectContaining({ code: 'FILE_CHANGED' }))
  })

  test('can be placed once it is no longer revoked, after it was refused', async () => {
    await plain()
    exchange()
    await using model = await openVerifiedModel(site.file('plain'), { policy: await policy({ mode: 'skip' }) })
    await expect(model.place(['weights.bin'])).rejects.toMatchObject({ code: 'FILE_REVOKED' })
    await plain()
    expect(readFileSync((await model.place(['weights.bin'])).path('weights.bin'), 'utf8')).toBe('harmless')
  })

  test('stays in place if no files are revoked', async () => {
    await plain()
    const options = { policy: await policy({ mode: 'skip', revoked: {} }) }
    await using model = await openVerifiedModel(site.file('plain'), options)
    const placed = await model.place(['weights.bin'])
    expect([placed.isolation, placed.directory]).toEqual(['none', site.file('plain')])
  })
})

describe.each(['audit', 'skip'])('under %s, if root digests are revoked', (mode) => {
  const opened = async (options: object = {}) => {
    disk.changing = false
    rmSync(site.file('plain'), { recursive: true, force: true })
    await site.model('plain', { 'weights.bin': 'harmless', 'config.json': '{}' })
    const revoked = { rootDigests: ['a'.repeat(64)] }
    return openVerifiedModel(site.file('plain'), { policy: await policy({ mode, revoked }), ...options })
  }

  test.each([
    ['is replaced', 'weights.bin', () => writeFileSync(site.file('plain', 'weights.bin'), 'other')],
    ['is added', 'added.bin', () => writeFileSync(site.file('plain', 'added.bin'), 'other')],
  ])('a file that %s after the root digest was computed is not handed out', async (_, name, change) => {
    await using model = await opened()
    change()
    await expect(model.read(name)).rejects.toMatchObject({ code: 'FILE_CHANGED', file: name })
    await expect(model.place([name])).rejects.toMatchObject({ code: 'FILE_CHANGED', file: name })
    await expect(model.read('config.json')).resolves.toBeDefined()
  })

  test('a file in the digest is handed out, and so are files that never count as content', async () => {
    await using model = await opened()
    await site.write('plain/.gitattributes', 'x')
    await site.write('plain/.git/x', 'x')
    await site.write('plain/model.sig', 'x')
    for (const name of ['weights.bin', 'config.json', '.gitattributes', '.git/x', 'model.sig'])
      await expect(model.read(name)).resolves.toBeDefined()
    const placed = await model.place(['weights.bin'])
    await site.write('plain/weights.bin', 'other')
    if (placed.isolation === 'copy') expect(readFileSync(placed.path('weights.bin'), 'utf8')).toBe('harmless')
    else expect(() => model.confirm()).toThrow(expect.objectContaining({ code: 'FILE_CHANGED' }))
  })

  test('files beside a single-file model are handed out', async () => {
    disk.changing = false
    await site.model('solo', { 'model.onnx': 'harmless', 'model.data': 'data' })
    const options = { policy: await policy({ mode, revoked: { rootDigests: ['a'.repeat(64)] } }) }
    await using model = await openVerifiedModel(site.file('solo', 'model.onnx'), options)
    await site.write('solo/model.data', 'other')
    await expect(model.read('model.data')).resolves.toBeDefined()
    await site.write('solo/model.onnx', 'other')
    await expect(model.read('model.onnx')).rejects.toMatchObject({ code: 'FILE_CHANGED' })
  })
})

describe.runIf(process.platform === 'linux')('a receipt', () => {
  const none = { fileDigests: [] }
  const unknown = { fileDigests: ['b'.repeat(64)] }
  const load = async (revoked: object, later = 0) => {
    disk.changing = false
    const now = Date.now()
    const clock = vi.spyOn(Date, 'now').mockReturnValue(now + later)
    try {
      const require = { receipts: 'allow' }
      const options = { policy: await policy({ require, revoked }) }
      const { verdict } = await openVerifiedModel(site.file('blake2b'), options)
      return verdict
    } finally {
      clock.mockRestore()
    }
  }

  test('without the digests by which the policy revokes files is not used', async () => {
    await load(none)
    expect((await load(none, GRANULARITY)).hashed).toBe('receipt')
    const verdict = await load(unknown, GRANULARITY)
    expect(verdict.hashed).toBe('files')
    expect(verdict.checks.at(-1)?.reason).toContain('a receipt without the digests (sha256)')
  })

  test('with them counts, and its digests are looked up', async () => {
    await load(unknown)
    expect((await load(unknown, GRANULARITY)).hashed).toBe('receipt')
    expect((await load(none, GRANULARITY)).hashed).toBe('receipt')
    // The signed digests need not be computed once more.
    const signed = { fileDigests: [`blake2b:${'b'.repeat(128)}`, 'b'.repeat(64)] }
    expect((await load(signed, GRANULARITY)).hashed).toBe('receipt')
    const other = { fileDigests: [`blake3:${'b'.repeat(64)}`, 'b'.repeat(64)] }
    expect((await load(other, GRANULARITY)).hashed).toBe('files')
    await load(unknown)
    disk.readings = 0
    const refused = load({ fileDigests: [sha256] }, GRANULARITY)
    await expect(refused).rejects.toMatchObject({ code: 'FILE_REVOKED', file: 'weights.bin' })
    expect(disk.readings).toBe(0)
  })
})
