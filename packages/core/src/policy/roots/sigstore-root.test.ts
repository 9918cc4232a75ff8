import { Ajv } from 'ajv'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { TestSigstore } from '../../testing/sigstore.ts'
import { TestSite } from '../../testing/site.ts'
import { TestTuf } from '../../testing/tuf.ts'
import { refusal } from '../../testing/scratch.ts'
import { trustRootPath } from '../../verification/sigstore/trust.ts'
import { loadCompiledPolicy } from '../load-policy.ts'
import { rootKind, trustRootSchema } from './roots.ts'

let site: TestSite

beforeAll(async () => {
  site = await TestSite.make()
  vi.stubEnv('XDG_CACHE_HOME', site.file('cache'))
  await site.write('sigstore.json', JSON.stringify(await new TestSigstore().root()))
  await site.write('root.json', new TestTuf({}).anchor)
})
afterAll(async () => {
  vi.unstubAllEnvs()
  await site.remove()
})

async function read(sigstore: unknown, forOneLoad = false) {
  const rules = [{ name: 'r', match: { path: 'model' }, signers: [{ sigstore: { root: 'it', issuer: 'i', identity: 'i' } }] }] // prettier-ignore
  const path = await site.policy(JSON.stringify({ version: 1, trustRoots: { it: { sigstore } }, rules }), 'p.json')
  const { policy, problems } = await loadCompiledPolicy(path, { forOneLoad })
  const root = policy.roots.get('it')
  if (root?.kind !== 'sigstore') throw new Error('no Sigstore root')
  const at = problems.map(({ code, line, column }) => [code, line, column])
  return { root, at, files: [...policy.files.keys()].slice(1) }
}

/** The column of a text in the policy. */
const columnOf = (sigstore: unknown, value: string) =>
  `{"version":1,"trustRoots":{"it":{"sigstore":${JSON.stringify(sigstore)}`.indexOf(JSON.stringify(value)) + 1

describe('a trust root of Sigstore can be', () => {
  test('an instance whose trusted root this package has, or the cache of the user', async () => {
    for (const instance of ['public-good', 'staging'] as const) {
      const { root, at, files } = await read(instance)
      expect([root.name, root.isFile, at]).toEqual(['it', false, []])
      expect((await root.trust?.())?.info).toMatchObject({ name: instance, source: 'carried' })
      // It changes when the cache does.
      expect(files).toEqual([trustRootPath(instance)])
    }
  })

  test('a file', async () => {
    const { root, at, files } = await read({ file: 'sigstore.json' })
    expect([root.isFile, at, files]).toEqual([true, [], [site.file('sigstore.json')]])
    expect((await root.trust?.())?.info).toMatchObject({ source: 'file', name: site.file('sigstore.json') })
    expect(rootKind('sigstore').certificates(root)).toEqual([])
    expect(rootKind('sigstore').dangers(root, 0)).toEqual([])
  })

  test('a TUF repository, of which nothing may have been fetched', async () => {
    const written = { tufUrl: 'https://tuf.example', tufRoot: 'root.json' }
    const { root, at, files } = await read(written)
    expect(root.isFile).toBe(false)
    expect(at).toEqual([['TRUST_ROOT_MISSING', 1, columnOf(written, 'root.json')]])
    const place = { tufUrl: written.tufUrl, tufRoot: site.file('root.json') }
    expect(files).toEqual([site.file('root.json'), trustRootPath(place)])
    await expect(root.trust?.()).rejects.toEqual(refusal('TRUST_ROOT_MISSING'))
    expect((await read(written, true)).at).toEqual([])
  })

  test('but not without its file, even for one load', async () => {
    for (const [written, name] of [
      [{ file: 'gone.json' }, 'gone.json'],
      [{ tufUrl: 'https://tuf.example', tufRoot: 'gone.json' }, 'gone.json'],
    ] as const)
      for (const once of [false, true]) {
        const { root, at } = await read(written, once)
        expect(at).toEqual([['FILE_NOT_FOUND', 1, columnOf(written, name)]])
        expect(root).toEqual({ kind: 'sigstore', name: 'it', isFile: 'file' in written })
      }
  })

  test('with its fault at the file that is not valid', async () => {
    await site.write('bad.json', '{}')
    const written = { file: 'bad.json' }
    const { root, at } = await read(written)
    const place = [1, columnOf(written, 'bad.json')]
    expect(at).toEqual([['TRUST_ROOT_INVALID', ...place]])
    await expect(root.trust?.()).rejects.toEqual(refusal('TRUST_ROOT_INVALID', { line: place[0], column: place[1] }))
  })
})

const inJsonSchema = new Ajv({ strict: false, validateFormats: false }).compile(trustRootSchema.toJson())

test.each(['https://tuf.example', 'http://127.0.0.1:80/a', 'HTTPS://tuf.example/'])(
  'a TUF repository has a URL: %s',
  (tufUrl) => {
    const written = { sigstore: { tufUrl, tufRoot: 'root.json' } }
    expect(trustRootSchema.check(written)).toHaveProperty('value')
    expect(inJsonSchema(written)).toBe(true)
  },
)

test.each([
  '',
  'ftp://tuf.example',
  'https://',
  'https://a b',
  'x https://a',
  'xhttps://a',
  'https://a@b',
  'https://a?b',
  'https://a#b',
  'https://a\n',
  'https:a',
])('a TUF repository has no URL such as %j', (tufUrl) => {
  const written = { sigstore: { tufUrl, tufRoot: 'root.json' } }
  const checked = trustRootSchema.check(written)
  expect(inJsonSchema(written)).toBe(false)
  expect(JSON.stringify(checked)).toContain('expected an http or https URL without user, query and fragment')
})
