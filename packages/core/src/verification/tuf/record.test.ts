import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { ErrorCode } from '../../errors.ts'
import { refusal, scratch } from '../../testing/scratch.ts'
import { TestTuf } from '../../testing/tuf.ts'
import type { TufRecord } from './record-text.ts'
import { isSuperseded, readRecord, recordPath, verifyRecord, writeRecord } from './record.ts'

const URL = 'https://tuf.test/a'
const ROOT = Buffer.from('{"a":1}')
const CONFIG = Buffer.from('{"b":2}')
const HOUR = 3_600_000

beforeEach(() => void vi.stubEnv('MODELSEAL_CACHE', join(scratch(), 'cache')))
afterEach(() => void vi.unstubAllEnvs())

const repositoryOf = ({ anchor }: TestTuf) => ({ name: 'ours', url: URL, anchor, included: undefined })
const tufOf = (targets: object = {}, publication = {}) =>
  new TestTuf({ 'trusted_root.json': ROOT, 'signing_config.v0.2.json': CONFIG, ...targets }, publication)

/** What was fetched from a repository, in some version of its metadata. */
function recordOf(
  tuf: TestTuf,
  {
    version = 1,
    roots = [1],
    ...more
  }: { version?: number; roots?: number[] } & Partial<Omit<TufRecord, 'roots'>> = {},
): TufRecord {
  const file = (name: string) => tuf.files.get(name) ?? expect.fail(`no ${name}`)
  return {
    fetched: '2026-01-02T03:04:05.000Z',
    roots: roots.map((number) => file(`${number}.root.json`)),
    timestamp: file('timestamp.json'),
    snapshot: file(`${version}.snapshot.json`),
    targets: file(`${version}.targets.json`),
    trustedRoot: ROOT,
    signingConfig: CONFIG,
    ...more,
  }
}

type Change = (json: Record<string, unknown>) => unknown

describe('a record in the cache', () => {
  const stored = async () => {
    const record = recordOf(tufOf())
    await writeRecord(URL, record)
    return { record, path: recordPath(URL) ?? '' }
  }

  test('is read as it was written, by this user only', async () => {
    expect(await readRecord(URL)).toBeUndefined()
    const { record, path } = await stored()
    expect(await readRecord(URL)).toEqual(record)
    expect(path).toBe(join(process.env.MODELSEAL_CACHE ?? '', 'sigstore', 'https%3A%2F%2Ftuf.test%2Fa.json'))
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(statSync(dirname(path)).mode & 0o777).toBe(0o700)
    expect(readFileSync(path, 'utf8')).toMatch(/^\{"format":"modelseal-tuf-record-1",.*\}\n$/)
    expect(await readRecord('https://other.test')).toBeUndefined()
  })

  test('may lack the services to sign with', async () => {
    const record = recordOf(tufOf(), { signingConfig: undefined })
    await writeRecord(URL, record)
    expect(await readRecord(URL)).toEqual(record)
    expect(readFileSync(recordPath(URL) ?? '', 'utf8')).not.toContain('signingConfig')
  })

  test.each<[string, ErrorCode, Change, object]>([
    [
      'of another format',
      'TRUST_ROOT_INVALID',
      (json) => (json['format'] = 'modelseal-tuf-record-2'),
      { expected: 'modelseal-tuf-record-1', message: expect.stringContaining('Invalid field "format"') },
    ],
    [
      'without a time',
      'TRUST_ROOT_INVALID',
      (json) => (json['fetched'] = 'yesterday'),
      { expected: 'a time', message: expect.stringContaining('Invalid field "fetched"') },
    ],
    [
      'with a root that is no text',
      'TRUST_ROOT_INVALID',
      (json) => (json['roots'] = [7]),
      { expected: 'an array of texts', message: expect.stringContaining('Invalid field "roots"') },
    ],
    ['with one root', 'TRUST_ROOT_INVALID', (json) => (json['roots'] = 'AAAA'), {}],
    [
      'with a root that is not base64',
      'BASE64_INVALID',
      (json) => (json['roots'] = ['!']),
      { message: expect.stringContaining('roots') },
    ],
    ...['timestamp', 'snapshot', 'targets', 'trustedRoot'].flatMap((name): [string, ErrorCode, Change, object][] => [
      [`without ${name}`, 'TRUST_ROOT_INVALID', (json) => (json[name] = undefined), {}],
      [
        `with ${name} that is not base64`,
        'BASE64_INVALID',
        (json) => (json[name] = '!'),
        { message: expect.stringContaining(name) },
      ],
    ]),
    [
      'with services that are not base64',
      'BASE64_INVALID',
      (json) => (json['signingConfig'] = '!'),
      { message: expect.stringContaining('signingConfig') },
    ],
    ['with services that are no text', 'TRUST_ROOT_INVALID', (json) => (json['signingConfig'] = null), {}],
    [
      'with too many roots',
      'JSON_TOO_COMPLEX',
      (json) => (json['roots'] = Array.from({ length: 2000 }, () => 'AAAA')),
      {},
    ],
  ])('%s is refused, with its path', async (_, code, change, details) => {
    const { path } = await stored()
    const json = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>
    change(json)
    writeFileSync(path, JSON.stringify(json))
    await expect(readRecord(URL)).rejects.toThrow(refusal(code, { file: path, ...details }))
  })

  test('that is no JSON, or too large, is refused', async () => {
    const { path } = await stored()
    writeFileSync(path, 'junk')
    await expect(readRecord(URL)).rejects.toThrow(
      refusal('JSON_INVALID', { file: path, message: expect.stringContaining('cached Sigstore root') }),
    )
    writeFileSync(path, Buffer.alloc(16 * 1024 * 1024 + 1, ' '))
    await expect(readRecord(URL)).rejects.toThrow(
      refusal('FILE_TOO_LARGE', { file: path, message: expect.stringContaining('cached Sigstore root') }),
    )
    writeFileSync(path, Buffer.alloc(16 * 1024 * 1024, ' '))
    await expect(readRecord(URL)).rejects.toThrow(refusal('JSON_INVALID', { file: path }))
  })

  test('that others could have written is refused', async () => {
    const { path } = await stored()
    chmodSync(path, 0o666)
    await expect(readRecord(URL)).rejects.toThrow(refusal('CACHE_UNSAFE', { file: path }))
    chmodSync(path, 0o600)
    chmodSync(dirname(path), 0o777)
    await expect(readRecord(URL)).rejects.toThrow(refusal('CACHE_UNSAFE'))
    await expect(writeRecord(URL, recordOf(tufOf()))).rejects.toThrow(refusal('CACHE_UNSAFE'))
  })

  test('is refused if it is no file, or cannot be written', async () => {
    const { path, record } = await stored()
    const other = recordPath('https://other.test') ?? ''
    mkdirSync(other)
    await expect(readRecord('https://other.test')).rejects.toThrow(refusal('FILE_SPECIAL', { file: other }))
    await expect(writeRecord('https://other.test', record)).rejects.toThrow(refusal('FILE_WRITE_FAILED'))
    expect(await readRecord(URL)).toEqual(record)
    expect(path).not.toBe(other)
  })

  test.runIf(process.platform === 'linux')('has no place without a home directory', async () => {
    vi.stubEnv('MODELSEAL_CACHE', '')
    vi.stubEnv('XDG_CACHE_HOME', '')
    vi.stubEnv('HOME', '')
    expect(recordPath(URL)).toBeUndefined()
    expect(await readRecord(URL)).toBeUndefined()
  })
})

describe('a record is verified', () => {
  const verified = (record: TufRecord, tuf: TestTuf) => verifyRecord(record, repositoryOf(tuf))

  test('from the first root to its files, and says when the first of its metadata expires', async () => {
    for (const role of ['root', 'timestamp', 'snapshot', 'targets'] as const) {
      const soon = new Date(Math.floor(Date.now() / 1000) * 1000 + HOUR)
      const tuf = tufOf({}, { expires: { [role]: soon } })
      const { root, expires } = await verified(recordOf(tuf), tuf)
      expect(root).toEqual(tuf.anchor)
      expect(expires).toBe(soon.toISOString())
    }
  })

  test('even if its metadata expired after it was fetched', async () => {
    const past = new Date(Math.floor(Date.now() / 1000) * 1000 - HOUR)
    const tuf = tufOf({}, { expires: { timestamp: past } })
    expect((await verified(recordOf(tuf), tuf)).expires).toBe(past.toISOString())
  })

  test('without the services to sign with', async () => {
    const tuf = new TestTuf({ 'trusted_root.json': ROOT })
    expect(await verified(recordOf(tuf, { signingConfig: undefined }), tuf)).toBeDefined()
  })

  test('over each root in turn', async () => {
    const tuf = tufOf()
    tuf.publish({ 'trusted_root.json': ROOT }, { newRoot: true })
    tuf.publish({ 'trusted_root.json': ROOT }, { newRoot: true })
    const record = recordOf(tuf, { version: 3, roots: [1, 2, 3], signingConfig: undefined })
    expect((await verified(record, tuf)).root).toEqual(tuf.files.get('3.root.json'))
    // A later release of this package includes a later root.
    const later = { ...repositoryOf(tuf), anchor: tuf.files.get('2.root.json') ?? Buffer.alloc(0) }
    expect((await verifyRecord(record, later)).root).toEqual(tuf.files.get('3.root.json'))
    expect((await verified({ ...record, roots: record.roots.slice(1) }, tuf)).root).toEqual(
      tuf.files.get('3.root.json'),
    )
  })
})

describe('a record is refused', () => {
  const file = () => recordPath(URL)
  const refused = (code: 'TUF_SIGNATURE' | 'TUF_ROLLBACK' | 'TUF_INVALID', found?: string) =>
    refusal(code, {
      file: file(),
      hint: expect.stringContaining('trust-root update'),
      ...(found === undefined ? {} : { found: expect.stringContaining(found) }),
    })

  test('if a root is missing, or was not signed by the one before it or by itself', async () => {
    const tuf = tufOf()
    tuf.publish({ 'trusted_root.json': ROOT }, { newRoot: true })
    tuf.publish({ 'trusted_root.json': ROOT }, { newRoot: true })
    const record = recordOf(tuf, { version: 3, roots: [1, 3], signingConfig: undefined })
    await expect(verifyRecord(record, repositoryOf(tuf))).rejects.toThrow(
      refused('TUF_ROLLBACK', 'Expected version 2 of root.json, got 3'),
    )
    const [, second = Buffer.alloc(0), third = Buffer.alloc(0)] = recordOf(tuf, { version: 3, roots: [1, 2, 3] }).roots
    const without = (bytes: Buffer, at: number) => {
      const json = JSON.parse(bytes.toString()) as { signatures: unknown[] }
      json.signatures.splice(at, 1)
      return Buffer.from(JSON.stringify(json))
    }
    for (const at of [0, 1]) {
      const roots = [tuf.anchor, second, without(third, at)]
      await expect(verifyRecord({ ...record, roots }, repositoryOf(tuf))).rejects.toThrow(refused('TUF_SIGNATURE'))
    }
  })

  test.each(['timestamp', 'snapshot', 'targets'] as const)(
    'if its %s metadata is signed by another key',
    async (role) => {
      const tuf = tufOf({}, { forged: [role] })
      await expect(verifyRecord(recordOf(tuf), repositoryOf(tuf))).rejects.toThrow(refused('TUF_SIGNATURE', role))
    },
  )

  test('if its root metadata belongs to another repository', async () => {
    const tuf = tufOf()
    await expect(verifyRecord(recordOf(tuf), repositoryOf(tufOf()))).rejects.toThrow(refused('TUF_SIGNATURE'))
  })

  test.each(['snapshot', 'targets'] as const)('if its %s metadata is of another time', async (role) => {
    const tuf = tufOf()
    const old = recordOf(tuf)
    tuf.publish({ 'trusted_root.json': ROOT, 'signing_config.v0.2.json': CONFIG, 'other.json': 'x' })
    const record = recordOf(tuf, { version: 2 })
    expect(await verifyRecord(record, repositoryOf(tuf))).toBeDefined()
    await expect(verifyRecord({ ...record, [role]: old[role] }, repositoryOf(tuf))).rejects.toThrow(
      refused('TUF_INVALID'),
    )
  })

  test.each(['trustedRoot', 'signingConfig'] as const)('if its %s was changed', async (name) => {
    const tuf = tufOf()
    const record = { ...recordOf(tuf), [name]: Buffer.from('{"c":3}') }
    await expect(verifyRecord(record, repositoryOf(tuf))).rejects.toThrow(refused('TUF_INVALID'))
  })

  test.each(['snapshot', 'targets'] as const)(
    'if its %s metadata states another version than is listed',
    async (role) => {
      const tuf = tufOf({}, { stated: { [role]: 7 } })
      await expect(verifyRecord(recordOf(tuf), repositoryOf(tuf))).rejects.toThrow(
        refused('TUF_ROLLBACK', `Expected version 1 of ${role}.json, got 7`),
      )
    },
  )

  test('if its snapshot does not list the metadata of its files', async () => {
    const tuf = tufOf({}, { unlisted: true })
    await expect(verifyRecord(recordOf(tuf), repositoryOf(tuf))).rejects.toThrow(
      refused('TUF_INVALID', 'Missing targets.json in snapshot'),
    )
  })

  test('if one of its files is listed only by a prototype', async () => {
    const tuf = new TestTuf({ 'trusted_root.json': ROOT })
    const value = { verify: () => Promise.resolve() }
    Object.defineProperty(Object.prototype, 'signing_config.v0.2.json', { configurable: true, value })
    try {
      await expect(verifyRecord(recordOf(tuf), repositoryOf(tuf))).rejects.toThrow(
        refused('TUF_INVALID', 'Missing signing_config.v0.2.json in targets'),
      )
    } finally {
      Reflect.deleteProperty(Object.prototype, 'signing_config.v0.2.json')
    }
  })

  test('if one of its files is not listed', async () => {
    for (const [targets, name] of [
      [{ 'signing_config.v0.2.json': CONFIG }, 'trusted_root.json'],
      [{ 'trusted_root.json': ROOT }, 'signing_config.v0.2.json'],
    ] as const) {
      const tuf = new TestTuf(targets)
      await expect(verifyRecord(recordOf(tuf), repositoryOf(tuf))).rejects.toThrow(
        refused('TUF_INVALID', `Missing ${name} in targets`),
      )
    }
  })

  test.each(['timestamp', 'snapshot', 'targets'] as const)('if its %s metadata cannot be read', async (name) => {
    const tuf = tufOf()
    const record = { ...recordOf(tuf), [name]: Buffer.from('junk') }
    await expect(verifyRecord(record, repositoryOf(tuf))).rejects.toThrow(refused('TUF_INVALID'))
  })
})

test('a record is superseded by later initial root metadata', () => {
  const tuf = tufOf()
  tuf.publish({}, { newRoot: true })
  const [first = Buffer.alloc(0), second = Buffer.alloc(0)] = ['1.root.json', '2.root.json'].map((name) =>
    tuf.files.get(name),
  )
  const superseded = (roots: Buffer[], anchor: Buffer) =>
    isSuperseded({ roots } as unknown as TufRecord, { ...repositoryOf(tuf), anchor })
  expect(superseded([first], second)).toBe(true)
  expect(superseded([first, second], second)).toBe(false)
  expect(superseded([first, second], first)).toBe(false)
  // What cannot be read is not skipped, but refused when it is verified.
  for (const unreadable of [[], [Buffer.from('junk')], [Buffer.from('{}')]])
    expect(superseded(unreadable, second)).toBe(false)
})
