import { createHash } from 'node:crypto'
import { chmodSync, readFileSync, truncateSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openVerifiedModel, type ModelReader } from '../open-verified-model.ts'
import type { FileRequest } from '../../source/size-limit.ts'
import { file, serve, type Answer } from '../../testing/http-server.ts'
import type { OpenOptions } from '../open-options.ts'
import { TestSite } from '../../testing/site.ts'

let site: TestSite
const FILES = { 'config.json': '{}', 'weights.bin': 'the weights' }
const SIZE = 13

beforeAll(async () => {
  site = await TestSite.make()
  await site.key('a')
  for (const name of ['files', 'shards', 'grown']) {
    await site.model(name, FILES)
    for (const file of Object.keys(FILES)) chmodSync(site.file(name, file), 0o644)
    await site.sign(name, 'a', `${name}.sig`, name === 'files' ? {} : { shardSize: 4 })
  }
})
afterAll(() => site.remove())

// Not the revocations of files, because with them files are hashed with another algorithm as well.
const REVOKED = { fileDigests: [`blake2b:${createHash('blake2b512').update('x').digest('hex')}`] }

function policy(mode: string, revoked: object, require: object = {}) {
  const signers = mode === 'skip' ? { reason: 'a test' } : { signers: [{ key: 'a' }], require }
  const trusted = mode === 'audit' ? 'b' : 'a'
  return site.policy({
    version: 1,
    trustRoots: { a: { publicKey: `${trusted}.pub` } },
    rules: [{ name: 'all', match: { path: ['files', 'shards', 'grown'] }, mode, ...signers }],
    revoked,
  })
}

beforeAll(() => site.key('b'))

describe.each(['enforce', 'audit', 'skip'])('under %s', (mode) => {
  describe.each([
    ['nothing', {}],
    ['files', REVOKED],
    ['models', { rootDigests: ['0'.repeat(64)] }],
    ['files and models', { ...REVOKED, rootDigests: ['0'.repeat(64)] }],
  ])('if the policy revokes %s', (_, revoked) => {
    test('a file that is larger than its request allows is refused', async () => {
      const loading = openVerifiedModel(site.file('files'), { policy: await policy(mode, revoked) }, (reader) =>
        reader.readAll([{ name: 'config.json' }, { name: 'weights.bin', maxBytes: 10 }]),
      )
      await expect(loading).rejects.toMatchObject({
        code: 'FILE_TOO_LARGE',
        file: 'weights.bin',
        expected: 'at most 10 bytes',
      })
    })

    test('a shared limit applies to the total size of files', async () => {
      const options = { policy: await policy(mode, revoked) }
      await expectBoundedTogether((requests) =>
        openVerifiedModel(site.file('files'), options, (reader) => reader.readAll(requests)),
      )
    })

    test('no more of a file is kept than was requested', async () => {
      const requests = [
        { name: 'weights.bin', firstBytes: 3, maxBytes: 11 },
        { name: 'config.json', firstBytes: 100 },
      ]
      await using model = await openVerifiedModel(site.file('files'), { policy: await policy(mode, revoked) }, (r) =>
        r.readAll(requests),
      )
      expect(model.gathered.map((bytes) => [bytes.buffer.byteLength, Buffer.from(bytes).toString()])).toEqual([
        [3, 'the'],
        [2, '{}'],
      ])
    })

    test.each<[string, (reader: ModelReader) => Promise<unknown>]>([
      ['read', (reader) => reader.readAll(reader.files.map((name) => ({ name })))],
      ['read one by one', async (reader) => [await reader.read('config.json'), await reader.read('weights.bin')]],
      ['placed', (reader) => reader.place(reader.files)],
      ['copied', (reader) => reader.place(reader.files, { isolation: 'copy' })],
    ])('a model that is %s may not be larger than the load allows', async (_, gather) => {
      const options = { policy: await policy(mode, revoked) }
      const loading = openVerifiedModel(site.file('files'), { ...options, maxBytes: SIZE - 1 }, gather)
      await expect(loading).rejects.toMatchObject({
        code: 'FILE_TOO_LARGE',
        expected: 'at most 12 bytes for all files of the model together ("maxBytes")',
      })
      // A file that is read again counts once.
      const twice = (reader: ModelReader) => gather(reader).then(() => gather(reader))
      await using model = await openVerifiedModel(site.file('files'), { ...options, maxBytes: SIZE }, twice)
      expect(model.gathered).toBeDefined()
    })
  })
})

describe.each(['enforce', 'skip'])('over HTTP, under %s', (mode) => {
  async function opened(options: OpenOptions, requests: readonly FileRequest[], announced: boolean, files = FILES) {
    const answer = (content: string): Answer =>
      announced ? file(content) : (_, response) => void response.writeHead(200).write('', () => response.end(content))
    const answers = Object.entries(files).map(([name, content]) => [`/files/${name}`, answer(content)])
    const bundle = readFileSync(site.file(files === FILES ? 'files.sig' : 'larger.sig'))
    const { origin } = await serve({ ...Object.fromEntries(answers), '/files/model.sig': file(bundle) })
    const signers = mode === 'skip' ? { reason: 'a test' } : { signers: [{ key: 'a' }] }
    const policy = await site.policy({
      version: 1,
      trustRoots: { a: { publicKey: 'a.pub' } },
      rules: [{ name: 'all', match: { url: `${origin}/**` }, mode, ...signers }],
    })
    return openVerifiedModel(`${origin}/files/`, { policy, ...options }, (reader) => reader.readAll(requests))
  }
  const both = Object.keys(FILES).map((name) => ({ name }))

  describe.each([false, true])('with an announced length: %s', (announced) => {
    test('a model may not be larger than maxBytes allows, whatever http.maxBytes says', async () => {
      const options = { maxBytes: SIZE - 1, http: { maxBytes: 1_000_000 } }
      await expect(opened(options, both, announced)).rejects.toMatchObject({
        code: 'FILE_TOO_LARGE',
        expected: 'at most 12 bytes for all files of the model together ("maxBytes")',
      })
    })

    test('a model of exactly maxBytes is loaded, because its bundle does not count', async () => {
      await using model = await opened({ maxBytes: SIZE }, both, announced)
      expect(model.gathered.map(({ length }) => length)).toEqual([2, 11])
    })

    test('a shared limit applies to the total size of files', async () => {
      await expectBoundedTogether((requests) => opened({}, requests, announced))
    })
  })

  test('the error says if http.maxBytes was the limit', async () => {
    const larger = { ...FILES, 'weights.bin': 'w'.repeat(100_000) }
    const options = { maxBytes: 1_000_000, http: { maxBytes: 50_000 } }
    await site.model(`${mode}-larger`, larger)
    await site.sign(`${mode}-larger`, 'a', 'larger.sig')
    await expect(opened(options, both, true, larger)).rejects.toMatchObject({
      code: 'FILE_TOO_LARGE',
      expected: 'at most 50000 bytes for all files of the model together ("http.maxBytes")',
    })
  })
})

/** Each file is within the limit; together they are not. */
async function expectBoundedTogether(
  open: (requests: readonly FileRequest[]) => Promise<AsyncDisposable>,
): Promise<void> {
  const names = ['config.json', 'weights.bin', 'weights.bin']
  const shared = (maxBytes: number) => {
    const together = { maxBytes }
    return names.map((name) => ({ name, together }))
  }
  for (const requests of [shared(SIZE), names.map((name) => ({ name, together: { maxBytes: SIZE - 1 } }))]) {
    await using model = await open(requests)
    expect(model).toBeDefined()
  }
  await expect(open(shared(SIZE - 1))).rejects.toMatchObject({
    code: 'FILE_TOO_LARGE',
    expected: 'at most 12 bytes for all files of its group together',
  })
}

test('a model that is too large is refused before a byte of it is read', async () => {
  let asked = 0
  const options = { policy: await policy('enforce', {}), maxBytes: SIZE - 1 }
  const loading = openVerifiedModel(site.file('files'), options, () => Promise.resolve(asked++))
  await expect(loading).rejects.toMatchObject({ code: 'FILE_TOO_LARGE', verdict: { bytes: 0 } })
  expect(asked).toBe(0)
})

test('if only loaded files are checked, the rest of the model does not count', async () => {
  const options = { policy: await policy('enforce', {}, { files: 'loaded' }), maxBytes: 2 }
  await using model = await openVerifiedModel(site.file('files'), options, (reader) => reader.read('config.json'))
  expect(Buffer.from(model.gathered).toString()).toBe('{}')
  await expect(model.read('weights.bin')).rejects.toMatchObject({ code: 'FILE_TOO_LARGE' })
})

test('a file that is longer than its shards is refused before a byte of the model is read', async () => {
  truncateSync(site.file('grown', 'weights.bin'), 10_000_000_000)
  let asked = 0
  const loading = openVerifiedModel(site.file('grown'), { policy: await policy('enforce', {}) }, () =>
    Promise.resolve(asked++),
  )
  await expect(loading).rejects.toMatchObject({
    code: 'FILE_MISMATCH',
    problems: [{ file: 'weights.bin', expected: '11 bytes', found: '10000000000 bytes' }],
    verdict: { bytes: 0 },
  })
  expect(asked).toBe(0)
})

test.each([0, -1, 1.5, NaN, Infinity, '1', null, 2 ** 53])('refuses the option maxBytes %s', async (maxBytes) => {
  const options = { policy: await policy('enforce', {}), maxBytes: maxBytes as number }
  await expect(openVerifiedModel(site.file('files'), options)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
})
