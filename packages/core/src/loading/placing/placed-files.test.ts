import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  lstatSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { refusal, scratch } from '../../testing/scratch.ts'
import type { Isolation } from './isolation.ts'
import type { OpenOptions } from '../open-options.ts'
import { openVerifiedModel, type ModelReader } from '../open-verified-model.ts'
import { placingSite } from '../../testing/placing-site.ts'
import type { TestSite } from '../../testing/site.ts'
import { temporaryPlaces } from '../../source/private/temporary-places.ts'

vi.mock(import('../../source/private/temporary-places.ts'), async (original) => {
  const real = await original()
  return { ...real, temporaryPlaces: vi.fn(real.temporaryPlaces) }
})

/** Like a machine that has no other place for private files. */
function onlyTemporaryDirectory(): void {
  const [first] = temporaryPlaces('copies')
  vi.mocked(temporaryPlaces).mockImplementation(() => (first ? [first] : []))
  onTestFinished(() => void vi.mocked(temporaryPlaces).mockReset())
}

const FILES = { 'config.json': '{}', 'sub/weights.bin': 'the weights' }
const ROOT = process.geteuid?.() === 0

let site: TestSite
let policy: string

beforeEach(async () => {
  ;({ site, policy } = await placingSite(FILES))
})

function open(isolation: Isolation, options: OpenOptions = {}) {
  return openVerifiedModel(site.file('model'), { policy, isolation, ...options })
}

function placing(isolation: Isolation, names: string[], options: OpenOptions = {}) {
  const gather = async (reader: ModelReader) => reader.place(names)
  return openVerifiedModel(site.file('model'), { policy, isolation, ...options }, gather)
}

const leftovers = () => readdirSync(tmpdir())

describe.each(['copy', 'in-place'] as const)('a file that is loaded under %s', (isolation) => {
  test('has a path in a private directory, with the signed content', async () => {
    await using model = await placing(isolation, Object.keys(FILES))
    const placed = model.gathered
    expect(placed.isolation).toBe(isolation)
    expect(model.verdict.isolation).toEqual([isolation])
    expect(readFileSync(placed.path('sub/weights.bin'), 'utf8')).toBe('the weights')
    expect(placed.path('sub/weights.bin')).toBe(join(placed.directory, 'sub', 'weights.bin'))
    expect(statSync(placed.directory).mode & 0o777).toBe(0o700)
    expect(dirname(dirname(placed.directory))).toBe(tmpdir())
  })

  test('has it until the model is disposed of, and no longer', async () => {
    const model = await open(isolation)
    const path = await model.path('config.json')
    expect(await model.path('config.json')).toBe(path)
    await model[Symbol.asyncDispose]()
    expect(existsSync(path)).toBe(false)
    expect(leftovers()).toEqual([])
    await expect(model.path('config.json')).rejects.toEqual(refusal('INVALID_ARGUMENT'))
  })

  test('keeps its content when another file replaces it', async () => {
    await using model = await open(isolation)
    const path = await model.path('sub/weights.bin')
    renameSync(site.file('model', 'sub', 'weights.bin'), site.file('model', 'sub', 'old'))
    writeFileSync(site.file('model', 'sub', 'weights.bin'), 'EVIL')
    expect(readFileSync(path, 'utf8')).toBe('the weights')
  })

  test('is refused when its content differs from what was signed, and nothing is left behind', async () => {
    writeFileSync(site.file('model', 'sub', 'weights.bin'), 'THE WEIGHTS')
    await expect(placing(isolation, ['sub/weights.bin'])).rejects.toEqual(refusal('FILE_MISMATCH'))
    expect(leftovers()).toEqual([])
  })

  test('is refused when another file of the model differs from what was signed, and nothing is left behind', async () => {
    writeFileSync(site.file('model', 'config.json'), '[]')
    await expect(placing(isolation, ['sub/weights.bin'])).rejects.toEqual(refusal('FILE_MISMATCH'))
    expect(leftovers()).toEqual([])
  })

  test('is refused when it became a link after it was listed', async () => {
    const model = await open(isolation)
    renameSync(site.file('model', 'config.json'), site.file('model', 'old'))
    symlinkSync('old', site.file('model', 'config.json'))
    await expect(model.path('config.json')).rejects.toEqual(refusal('FILE_CHANGED'))
    await model[Symbol.asyncDispose]()
    expect(leftovers()).toEqual([])
  })

  test('is refused when it was written to after it was listed', async () => {
    await using model = await open(isolation)
    writeFileSync(site.file('model', 'config.json'), '[]')
    await expect(model.path('config.json')).rejects.toEqual(refusal('FILE_CHANGED'))
  })

  test('is refused when it is not signed', async () => {
    await using model = await open(isolation)
    await expect(model.place(['../model/config.json'])).rejects.toEqual(refusal('FILE_NOT_SIGNED'))
    const { path } = await model.place(['config.json'])
    expect(() => path('sub/weights.bin')).toThrow(refusal('FILE_NOT_SIGNED'))
  })

  test('is refused when the policy revokes its digest, also by another algorithm', async () => {
    const { createHash } = await import('node:crypto')
    const digest = createHash('blake2b512').update('the weights').digest('hex')
    const revoking = await site.policy({
      version: 1,
      trustRoots: { a: { publicKey: 'a.pub' } },
      rules: [{ name: 'all', match: { path: '**' }, signers: [{ key: 'a' }], require: { files: 'loaded' } }],
      revoked: { fileDigests: [`blake2b:${digest}`] },
    })
    const refused = placing(isolation, ['sub/weights.bin'], { policy: revoking })
    await expect(refused).rejects.toEqual(refusal('FILE_REVOKED'))
  })

  test('can also be streamed', async () => {
    await using model = await open(isolation)
    const chunks: Uint8Array[] = []
    for await (const chunk of await model.stream('sub/weights.bin')) chunks.push(chunk)
    expect(Buffer.concat(chunks).toString()).toBe('the weights')
  })

  test('is refused if others can replace the directory for temporary files', async () => {
    onlyTemporaryDirectory()
    const open = scratch({ 'tmp/x': '' })
    chmodSync(open, 0o777)
    vi.stubEnv('TMPDIR', join(open, 'tmp'))
    await expect(placing(isolation, ['config.json'])).rejects.toEqual(refusal('ISOLATION_REFUSED'))
    expect(leftovers()).toEqual(['x'])
    chmodSync(open, 0o1777)
    await using model = await placing(isolation, ['config.json'])
    expect(model.gathered.isolation).toBe(isolation)
  })

  test('is refused if there is no place for it', async () => {
    onlyTemporaryDirectory()
    vi.stubEnv('TMPDIR', join(scratch(), 'none'))
    await expect(placing(isolation, ['config.json'])).rejects.toEqual(refusal('COPY_FAILED'))
  })
})

describe('in place', () => {
  test.each([
    ['writable by the group', 0o664],
    ['writable by others', 0o646],
  ])('no file is loaded in place if it is %s; "auto" copies it', async (_, mode) => {
    chmodSync(site.file('model', 'config.json'), mode)
    await expect(placing('in-place', ['config.json'])).rejects.toEqual(
      refusal('ISOLATION_REFUSED', { file: 'config.json', found: `the mode 0${mode.toString(8)}` }),
    )
    expect(leftovers()).toEqual([])
    await using model = await placing('auto', Object.keys(FILES))
    expect(model.gathered.isolation).toBe('copy')
    expect(readFileSync(model.gathered.path('config.json'), 'utf8')).toBe('{}')
    expect(lstatSync(model.gathered.path('sub/weights.bin')).isFile()).toBe(true)
  })

  test.skipIf(!ROOT)('no file of another user is loaded in place', async () => {
    chownSync(site.file('model', 'config.json'), 65_534, 65_534)
    await expect(placing('in-place', ['config.json'])).rejects.toEqual(
      refusal('ISOLATION_REFUSED', { found: 'a file of the user 65534' }),
    )
  })

  test('a file that was written to after it was hashed is detected', async () => {
    await using model = await placing('in-place', ['config.json'])
    expect(() => model.confirm()).not.toThrow()
    writeFileSync(site.file('model', 'config.json'), '[]')
    expect(() => model.confirm()).toThrow(refusal('FILE_CHANGED'))
  })

  test('a file with further hard links, or one that is renamed, keeps its content', async () => {
    linkSync(site.file('model', 'config.json'), site.file('other'))
    await using model = await placing('in-place', ['config.json'])
    expect(readFileSync(model.gathered.path('config.json'), 'utf8')).toBe('{}')
    model.confirm()
  })

  test('the model is unchanged after the load', async () => {
    const before = lstatSync(site.file('model', 'config.json'), { bigint: true })
    await using model = await placing('in-place', ['config.json'])
    if (process.platform === 'linux')
      expect(lstatSync(site.file('model', 'config.json'), { bigint: true })).toEqual(before)
    expect(model.verdict.decision).toBe('accepted')
  })

  test.skipIf(!existsSync('/dev/shm'))('files on another file system than the links are loaded as well', async () => {
    vi.stubEnv('TMPDIR', '/dev/shm')
    await using model = await placing('auto', ['config.json'])
    expect(readFileSync(model.gathered.path('config.json'), 'utf8')).toBe('{}')
  })

  test('more files than available descriptors can be linked', async () => {
    const many = Object.fromEntries(Array.from({ length: 400 }, (_, i) => [`f${i}`, String(i)]))
    await site.model('many', many)
    for (const name of Object.keys(many)) chmodSync(site.file('many', name), 0o644)
    await site.sign('many', 'a')
    const gather = (reader: ModelReader) => reader.place(reader.files)
    await using model = await openVerifiedModel(site.file('many'), { policy, isolation: 'auto' }, gather)
    expect(readFileSync(model.gathered.path('f399'), 'utf8')).toBe('399')
    expect(lstatSync(model.gathered.path('f399')).isFile()).toBe(true)
    model.confirm()
  })
})

describe('files that a runtime can load only as copies', () => {
  const copying = (isolation: Isolation) =>
    openVerifiedModel(site.file('model'), { policy, isolation }, (reader) =>
      reader.place(Object.keys(FILES), { isolation: 'copy' }),
    )

  test.each(['auto', 'copy'] as const)('are copied under %s', async (isolation) => {
    await using model = await copying(isolation)
    expect(model.verdict.isolation).toEqual(['copy'])
    expect(lstatSync(model.gathered.path('sub/weights.bin')).isFile()).toBe(true)
    expect(readFileSync(model.gathered.path('sub/weights.bin'), 'utf8')).toBe('the weights')
  })

  test.each(['memory', 'in-place'] as const)('are refused under %s', async (isolation) => {
    await expect(copying(isolation)).rejects.toEqual(refusal('ISOLATION_REFUSED'))
    expect(leftovers()).toEqual([])
  })

  test('may have been linked before; both paths stay valid', async () => {
    await using model = await open('auto')
    const linked = await model.place(['config.json'])
    const copied = await model.place(['config.json', 'sub/weights.bin'], { isolation: 'copy' })
    expect([linked.isolation, copied.isolation]).toEqual(['in-place', 'copy'])
    expect(copied.directory).not.toBe(linked.directory)
    expect(readFileSync(linked.path('config.json'), 'utf8')).toBe('{}')
    expect(readFileSync(copied.path('config.json'), 'utf8')).toBe('{}')
    model.confirm()
  })
})

test('files of one call are all links or all copies, even if one was placed before', async () => {
  chmodSync(site.file('model', 'config.json'), 0o664)
  await using model = await open('auto')
  expect((await model.place(['sub/weights.bin'])).isolation).toBe('in-place')
  const { isolation, path } = await model.place(Object.keys(FILES))
  expect(isolation).toBe('copy')
  for (const name of Object.keys(FILES)) expect(lstatSync(path(name)).isFile()).toBe(true)
})

test('"auto" reads small files into memory, and places files that are requested by path', async () => {
  const gather = async (reader: ModelReader) => ({
    memory: reader.inMemory(['config.json']),
    size: reader.size('sub/weights.bin'),
    placed: await reader.place(['config.json']),
  })
  await using model = await openVerifiedModel(site.file('model'), { policy }, gather)
  expect(model.gathered).toMatchObject({ memory: true, size: 11, placed: { isolation: 'in-place' } })
})

test('a copy is private: the original can change, and others cannot open the copy', async () => {
  await using model = await placing('copy', ['config.json'])
  writeFileSync(site.file('model', 'config.json'), '[]')
  model.confirm()
  expect(readFileSync(model.gathered.path('config.json'), 'utf8')).toBe('{}')
  expect(Buffer.from(await model.read('config.json')).toString()).toBe('{}')
})

test('an aborted copy leaves nothing behind', async () => {
  const abort = new AbortController()
  writeFileSync(site.file('model', 'large'), new Uint8Array(32 << 20))
  rmSync(site.file('model.sig'))
  await site.sign('model', 'a')
  const options = { signal: abort.signal, onProgress: () => abort.abort() }
  await expect(placing('copy', ['large'], options)).rejects.toEqual(refusal('ABORTED'))
  expect(leftovers()).toEqual([])
})

test('a model that is loaded unverified stays in place', async () => {
  const skipping = await site.policy({
    version: 1,
    rules: [{ name: 'all', match: { path: 'model' }, mode: 'skip', reason: 'tested' }],
  })
  await using model = await placing('auto', ['config.json'], { policy: skipping })
  expect(model.gathered.isolation).toBe('none')
  expect(model.gathered.path('config.json')).toBe(site.file('model', 'config.json'))
})
