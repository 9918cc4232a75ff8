import { createHash, generateKeyPairSync } from 'node:crypto'
import { resolve } from 'node:path'
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { readSmallFile } from '../../source/read-small-file.ts'
import { authority } from '../../testing/authority.ts'
import { refusal, scratch } from '../../testing/scratch.ts'
import { TestSigstore, type BundleJson } from '../../testing/sigstore.ts'
import { parseTrustConfig } from './trust-config.ts'
import { fixedSource, isValidAt, loadSigstoreTrust, readSigstoreTrust, toTrust, trustRootPath } from './trust.ts'

let root: BundleJson
beforeAll(async () => {
  root = await new TestSigstore().root()
})
beforeEach(() => void vi.stubEnv('MODELSEAL_CACHE', scratch()))
afterEach(() => void vi.unstubAllEnvs())

const bytesOf = (json: unknown) => Buffer.from(JSON.stringify(json))

async function trustOf(change: (root: BundleJson) => unknown = () => {}) {
  const changed = structuredClone(root)
  change(changed)
  return toTrust(await parseTrustConfig(bytesOf(changed)), { name: 'root.json', source: 'file' })
}

const LISTS = ['tlogs', 'ctlogs', 'certificateAuthorities', 'timestampAuthorities'] as const

/** The validity of the first in a list. */
function validity(changed: BundleJson, list: (typeof LISTS)[number], validFor: unknown): void {
  const [first] = changed[list]
  if (first.publicKey) first.publicKey.validFor = validFor
  else first.validFor = validFor
}

describe('a trusted root', () => {
  test('has a digest, and the time at which its newest key came into use', async () => {
    const { info, text, material } = await trustOf()
    expect(info).toEqual({
      name: 'root.json',
      source: 'file',
      digest: createHash('sha256').update(bytesOf(root)).digest('hex'),
      newest: '2020-01-01T00:00:00.000Z',
    })
    expect(text).toEqual(bytesOf(root))
    expect(material.tlogs).toHaveLength(1)
    for (const list of LISTS)
      expect((await trustOf((one) => validity(one, list, { start: '2022-03-04T05:06:07Z' }))).info.newest).toBe(
        '2022-03-04T05:06:07.000Z',
      )
  })

  test.each(LISTS)('is refused if one of its %s has no period of validity, or an impossible one', async (list) => {
    const refused = (found: string) =>
      refusal('TRUST_ROOT_INVALID', { file: 'root.json', found: `"one of its keys or authorities has ${found}"` })
    for (const validFor of [undefined, {}, { end: '2024-01-01T00:00:00Z' }])
      await expect(trustOf((one) => validity(one, list, validFor))).rejects.toThrow(refused('no validFor.start'))
    const [start, end] = ['2024-01-01T00:00:00Z', '2023-12-31T23:59:59Z']
    for (const validFor of [{ start, end }, { start: 'x' }, { start, end: 'x' }])
      await expect(trustOf((one) => validity(one, list, validFor))).rejects.toThrow(
        refused('a validFor that ends before it starts'),
      )
    expect(await trustOf((one) => validity(one, list, { start, end: start }))).toBeDefined()
  })

  test.each(['tlogs', 'ctlogs'])('is refused if the key of one of its %s is weak', async (list) => {
    const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 1024 })
    const rawBytes = publicKey.export({ type: 'spki', format: 'der' }).toString('base64')
    const weak = trustOf((one) => {
      one[list][0].publicKey.rawBytes = rawBytes
    })
    const { baseUrl } = root[list][0]
    await expect(weak).rejects.toThrow(
      refusal('TRUST_ROOT_INVALID', { found: `"the log ${baseUrl} has an RSA key of 1024 bits"` }),
    )
  })

  test.each(['certificateAuthorities', 'timestampAuthorities'])(
    'is refused if one of the certificates of its %s has a weak key, or cannot be read',
    async (list) => {
      const rsa = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', publicExponent: new Uint8Array([1, 0, 1]) }
      const keys = await crypto.subtle.generateKey({ ...rsa, modulusLength: 1024 }, true, ['sign', 'verify'])
      const weak = await authority('Weak', { keys })
      const refused = (der: Buffer) =>
        trustOf((one) => one[list][0].certChain.certificates.push({ rawBytes: der.toString('base64') }))
      await expect(refused(weak.der)).rejects.toThrow(
        refusal('TRUST_ROOT_INVALID', { found: expect.stringContaining('1024') }),
      )
      await expect(refused(Buffer.from('junk'))).rejects.toThrow(refusal('TRUST_ROOT_INVALID'))
    },
  )

  test('is refused with its file only if it is one', async () => {
    const config = await parseTrustConfig(bytesOf({ ...root, ctlogs: [{}] }))
    const refused = (source: 'file' | 'carried') => toTrust(config, { name: 'ours', source })
    const found = '"one of its keys or authorities has no validFor.start"'
    await expect(refused('file')).rejects.toThrow(refusal('TRUST_ROOT_INVALID', { file: 'ours', found }))
    await expect(refused('carried')).rejects.toThrow(refusal('TRUST_ROOT_INVALID', { file: undefined }))
  })
})

describe('a period of validity', () => {
  const [start, end] = [new Date(1000), new Date(2000)]
  test('includes its ends, and must include all times', () => {
    const at = (...times: number[]) =>
      isValidAt(
        { start, end },
        times.map((time) => new Date(time)),
      )
    expect([at(), at(1000), at(1500, 2000), at(999), at(2001), at(1500, 2001), at(999, 1500)]).toEqual([
      true,
      true,
      true,
      false,
      false,
      false,
      false,
    ])
  })

  test('without an end lasts, and without a start is none', () => {
    expect(isValidAt({ start }, [new Date(9_999_999)])).toBe(true)
    expect(isValidAt({ start }, [new Date(NaN)])).toBe(false)
    for (const range of [undefined, {}, { end }]) expect(isValidAt(range, [])).toBe(false)
  })
})

describe('the source of a trusted root', () => {
  test('is one of the public instances, a repository or a file', () => {
    expect([fixedSource('public-good'), fixedSource('staging')]).toEqual(['public-good', 'staging'])
    expect({ ...(fixedSource({ tufUrl: 'https://tuf.test', tufRoot: 'root.json' }) as object) }).toEqual({
      tufUrl: 'https://tuf.test',
      tufRoot: resolve('root.json'),
    })
    const file = fixedSource({ file: 'root.json' })
    expect({ ...(file as object) }).toEqual({ file: resolve('root.json') })
    expect(Object.getPrototypeOf(file)).toBeNull()
    expect(Object.isFrozen(file)).toBe(true)
  })

  test.each([
    [undefined],
    [null],
    ['public'],
    [7],
    [{}],
    [{ file: 7 }],
    [{ tufUrl: 'https://tuf.test' }],
    [{ tufUrl: 7, tufRoot: 'root.json' }],
    [{ tufRoot: 'root.json' }],
    [{ file: 'root.json', more: 1 }],
  ])('is not %j', async (source) => {
    expect(() => fixedSource(source)).toThrow(refusal('INVALID_ARGUMENT'))
    await expect(loadSigstoreTrust(source as never)).rejects.toThrow(refusal('INVALID_ARGUMENT'))
  })

  test('names the option that is wrong', () => {
    const message = (source: unknown) => {
      try {
        return JSON.stringify(fixedSource(source))
      } catch (error) {
        return (error as Error).message
      }
    }
    for (const given of ['public', null]) expect(message(given)).toContain('trustRoot')
    expect(message({})).toContain('file')
    expect(message({ tufUrl: 'https://tuf.test' })).toContain('tufRoot')
    expect(message({ file: 'root.json', more: 1 })).toContain('a trust root')
  })
})

describe('a trusted root in a file', () => {
  test('is read, also by other means, and is named by its path', async () => {
    const file = `${scratch({ 'root.json': bytesOf(root) })}/root.json`
    const { info, text } = await loadSigstoreTrust({ file })
    expect(info).toMatchObject({ name: file, source: 'file' })
    expect(text).toEqual(bytesOf(root))
    const read = vi.fn(readSmallFile)
    expect((await readSigstoreTrust({ file }, read)).info).toEqual(info)
    expect(read.mock.calls.map(([path]) => path)).toEqual([file])
    expect(trustRootPath({ file: 'root.json' })).toBe(resolve('root.json'))
  })

  test('is refused with its path', async () => {
    const file = `${scratch({ 'root.json': bytesOf({ ...root, ctlogs: [{}] }) })}/root.json`
    await expect(loadSigstoreTrust({ file })).rejects.toThrow(refusal('TRUST_ROOT_INVALID', { file }))
  })
})

test.each(['public-good', 'staging'] as const)('the root of %s is included, and its cache is a file', async (name) => {
  const { info } = await loadSigstoreTrust(name)
  expect(info).toMatchObject({ name, source: 'carried' })
  expect(trustRootPath(name)).toMatch(/tuf-repo-cdn\.sig(store|stage)\.dev\.json$/)
})

test('a root that was never fetched is missing', async () => {
  const tufRoot = `${scratch({ 'root.json': '{}' })}/root.json`
  await expect(loadSigstoreTrust({ tufUrl: 'https://tuf.test', tufRoot })).rejects.toThrow(
    refusal('TRUST_ROOT_MISSING', {
      message: expect.stringContaining('"https://tuf.test"'),
      hint: expect.stringContaining('trust-root update'),
    }),
  )
})
